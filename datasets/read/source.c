/* SPDX-License-Identifier: MIT */
/* Opens a source: a process, or a file or pipe whose format is told from its bytes. */
#include "reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

const char *ds_state_name(enum ds_state state)
{
    static const char *const names[DS_STATES] = {"data",     "zero", "absent",
                                                 "excluded", "hole", "kernel-shared"};
    return (unsigned)state < DS_STATES ? names[state] : "unknown";
}

const struct ds_info *ds_source_info(const struct ds_source *source)
{
    return &source->info;
}

void ds_source_free(struct ds_source *source)
{
    if (!source)
        return;
    ds_reading_free(source->pending);
    if (source->kind && source->kind->forget)
        source->kind->forget(source->plan);
    if (source->bytes)
        munmap(source->bytes, source->nbytes);
    if (source->fd >= 0)
        close(source->fd);
    free(source->extent);
    for (size_t i = 0; i < source->parts; i++) {
        if (source->part[i].fd >= 0)
            close(source->part[i].fd);
        free(source->part[i].path);
    }
    free(source->part);
    pthread_mutex_destroy(&source->mutex);
    free(source->span);
    free(source->spec);
    free(source);
}

/* Opens a path, and says plainly what is there instead of a file or FIFO. */
static bool open_path(struct ds_source *source)
{
    if (!*source->spec)
        return ds_fail(source, "the source is empty: expected a file, - or pid:N");
    struct stat st;
    if (stat(source->spec, &st) != 0)
        return ds_fail(source, "cannot open: %s", strerror(errno));
    const char *found = S_ISDIR(st.st_mode)   ? "a directory"
                        : S_ISCHR(st.st_mode) ? "a character device"
                        : S_ISBLK(st.st_mode)
                            ? "a block device (redirect it to standard input, '-')"
                        : S_ISREG(st.st_mode) || S_ISFIFO(st.st_mode) ? NULL
                                                                      : "a special file";
    if (found)
        return ds_fail(source, "expected a regular file, found %s", found);
    /* A FIFO waits for its writer, as cat does. */
    int wait = S_ISFIFO(st.st_mode) ? 0 : O_NONBLOCK;
    source->fd = open(source->spec, O_RDONLY | O_CLOEXEC | O_NOCTTY | wait);
    return source->fd >= 0 || ds_fail(source, "cannot open: %s", strerror(errno));
}

static bool open_stdin(struct ds_source *source)
{
    source->fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
    return source->fd >= 0 || ds_fail(source, "cannot read: %s", strerror(errno));
}

/* What the pages are, if that is known before a look. */
static bool read_pieces(struct ds_source *source, struct ds_reading *reading)
{
    bool listed = reading->input.seekable && !source->kind->unpack;
    source->info.sequential = !listed;
    source->info.stays = listed;
    if (source->bytes_in == DS_IN_PIPE) {
        source->pending = reading; /* has read what nobody can read again */
        return true;
    }
    bool ok = !listed || ds_reading_list(reading);
    ds_reading_free(reading);
    return ok;
}

static bool read_file(struct ds_source *source)
{
    bool standard = strcmp(source->spec, "-") == 0;
    if (!(standard ? open_stdin(source) : open_path(source)) ||
        !ds_identity_note(source, source->fd))
        return false;
    if (standard && lseek(source->fd, 0, SEEK_CUR) != 0)
        source->bytes_in = DS_IN_PIPE; /* a file from somewhere on is read as a pipe is */
    struct ds_reading *reading = ds_reading_new(source, source->fd);
    if (!reading || !read_pieces(source, reading))
        return false;
    if (source->bytes_in == DS_IN_FILE && !standard) {
        close(source->fd); /* a set may have thousands of sources */
        source->fd = -1;
    }
    return true;
}

static bool read_process(struct ds_source *source)
{
    bool ok = ds_pid_read(source);
    source->info.complete = source->info.stays = true;
    return ok;
}

bool ds_source_open(const char *spec, const struct ds_options *options, struct ds_source **out,
                    struct ds_error *error)
{
    *out = NULL;
    error->text[0] = '\0';
    struct ds_source *source = calloc(1, sizeof *source);
    char *copy = strdup(spec);
    if (!source || !copy) {
        snprintf(error->text, sizeof error->text, "out of memory");
        free(source);
        free(copy);
        return false;
    }
    source->spec = copy;
    source->error = error;
    source->fd = -1;
    pthread_mutex_init(&source->mutex, NULL);
    if (options)
        source->options = *options;
    bool ok = strncmp(spec, "pid:", 4) == 0     ? read_process(source)
              : strncmp(spec, "diff:", 5) == 0  ? ds_diff_read(source)
              : strncmp(spec, "split:", 6) == 0 ? ds_split_read(source)
                                                : read_file(source);
    if (!ok) {
        ds_source_free(source);
        return false;
    }
    source->options.progress = NULL; /* belongs to the opening */
    source->error = NULL;
    source->info.spec = source->spec;
    source->info.format = source->format;
    source->info.producer = source->producer;
    source->info.machine = source->machine;
    source->info.extent = source->extent;
    *out = source;
    return true;
}
