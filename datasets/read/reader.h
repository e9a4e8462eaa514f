/* SPDX-License-Identifier: MIT */
/*
 * What the files of this directory share: a source under construction, and what a format is.
 *
 * Data flow: spec -> source.c { stream.c (peek) -> formats.c (which one?) -> spool.c, zstd.c (if it
 * must be unpacked) -> mmap -> raw.c or elf.c } or pid.c -> extents.c -> struct ds_info.
 *
 * To add a format: one new file that defines a `const struct ds_format`, and its line in formats.c.
 */
#ifndef DS_READER_H
#define DS_READER_H

#include "source.h"

#include <pthread.h>
#include <sys/stat.h>

#define DS_HEAD_NBYTES 64 /* bytes of a file's start that tell its format */

struct ds_source {
    struct ds_info info; /* what the caller sees */
    struct ds_options options;
    struct ds_error *error; /* borrowed from ds_source_open while that runs */
    char *spec;             /* owned; info.spec */
    char format[32];        /* info.format */
    bool unpacked;          /* `bytes` is what came out of a compressed file: errors say so */

    int fd;                /* owned; -1 for a process */
    uint8_t *bytes;        /* owned mapping: the file, or a process's copied pages; or NULL */
    uint64_t nbytes;       /* length of `bytes` */
    bool by_path;          /* `bytes` is a file that info.spec still names */
    struct stat found;     /* what the file was when it was opened */
    const uint8_t *origin; /* what extents' bytes count from: `bytes` at first */
    bool resting;          /* `bytes` is mapped only while there are looks */
    unsigned looks;        /* under `mutex`, with `bytes` and `fd` of a resting source */
    pthread_mutex_t mutex;
    struct ds_extent *extent; /* owned; info.extent */
    size_t extent_capacity;
};

/* A file or a pipe read once from front to back. Owned by ds_source_open's frame. */
struct ds_stream {
    int fd;          /* borrowed */
    uint8_t *buffer; /* owned, DS_STREAM_NBYTES */
    size_t filled;   /* bytes in buffer */
    uint64_t offset; /* of buffer[0] in the input */
    bool end;        /* the input ends where the buffer does */
};
#define DS_STREAM_NBYTES ((size_t)1 << 20)

struct ds_format {
    const char *name;
    const char *magic; /* the first magic_nbytes (<= DS_HEAD_NBYTES) bytes of such a file */
    size_t magic_nbytes;
    /* Adds the extents of source->fd and source->bytes. NULL: the format is known, not readable. */
    bool (*read)(struct ds_source *source);
    /* Instead of read: writes what is packed in the stream to a file. */
    bool (*unpack)(struct ds_source *source, struct ds_stream *stream, int to_fd);
};

extern const struct ds_format ds_format_raw;
extern const struct ds_format ds_format_elf;
extern const struct ds_format ds_format_zstd;

/* The format that these first bytes belong to; raw if none. Never NULL. */
const struct ds_format *ds_format_find(const uint8_t *head, size_t head_nbytes);

/* Both write source->error and return false, for `return ds_fail(...)`. */
bool ds_fail(struct ds_source *source, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
bool ds_fail_at(struct ds_source *source, uint64_t offset, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Appends an extent, joined to the last one where they touch. Keys must ascend; 0 pages are fine.
 */
bool ds_extent_add(struct ds_source *source, struct ds_extent extent);
/* Appends `pages` pages at `offset` of source->fd and source->bytes, holes told from data. */
bool ds_extent_add_file(struct ds_source *source, uint64_t key, uint64_t offset, uint64_t pages);

bool ds_stream_init(struct ds_source *source, struct ds_stream *stream, int fd);
void ds_stream_fini(struct ds_stream *stream);
/* Replaces the buffer by the bytes that follow it; 0 bytes at the end. */
bool ds_stream_next(struct ds_source *source, struct ds_stream *stream);

/* A new unlinked file in $TMPDIR or /var/tmp, or -1 with the error written. */
int ds_spool_create(struct ds_source *source);
bool ds_spool_write(struct ds_source *source, int fd, const uint8_t *bytes, size_t nbytes);
/* ds_format.unpack of what is not packed: a plain copy. */
bool ds_spool_copy(struct ds_source *source, struct ds_stream *stream, int to_fd);

/* Reads the process of source->spec, "pid:N". */
bool ds_pid_read(struct ds_source *source);

#endif
