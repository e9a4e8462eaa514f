/* SPDX-License-Identifier: MIT */
/*
 * What the files of this directory share: a source, what a format is, and the bytes that it reads.
 *
 * Data flow of a file or pipe: spec -> source.c { input.c (bytes; packed ones through unpack.c and
 * a packing, zstd.c ...) -> formats.c (which one?) -> the format: raw.c, elf.c ... -> list.c
 * (extents, and where data pages lie) } -> look.c (bytes of pages). A process: pid.c -> extents.c.
 *
 * To add a format: one new file that defines a `const struct ds_format`, and its line in formats.c.
 */
#ifndef DS_READER_H
#define DS_READER_H

#include "input.h"
#include "source.h"

#include <pthread.h>
#include <sys/types.h>
#include <time.h>

/* Data pages from `index` on, up to that of the next span: page i at offset + i * stride. */
struct ds_span {
    uint64_t index;
    uint64_t offset;
    uint32_t stride;
    uint32_t part; /* of a source that several files make; else 0 */
};

/* What a source's bytes are in. */
enum ds_bytes {
    DS_IN_FILE,  /* a regular file, which must stay as it was opened */
    DS_IN_PIPE,  /* read once */
    DS_IN_SPOOL, /* a temporary file of ours, of what came through a pipe or was unpacked */
};

/* The file that was opened: a look compares. */
struct ds_identity {
    dev_t device;
    ino_t inode;
    off_t nbytes;
    struct timespec modified;
};

/* One of several files that make a source. */
struct ds_part {
    char *path; /* owned */
    int fd;     /* owned while the source is opened, else -1 */
    struct ds_identity identity;
};

/* A file while looks are at it. */
struct ds_map {
    int fd;         /* owned, or that of the source */
    uint8_t *bytes; /* owned mapping */
    uint64_t nbytes;
};

struct ds_source {
    struct ds_info info; /* what the caller sees */
    struct ds_options options;
    struct ds_error *error; /* borrowed: of ds_source_open, and of a look that reads pieces */
    char *spec;             /* owned; info.spec */
    char format[32];        /* info.format */
    char producer[64], machine[64];

    struct ds_extent *extent; /* owned; info.extent */
    size_t extent_capacity;

    uint8_t *bytes; /* owned mapping: a process's copied pages, or NULL */
    uint64_t nbytes;

    /* A file or pipe. */
    int fd; /* owned: standard input, a pipe or a spool; -1: a look opens the path */
    enum ds_bytes bytes_in;
    struct ds_identity identity;
    struct ds_part *part; /* owned: of "diff:"; NULL: the file is info.spec */
    size_t parts;
    pthread_mutex_t mutex; /* of the next two, which change when the first look comes and the last
                              one goes */
    unsigned looks;
    struct ds_map *map;   /* owned: one a part, or one; NULL while there is no look */
    struct ds_span *span; /* owned: where the data pages are, if not sequential */
    size_t spans, span_capacity;
    const struct ds_packing *packing; /* NULL: none */
    const struct ds_format *kind;     /* NULL: a process */
    struct ds_reading *pending;       /* owned: of a pipe, until its first look takes it */
    void *plan;                       /* owned: kept by the format for its next reading, or NULL */
};

/* ------------------------------------------------------------------------------- formats -- */

/* The next pages of an input. */
struct ds_piece {
    uint64_t key;
    uint64_t pages; /* DS_TO_END: as many as come; 0: no piece is left */
    enum ds_state state;
    uint64_t offset; /* of data: of the first page in the input */
    uint32_t stride; /* from page to page; 0: DS_PAGE_SIZE */
    bool cut;        /* excluded, because the input ends too early */
};
#define DS_TO_END (UINT64_MAX / DS_PAGE_SIZE)

/* An input that is gone through by its format. */
struct ds_reading {
    struct ds_source *source;
    struct ds_input input;
    void *state;              /* the format's; freed by its close */
    uint64_t pieces;          /* that were given so far */
    uint64_t alias_pages;     /* that the headers name again */
    uint64_t expected_nbytes; /* of the input, if its headers say that; else 0 */
};

struct ds_format {
    const char *name;
    bool (*matches)(const uint8_t *head, size_t nbytes);
    /* Reads headers. */
    bool (*open)(struct ds_reading *reading); /* NULL: nothing to do */
    /* The next piece. Those of data come in the order of their offsets. */
    bool (*next)(struct ds_reading *reading, struct ds_piece *piece);
    /* The next pages of a piece of data, for a format that packs pages itself; NULL: they lie in
     * the input. Each piece is unpacked to its end, or until *count < pages: the input ends early.
     */
    bool (*unpack)(struct ds_reading *reading, uint8_t *to, size_t pages, size_t *count);
    /* Instead of next: writes the file that the input was made of. Then that is read. */
    bool (*reassemble)(struct ds_reading *reading, int to_fd);
    void (*close)(struct ds_reading *reading); /* also after an open that failed; may be NULL */
    void (*forget)(void *plan);                /* frees source->plan; NULL: there is none */
};

