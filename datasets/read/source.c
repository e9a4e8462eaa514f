/* SPDX-License-Identifier: MIT */
/* Opens a source: finds its bytes, tells its format from them, hands it to that format's reader. */
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
    if (source->bytes)
        munmap(source->bytes, source->nbytes);
    if (source->fd >= 0)
        close(source->fd);
    pthread_mutex_destroy(&source->mutex);
    free(source->extent);
    free(source->spec);
    free(source);
}

/* Opens a path, and says plainly what is there instead of a regular file. */
static bool open_path(struct ds_source *source)
{
    if (!*source->spec)
        return ds_fail(source, "the source is empty: expected a file, - or pid:N");
    /* Without O_NONBLOCK, opening a FIFO would wait for a writer. */
    source->fd = open(source->spec, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (source->fd < 0 || fstat(source->fd, &source->found) != 0)
        return ds_fail(source, "cannot open: %s", strerror(errno));
    const struct stat st = source->found;
    const char *found = S_ISDIR(st.st_mode)    ? "a directory"
                        : S_ISFIFO(st.st_mode) ? "a FIFO (redirect it to standard input, '-')"
                        : S_ISCHR(st.st_mode)  ? "a character device"
                        : S_ISBLK(st.st_mode)
                            ? "a block device (redirect it to standard input, '-')"
                        : S_ISREG(st.st_mode) ? NULL
                                              : "a special file";
    source->by_path = !found;
    source->info.has_file = !found;
    source->info.device = st.st_dev;
    source->info.inode = st.st_ino;
    return found ? ds_fail(source, "expected a regular file, found %s", found) : true;
}

static bool map_file(struct ds_source *source)
{
    struct stat st;
    if (fstat(source->fd, &st) != 0)
        return ds_fail(source, "cannot read its size: %s", strerror(errno));
    if (st.st_size == 0)
        return ds_fail(source, "expected memory pages, found an empty %s",
                       source->unpacked ? "content" : "file");
    void *bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, source->fd, 0);
    if (bytes == MAP_FAILED)
        return ds_fail(source, "cannot map its %lld bytes: %s", (long long)st.st_size,
                       strerror(errno));
    source->bytes = bytes;
    source->nbytes = (uint64_t)st.st_size;
    return true;
}

/* Streams the input once into an unlinked file, unpacked, which takes the place of source->fd. */
static bool spool(struct ds_source *source, struct ds_stream *stream,
                  const struct ds_format *format)
{
    int spool_fd = ds_spool_create(source);
    if (spool_fd < 0)
        return false;
    bool ok = format->unpack ? format->unpack(source, stream, spool_fd)
                             : ds_spool_copy(source, stream, spool_fd);
    close(source->fd);
    source->fd = spool_fd;
    source->by_path = false;
    source->unpacked = format->unpack != NULL;
    return ok;
}

static const struct ds_format *find_format(const struct ds_source *source, const uint8_t *head,
                                           size_t head_nbytes)
{
    return source->options.as_raw ? &ds_format_raw : ds_format_find(head, head_nbytes);
}

/* Reads the pages of source->fd, which ends up mapped. `piped`: it can be read only once. */
static bool read_content(struct ds_source *source, struct ds_stream *stream, bool piped)
{
    const struct ds_format *outer = find_format(source, stream->buffer, stream->filled);
    const struct ds_format *format = outer;
    if ((piped || outer->unpack) && !spool(source, stream, outer))
        return false;
    if (!map_file(source))
        return false;
    if (outer->unpack) {
        size_t head_nbytes =
            source->nbytes < DS_HEAD_NBYTES ? (size_t)source->nbytes : DS_HEAD_NBYTES;
        format = find_format(source, source->bytes, head_nbytes);
    }
    if (!format->read)
        return ds_fail_at(source, 0,
                          "expected raw memory or an ELF core, found the magic of %s "
                          "(not supported%s)",
                          format->name, source->unpacked ? " here" : "; it can be read as raw");
    snprintf(source->format, sizeof source->format, "%s%s%s", format->name,
             source->unpacked ? "+" : "", source->unpacked ? outer->name : "");
    return format->read(source);
}

static bool read_file(struct ds_source *source)
{
    bool piped = strcmp(source->spec, "-") == 0;
    if (piped) {
        source->fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
        if (source->fd < 0)
            return ds_fail(source, "cannot read: %s", strerror(errno));
    } else if (!open_path(source)) {
        return false;
    }
    struct ds_stream stream;
    bool ok = ds_stream_init(source, &stream, source->fd) && read_content(source, &stream, piped);
    ds_stream_fini(&stream);
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
    bool ok = strncmp(spec, "pid:", 4) == 0 ? ds_pid_read(source) : read_file(source);
    if (!ok) {
        ds_source_free(source);
        return false;
    }
    /* The mapping keeps the file; without descriptors, a set may have thousands of them. */
    if (source->fd >= 0)
        close(source->fd);
    source->fd = -1;
    source->error = NULL;
    source->info.spec = source->spec;
    source->info.format = source->format;
    source->info.extent = source->extent;
    source->info.complete = true;
    source->info.stays = true;
    source->origin = source->bytes;
    *out = source;
    return true;
}
