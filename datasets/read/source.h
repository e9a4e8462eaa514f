/* SPDX-License-Identifier: MIT */
/*
 * A source of memory pages: a dump file, standard input or a running process, opened read-only.
 *
 * Whatever the format, a source is a list of extents in the order of their page keys: a run of
 * pages of one state, with their bytes if the state is data. The bytes stay mapped, unchanged and
 * readable from any thread until they are discarded or the source is freed. Nothing here knows of
 * page sharing.
 *
 * Limits: a dump file is mapped, so that nobody may truncate it while it is open (reading beyond
 * its new end is SIGBUS) and writes to it show. A process is copied into memory of this one.
 *
 * Example:
 *     struct ds_error error;
 *     struct ds_source *source;
 *     if (!ds_source_open("vm1.elf", NULL, &source, &error))
 *         die(error.text);
 *     const struct ds_info *info = ds_source_info(source);
 *     for (size_t i = 0; i < info->extents; i++) {
 *         const struct ds_extent *e = &info->extent[i];
 *         if (e->state == DS_DATA)
 *             consume(e->bytes, e->pages * DS_PAGE_SIZE);
 *     }
 *     ds_source_free(source);
 */
#ifndef DS_SOURCE_H
#define DS_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DS_PAGE_SIZE 4096

struct ds_source;

/* What a dump says of a page. Only data pages have bytes. */
enum ds_state {
    DS_DATA,     /* present, bytes known */
    DS_ABSENT,   /* the machine had no such page, or nothing ever touched it */
    DS_EXCLUDED, /* present in the machine, left out by whoever wrote the dump */
    DS_HOLE,     /* a hole of a sparse file: unknown unless options say that it reads as zero */
    DS_KERNEL_SHARED, /* a live process's page that the kernel already shares physically */
    DS_STATES
};

/* A run of pages of one state. Extents of a source never overlap and ascend by key. */
struct ds_extent {
    uint64_t key;         /* first page's number in the source (a PPN, or a VPN of a process) */
    uint64_t pages;       /* > 0 */
    const uint8_t *bytes; /* pages * DS_PAGE_SIZE readable bytes, any alignment; NULL if not data */
    enum ds_state state;
};

struct ds_info {
    const char *spec;   /* as given to ds_source_open */
    const char *format; /* "raw", "elf", "pid"; a compressed one adds "+zstd" */
    uint64_t pages[DS_STATES];
    uint64_t alias_pages; /* named again by the dump with the same bytes; counted once above */
    size_t extents;
    const struct ds_extent *extent;
};

struct ds_options {
    bool as_raw;     /* read as flat raw memory whatever the content looks like */
    bool holes_zero; /* a sparse hole of a raw file reads as zero pages */
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
 * Opens a source. `spec` is a path, "-" for standard input, or "pid:N". The format is told from the
 * content, never from the name. `options` may be NULL for the defaults (all false).
 *
 * On success *out is owned by the caller, to be released by ds_source_free. On failure returns
 * false with *out NULL and one line in `error`; nothing stays open, mapped, stopped or on disk.
 * Memory used is bounded by the size of the input, whatever its headers claim.
 */
bool ds_source_open(const char *spec, const struct ds_options *options, struct ds_source **out,
                    struct ds_error *error);

/* Borrowed: valid until ds_source_free. Extents are immutable, so any thread may read them. */
const struct ds_info *ds_source_info(const struct ds_source *source);

/* Gives the bytes of all extents back in pieces, so that several threads can share what may take
 * as long as 100 ns a page: pieces 0 to ds_source_pieces - 1, in any order, from any thread. From
 * the first one on, no bytes may be read. What the extents are stays known. */
uint64_t ds_source_pieces(const struct ds_source *source);
void ds_source_discard(struct ds_source *source, uint64_t piece);

/* Releases everything; NULL is allowed. */
void ds_source_free(struct ds_source *source);

/* "data", "absent", "excluded", "hole", "kernel-shared". */
const char *ds_state_name(enum ds_state state);

#endif
