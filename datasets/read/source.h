/* SPDX-License-Identifier: MIT */
/*
 * A source of memory pages: a dump file, a pipe or a running process, opened read-only.
 *
 * Whatever the format, a source is a list of extents in the order of their page keys: a run of
 * pages of one state. Those of state data have bytes, which a *look* reads: data pages are numbered
 * from 0 without gaps, in the order in which the input holds them (their index), and a look gives
 * the bytes of those that it is asked for. Most sources give any page at any time, to any number of
 * looks. A *sequential* one (packed, or a pipe) is read from its front: a look's indexes must
 * ascend, and what its extents are is known when a look has reached its end. Nothing here knows of
 * page sharing.
 *
 * An open file is neither mapped nor kept open: a look opens and maps it again, and says so if it
 * is not the file that it was. One that becomes shorter while a look is at it may be a signal
 * (SIGBUS). What is packed is unpacked again by each look. A pipe's first look must reach its end:
 * it writes what is not zero into an unnamed file in $TMPDIR or /var/tmp, from which later looks
 * read. A process is copied into memory of this one.
 *
 * Example:
 *     struct ds_error error;
 *     struct ds_source *source;
 *     if (!ds_source_open("vm1.elf", NULL, &source, &error))
 *         die(error.text);
 *     struct ds_look *look = ds_look_new(source, &error);
 *     struct ds_run run = {0};
 *     while (look && ds_look_at(look, run.index + run.pages, 64, &run, &error) && run.pages)
 *         consume(run.bytes, run.pages * DS_PAGE_SIZE);
 *     ds_look_free(look);
 *     ds_source_free(source);
 */
#ifndef DS_SOURCE_H
#define DS_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DS_PAGE_SIZE 4096

struct ds_source;

/* What a dump says of a page. Only data pages have bytes to be read. */
enum ds_state {
    DS_DATA,          /* present, bytes known */
    DS_ZERO,          /* present, known to be all zero without a look: it has no index */
    DS_ABSENT,        /* the machine had no such page, or nothing ever touched it */
    DS_EXCLUDED,      /* present in the machine, left out by whoever wrote the dump */
    DS_HOLE,          /* a hole of a raw file: unknown unless options say that it reads as zero */
    DS_KERNEL_SHARED, /* a live process's page that the kernel already shares physically */
    DS_STATES
};

/* A run of pages of one state. Extents of a source never overlap and ascend by key. */
struct ds_extent {
    uint64_t key;         /* first page's number in the source (a PPN, or a VPN of a process) */
    uint64_t pages;       /* > 0 */
    uint64_t index;       /* of the first page, if the state is data */
    const uint8_t *bytes; /* of a process's data pages; else NULL */
    enum ds_state state;
};

struct ds_info {
    const char *spec;   /* as given to ds_source_open */
    const char *format; /* "raw", "elf", "pid", ...; a packed one adds "+zstd", ... */
    uint64_t pages[DS_STATES];
    uint64_t alias_pages; /* named again by the dump with the same bytes; counted once above */
    uint64_t cut_pages;   /* behind the end of a truncated dump; among the excluded ones */
    const char *producer; /* who wrote the dump, as far as it says; "" if it does not */
    const char *machine;  /* of what architecture, as far as the dump says; "" if it does not */
    uint64_t page_nbytes; /* of the machine, as far as the dump says; 0 if it does not */
    bool stays;           /* what a look gives stays readable until it is idle or freed */
    bool has_file;        /* it is one file or pipe, named by the next two whatever its path */
    uint64_t device, inode;
    size_t extents;
    const struct ds_extent *extent;
    uint64_t data_pages; /* indexes that looks take: [0, data_pages) */
    bool sequential;     /* looks go from front to back */
    bool complete;       /* counts and extents are known; false until a look of a sequential source
                            has reached its end */
};

struct ds_options {
    bool as_raw;     /* read as flat raw memory whatever the content looks like */
    bool holes_zero; /* a sparse hole of a raw file reads as zero pages */
    bool partial;    /* of a truncated dump, read what is there */
    bool freeze;     /* stop a pid: source while it is copied, then let it go on */
    /* Called now and then during long reads (spooling, copying a process), NULL for none. Bytes
     * done, and bytes in all or 0 if unknown. */
    void (*progress)(void *ctx, uint64_t done_nbytes, uint64_t total_nbytes);
    void *progress_ctx;
};

/* One line without a newline: "SOURCE: at offset 0x498: expected ..., found ...". */
struct ds_error {
    char text[512];
};

/*
 * Opens a source. `spec` is the path of a file or FIFO, "-" for standard input, "pid:N", or
 * "diff:BASE+DIFF[+DIFF...]" for a raw file and those that hold what changed in it, or
 * "split:PART+PART[+PART...]" for a kdump-compressed dump in several files. The format is
 * told from the content, never from the name. `options` may be NULL for the defaults (all
 * false).
 *
 * On success *out is owned by the caller, to be released by ds_source_free. On failure returns
 * false with *out NULL and one line in `error`; nothing stays open, mapped, stopped or on disk.
 * Memory used is bounded by the size of the input, whatever its headers claim.
 */
bool ds_source_open(const char *spec, const struct ds_options *options, struct ds_source **out,
                    struct ds_error *error);

/* Borrowed: valid until ds_source_free. Extents are immutable, so any thread may read them. */
const struct ds_info *ds_source_info(const struct ds_source *source);

/* Pages that lie together. */
struct ds_run {
    uint64_t index;       /* of the first one */
    size_t pages;         /* 0: the source has no such page */
    const uint8_t *bytes; /* pages * DS_PAGE_SIZE, any alignment; until the look is used again */
};

struct ds_look;

/* Begins a look at a source, which must outlive it; NULL with one line in `error`. A look belongs
 * to one thread at a time. Of a sequential source there is one look at a time. */
struct ds_look *ds_look_new(struct ds_source *source, struct ds_error *error);

/* Reads data pages from `index` on: at least one and at most `pages` (> 0), as many as lie
 * together. Behind the last page a run of no pages. In a sequential source `index` must not be
 * below the end of the run before. False with one line in `error`: the look can only be freed. */
bool ds_look_at(struct ds_look *look, uint64_t index, size_t pages, struct ds_run *run,
                struct ds_error *error);

void ds_look_free(struct ds_look *look); /* NULL is allowed */

/* Hints, which change no answer; a look may ignore them. Ahead: these pages will be asked for soon.
 * Next: this page is asked for next, so a processor may fetch how it begins; what the look gave
 * before stays readable. Idle: what the look holds beside its place can be given back. Behind:
 * nobody will ask for these pages again, so that no copy of them need be kept in memory; only an
 * idle look may say so. */
void ds_look_ahead(struct ds_look *look, uint64_t index, size_t pages);
void ds_look_next(struct ds_look *look, uint64_t index);
void ds_look_idle(struct ds_look *look);
void ds_look_behind(struct ds_look *look, uint64_t index, size_t pages);

/* False with one line in `error`: the source is a file that is not any more what it was when it was
 * opened, by identity, size or time of change. */
bool ds_source_check(struct ds_source *source, struct ds_error *error);

/* Releases everything; NULL is allowed. */
void ds_source_free(struct ds_source *source);

/* A format, or a way in which one is packed. */
struct ds_reader {
    const char *name;
    const char *library; /* that it needs, or "" */
    bool built_in;
};

/* All that are known, whether this build has them or not. */
const struct ds_reader *ds_readers(size_t *count);

/* "data", "zero", "absent", "excluded", "hole", "kernel-shared". */
const char *ds_state_name(enum ds_state state);

#endif