extern const struct ds_format ds_format_raw;
extern const struct ds_format ds_format_elf;
extern const struct ds_format ds_format_qemu;
extern const struct ds_format ds_format_libvirt;
extern const struct ds_format ds_format_lime;
extern const struct ds_format ds_format_avml;
extern const struct ds_format ds_format_kdump;
extern const struct ds_format ds_format_flattened;

/* An error if raw memory of so many bytes ends within a page. */
bool ds_raw_whole(struct ds_source *source, uint64_t nbytes);

/* The format of an input that begins so. Raw if none is known; NULL if it is one that cannot be
 * read: *refused says what it is. */
const struct ds_format *ds_format_find(const uint8_t *head, size_t nbytes, const char **refused);

/* What libmagic takes it for, if that is surely no memory; NULL: anything else. */
const char *ds_foreign_name(const uint8_t *head, size_t nbytes);

/* Opens an input and its format: that of source->kind, or the one that is found and put there.
 * `fd` is borrowed until ds_reading_free. NULL with the error written. */
struct ds_reading *ds_reading_new(struct ds_source *source, int fd);
void ds_reading_free(struct ds_reading *reading);
/* The next piece: format->next, checked. */
bool ds_reading_next(struct ds_reading *reading, struct ds_piece *piece);
/* All pieces of a regular file: the source is complete. */
bool ds_reading_list(struct ds_reading *reading);
/* The input ends at `nbytes`, before its format's end: an error, or true if it is read as far as it
 * goes. */
bool ds_reading_truncated(struct ds_reading *reading, uint64_t nbytes);

/* -------------------------------------------------------------------------------- errors -- */

/* All return false, for `return ds_fail(...)`. They write source->error. */
bool ds_fail(struct ds_source *source, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
bool ds_fail_at(struct ds_source *source, uint64_t offset, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* In the packed bytes of a source that is unpacked. */
bool ds_fail_packed_at(struct ds_source *source, uint64_t offset, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Of one look among several. */
bool ds_fail_look(const struct ds_source *source, struct ds_error *error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* --------------------------------------------------------------------------------- lists -- */

/* Appends an extent, joined to the last one where they touch; 0 pages are fine. Of a process keys
 * must ascend, of a file ds_list_finish sorts them. */
bool ds_extent_add(struct ds_source *source, struct ds_extent extent);

/* Appends a piece of a regular file: its extents, holes told from data, and spans. */
bool ds_list_add(struct ds_source *source, int fd, const struct ds_piece *piece);
/* Appends pages that a truncated dump does not have. */
bool ds_list_cut(struct ds_source *source, const struct ds_piece *cut);
/* Sorts the extents, and refuses those that overlap. Then the source is complete. */
bool ds_list_finish(struct ds_source *source);
void ds_list_reset(struct ds_source *source);
/* lseek's answer to SEEK_HOLE or SEEK_DATA, within [from, end]. */
uint64_t ds_seek_within(int fd, uint64_t from, uint64_t end, int whence);
bool ds_span_add(struct ds_source *source, struct ds_span span);

/* ---------------------------------------------------------------------------------- rest -- */

struct stat;
void ds_identity_of(const struct stat *st, struct ds_identity *identity);
/* Notes which file or pipe this is, in source->identity and bytes_in. */
bool ds_identity_note(struct ds_source *source, int fd);
/* False with the error written: it is not the file that was opened, or not as it was then. Of a
 * source of several files, it is the given one. */
bool ds_identity_check(const struct ds_source *source, size_t part, int fd, struct ds_error *error);

/* A new unlinked file in $TMPDIR or /var/tmp, or -1 with the error written. */
int ds_spool_create(struct ds_source *source);
/* Writes whole pages of zeros as holes. */
bool ds_spool_write(struct ds_source *source, int fd, uint64_t offset, const uint8_t *bytes,
                    size_t nbytes);
/* The file ends here, whatever was left out. */
bool ds_spool_end(struct ds_source *source, int fd, uint64_t nbytes);

/* Opens the files of source->spec, "KIND:A+B[+C...]", as its parts. `form` is how it should look.
 */
bool ds_parts_open(struct ds_source *source, const char *form);
void ds_parts_close(struct ds_source *source); /* they stay parts */

/* Reads the files of source->spec, "diff:BASE+DIFF". */
bool ds_diff_read(struct ds_source *source);

/* Finds out that the files of source->spec, "split:PART+PART", make one dump. */
bool ds_split_read(struct ds_source *source);

/* Reads the process of source->spec, "pid:N". */
bool ds_pid_read(struct ds_source *source);

#endif
