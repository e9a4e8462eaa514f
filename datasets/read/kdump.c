/* SPDX-License-Identifier: MIT */
/*
 * Kdump-compressed dumps of 64-bit machines: makedumpfile's, and QEMU's kdump-zlib, -lzo and
 * -snappy.
 *
 * Two bitmaps say which pages the machine had, and which of them are in the dump: what is in the
 * first alone was filtered out. For each page in the dump there is a descriptor, in the order of
 * their addresses, with the place of its packed bytes. All pages of zeros have one place, so that
 * which is remembered. Pages are unpacked as a look goes by. One part of a split dump has the
 * descriptors of its own range only, and is the memory of that range; split.c joins them.
 * Source: makedumpfile's diskdump_mod.h and IMPLEMENTATION, QEMU 7.2's dump/dump.c.
 */
#include "kdump.h"
#include "kdump_page.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_NBYTES_MAX ((size_t)64 << 10)
#define BATCH           4096 /* descriptors: reading them between pages costs a seek */

/* struct disk_dump_header and struct kdump_sub_header, as 64-bit machines write them. */
enum {
    HEADER_NBYTES = 464,
    VERSION_AT = 8,
    RELEASE_AT = 12 + 2 * 65,
    MACHINE_AT = 12 + 4 * 65,
    BLOCK_NBYTES_AT = 428,
    SUB_BLOCKS_AT = 432,
    BITMAP_BLOCKS_AT = 436,
    PAGES_AT = 440,
    SUB_NBYTES = 104,
    SPLIT_AT = 12,
    START_AT = 16,
    END_AT = 24,
    START_64_AT = 80,
    END_64_AT = 88,
    PAGES_64_AT = 96,
};

struct descriptor {
    uint64_t offset;
    uint32_t nbytes;
    uint32_t flags;
    uint64_t page_flags; /* the kernel's */
};

struct kdump {
    uint64_t page_nbytes;
    uint64_t first, end;     /* pages of the dump's size that this file is about */
    uint64_t whole;          /* that the dump is about */
    uint8_t *machine, *dump; /* owned: bitmaps of [0, end) */
    uint64_t at;             /* page that the next piece begins with */

    uint64_t descriptors; /* offset of the next batch */
    struct descriptor descriptor[BATCH];
    size_t next, count;
    uint64_t left;        /* descriptors behind this batch */
    uint64_t zero_offset; /* where a page of zeros is packed; 0: not seen */

    uint8_t page[PAGE_NBYTES_MAX]; /* unpacked */
    size_t used, filled;
    uint64_t ahead; /* pages of the piece whose descriptors are still to come */
    bool cut;       /* the rest of the piece is not in the file */
};

static uint64_t little(const uint8_t *bytes, size_t nbytes)
{
    uint64_t value = 0;
    while (nbytes-- > 0)
        value = value << 8 | bytes[nbytes];
    return value;
}

static bool fail_header(struct ds_reading *reading, uint64_t offset, const char *what,
                        uint64_t found)
{
    return ds_fail_at(reading->source, offset,
                      "expected %s of a kdump-compressed dump (64-bit, little-endian), found %llu",
                      what, (unsigned long long)found);
}

/* The range of pages that a part of a split dump has, and how many there are in all. */
static bool read_sub_header(struct ds_reading *reading, unsigned version)
{
    struct kdump *kdump = reading->state;
    uint8_t sub[SUB_NBYTES];
    if (!ds_input_copy(&reading->input, kdump->page_nbytes, sub, sizeof sub, "a second header"))
        return false;
    if (version >= 6 && little(sub + PAGES_64_AT, 8) > 0)
        kdump->end = kdump->whole = little(sub + PAGES_64_AT, 8);
    if (version >= 2 && little(sub + SPLIT_AT, 4) != 0) {
        uint64_t start = little(sub + (version >= 6 ? START_64_AT : START_AT), 8);
        uint64_t end = little(sub + (version >= 6 ? END_64_AT : END_AT), 8);
        if (start >= end)
            return fail_header(reading, kdump->page_nbytes + START_AT, "a range of pages", start);
        kdump->first = start;
        kdump->end = end < kdump->end ? end : kdump->end;
    }
    return true;
}

