/* SPDX-License-Identifier: MIT */
/* Which file a source is, so that a look finds it as it was. */
#include "reader.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

void ds_identity_of(const struct stat *st, struct ds_identity *identity)
{
    *identity = (struct ds_identity){st->st_dev, st->st_ino, st->st_size, st->st_mtim};
}

bool ds_identity_note(struct ds_source *source, int fd)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return ds_fail(source, "cannot read its size: %s", strerror(errno));
    ds_identity_of(&st, &source->identity);
    source->info.has_file = true;
    source->info.device = st.st_dev;
    source->info.inode = st.st_ino;
    source->bytes_in = S_ISREG(st.st_mode) ? DS_IN_FILE : DS_IN_PIPE;
    return true;
}

static bool check(const struct ds_source *source, size_t part, const struct stat *now,
                  struct ds_error *error)
{
    const struct ds_identity *was = source->part ? &source->part[part].identity : &source->identity;
    if (now->st_dev != was->device || now->st_ino != was->inode)
        return ds_fail_look(source, error,
                            "changed while it was read: another file has its name now");
    if (now->st_size < was->nbytes)
        return ds_fail_look(source, error, "became shorter while it was read (%lld bytes of %lld)",
                            (long long)now->st_size, (long long)was->nbytes);
    if (now->st_size != was->nbytes || now->st_mtim.tv_sec != was->modified.tv_sec ||
        now->st_mtim.tv_nsec != was->modified.tv_nsec)
        return ds_fail_look(source, error, "changed while it was read: somebody writes to it");
    return true;
}

bool ds_identity_check(const struct ds_source *source, size_t part, int fd, struct ds_error *error)
{
    struct stat now;
    if (source->bytes_in != DS_IN_FILE)
        return true;
    if (fstat(fd, &now) != 0)
        return ds_fail_look(source, error, "cannot read its size: %s", strerror(errno));
    return check(source, part, &now, error);
}

static bool check_path(const struct ds_source *source, size_t part, const char *path,
                       struct ds_error *error)
{
    struct stat now;
    if (stat(path, &now) != 0)
        return ds_fail_look(source, error, "was there, and is gone: %s", strerror(errno));
    return check(source, part, &now, error);
}

bool ds_source_check(struct ds_source *source, struct ds_error *error)
{
    for (size_t i = 0; i < source->parts; i++) {
        if (!check_path(source, i, source->part[i].path, error))
            return false;
    }
    if (source->parts || !source->kind || source->bytes_in != DS_IN_FILE)
        return true;
    if (source->fd >= 0) /* standard input, which has no name */
        return ds_identity_check(source, 0, source->fd, error);
    return check_path(source, 0, source->spec, error);
}