static bool read_bitmaps(struct ds_reading *reading, uint64_t offset, uint64_t nbytes)
{
    struct kdump *kdump = reading->state;
    uint64_t half = nbytes / 2;
    uint64_t there = reading->input.nbytes;
    if (offset > there || nbytes > there - offset || half < (kdump->end + 7) / 8)
        return ds_fail_at(reading->source, offset,
                          "expected bitmaps of %llu pages in %llu bytes, found the end of the file "
                          "at 0x%llx",
                          (unsigned long long)kdump->end, (unsigned long long)nbytes,
                          (unsigned long long)there);
    size_t wanted = (size_t)(kdump->end + 7) / 8;
    kdump->machine = malloc(wanted);
    kdump->dump = malloc(wanted);
    if (!kdump->machine || !kdump->dump)
        return ds_fail(reading->source, "out of memory for bitmaps of %zu bytes", wanted);
    return ds_input_copy(&reading->input, offset, kdump->machine, wanted, "a bitmap") &&
           ds_input_copy(&reading->input, offset + half, kdump->dump, wanted, "a bitmap");
}

static bool has(const uint8_t *map, uint64_t page)
{
    return map[page / 8] >> page % 8 & 1;
}

/* As many descriptors as pages, all inside the file. */
static bool count_descriptors(struct ds_reading *reading, uint64_t offset)
{
    struct kdump *kdump = reading->state;
    uint64_t there = reading->input.nbytes;
    for (uint64_t page = kdump->first; page < kdump->end; page++)
        kdump->left += has(kdump->dump, page);
    kdump->descriptors = offset;
    if (offset <= there && kdump->left <= (there - offset) / sizeof(struct descriptor))
        return true;
    return ds_fail_at(reading->source, offset,
                      "truncated: expected %llu page descriptors, found the end of the file at "
                      "0x%llx",
                      (unsigned long long)kdump->left, (unsigned long long)there);
}

static bool read_header(struct ds_reading *reading)
{
    struct kdump *kdump = reading->state;
    struct ds_source *source = reading->source;
    uint8_t head[HEADER_NBYTES];
    if (!ds_input_copy(&reading->input, 0, head, sizeof head, "a kdump header"))
        return false;
    uint64_t version = little(head + VERSION_AT, 4), block = little(head + BLOCK_NBYTES_AT, 4);
    uint64_t sub_blocks = little(head + SUB_BLOCKS_AT, 4);
    uint64_t bitmap_blocks = little(head + BITMAP_BLOCKS_AT, 4);
    if (version < 1 || version > 64)
        return fail_header(reading, VERSION_AT, "the version", version);
    if (block < DS_PAGE_SIZE || block > PAGE_NBYTES_MAX || (block & (block - 1)) != 0)
        return fail_header(reading, BLOCK_NBYTES_AT, "the block size", block);
    kdump->page_nbytes = source->info.page_nbytes = block;
    kdump->end = kdump->whole = little(head + PAGES_AT, 4);
    snprintf(source->producer, sizeof source->producer, "kdump%s%.40s",
             head[RELEASE_AT] ? " of " : "", (const char *)head + RELEASE_AT);
    snprintf(source->machine, sizeof source->machine, "%.40s", (const char *)head + MACHINE_AT);
    if (sub_blocks > 0 && !read_sub_header(reading, (unsigned)version))
        return false;
    if (kdump->end > DS_TO_END / block)
        return fail_header(reading, PAGES_AT, "the number of pages", kdump->end);
    uint64_t bitmaps = (1 + sub_blocks) * block;
    return read_bitmaps(reading, bitmaps, bitmap_blocks * block) &&
           count_descriptors(reading, bitmaps + bitmap_blocks * block);
}

static bool open_kdump(struct ds_reading *reading)
{
    if (!reading->input.seekable)
        return ds_input_needs_file(&reading->input);
    struct kdump *kdump = calloc(1, sizeof *kdump);
    reading->state = kdump;
    if (!kdump)
        return ds_fail(reading->source, "out of memory");
    if (!read_header(reading))
        return false;
    kdump->at = kdump->first;
    return true;
}

struct ds_kdump_range ds_kdump_range(const struct ds_reading *reading)
{
    const struct kdump *kdump = reading->state;
    return (struct ds_kdump_range){kdump->first, kdump->end, kdump->whole, kdump->page_nbytes};
}

static enum ds_state state_of(const struct kdump *kdump, uint64_t page)
{
    return has(kdump->dump, page) ? DS_DATA : has(kdump->machine, page) ? DS_EXCLUDED : DS_ABSENT;
}

static bool next_descriptor(struct ds_reading *reading, struct descriptor *descriptor)
{
    struct kdump *kdump = reading->state;
    if (kdump->next == kdump->count) {
        kdump->count = kdump->left < BATCH ? (size_t)kdump->left : BATCH;
        kdump->next = 0;
        size_t nbytes = kdump->count * sizeof *descriptor;
        if (!ds_input_copy(&reading->input, kdump->descriptors, kdump->descriptor, nbytes,
                           "page descriptors"))
            return false;
        kdump->left -= kdump->count;
        kdump->descriptors += nbytes;
    }
    *descriptor = kdump->descriptor[kdump->next++];
    return true;
}

static bool next(struct ds_reading *reading, struct ds_piece *piece)
{
    struct kdump *kdump = reading->state;
    uint64_t first = kdump->at, parts = kdump->page_nbytes / DS_PAGE_SIZE;
    for (struct descriptor cut; kdump->ahead > 0; kdump->ahead--)
        if (!next_descriptor(reading, &cut))
            return false;
    kdump->cut = false;
    if (first >= kdump->end)
        return true;
    enum ds_state state = state_of(kdump, first);
    while (kdump->at < kdump->end && state_of(kdump, kdump->at) == state)
        kdump->at++;
    *piece = (struct ds_piece){
        .key = first * parts, .pages = (kdump->at - first) * parts, .state = state};
    kdump->ahead = state == DS_DATA ? kdump->at - first : 0;
    return true;
}

static bool is_zero(const uint8_t *page, size_t nbytes)
{
    return page[0] == 0 && memcmp(page, page + 1, nbytes - 1) == 0;
}

/* The next page of the dump's size, or that the file does not have it. */
static bool unpack_page(struct ds_reading *reading)
{
    struct kdump *kdump = reading->state;
    size_t nbytes = (size_t)kdump->page_nbytes, got;
    struct descriptor d;
    const uint8_t *packed;
    if (!next_descriptor(reading, &d))
        return false;
    kdump->ahead--;
    kdump->used = 0;
    kdump->filled = nbytes;
    if (d.offset == kdump->zero_offset && d.offset != 0) {
        memset(kdump->page, 0, nbytes);
        return true;
    }
    if (d.nbytes > nbytes)
        return ds_fail_at(reading->source, d.offset,
                          "expected a page of up to %zu packed bytes, found one of %u", nbytes,
                          d.nbytes);
    if (!ds_input_at(&reading->input, d.offset, d.nbytes, &packed, &got))
        return false;
    if (got < d.nbytes) {
        kdump->filled = 0;
        kdump->cut = reading->source->options.partial;
        return kdump->cut ||
               ds_fail_at(reading->source, d.offset,
                          "truncated: expected a page of %u packed bytes, found the end of the "
                          "file (--partial measures what is there)",
                          d.nbytes);
    }
    const char *wrong = ds_kdump_unpack(d.flags, packed, d.nbytes, kdump->page, nbytes);
    if (wrong)
        return ds_fail_at(reading->source, d.offset, "expected a packed page, found %s", wrong);
    if (is_zero(kdump->page, nbytes))
        kdump->zero_offset = d.offset;
    return true;
}

static bool unpack(struct ds_reading *reading, uint8_t *to, size_t pages, size_t *count)
{
    struct kdump *kdump = reading->state;
    for (*count = 0; *count < pages; ++*count, kdump->used += DS_PAGE_SIZE) {
        if (kdump->used == kdump->filled && !kdump->cut && !unpack_page(reading))
            return false;
        if (kdump->cut)
            return true;
        memcpy(to + *count * DS_PAGE_SIZE, kdump->page + kdump->used, DS_PAGE_SIZE);
    }
    return true;
}

static void close_kdump(struct ds_reading *reading)
{
    struct kdump *kdump = reading->state;
    if (!kdump)
        return;
    free(kdump->machine);
    free(kdump->dump);
    free(kdump);
}

static bool matches(const uint8_t *head, size_t nbytes)
{
    return nbytes >= 8 && memcmp(head, "KDUMP   ", 8) == 0;
}

const struct ds_format ds_format_kdump = {.name = "kdump",
                                          .matches = matches,
                                          .open = open_kdump,
                                          .next = next,
                                          .unpack = unpack,
                                          .close = close_kdump};
