/* SPDX-License-Identifier: MIT */
/* See records.h. */
#include "records.h"
#include <string.h>
#include <sys/mman.h>

#define MORE \
    (UINT64_C(1) << 36) /* records, if nobody knows how many will come: 1 TiB of addresses */

static uint64_t nbytes_of(const struct records *records, uint64_t count)
{
    return count * records->width * sizeof *records->word;
}

/* Reserves address space; nothing is taken. */
static bool reserve(struct records *records, uint64_t room)
{
    void *at = mmap(NULL, nbytes_of(records, room), PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED)
        return false;
    (void)madvise(at, nbytes_of(records, room), MADV_HUGEPAGE);
    records->word = at;
    records->room = room;
    return true;
}

bool records_init(struct records *records, unsigned width, uint64_t pages, bool more,
                  unsigned threads)
{
    *records = (struct records){.width = width};
    uint64_t least = pages + (uint64_t)threads * RECORDS_CHUNK;
    least = (least / RECORDS_CHUNK + 1) * RECORDS_CHUNK;
    for (uint64_t extra = more ? MORE : 0; extra > least; extra /= 2)
        if (reserve(records, extra))
            return true;
    return reserve(records, least);
}

void records_fini(struct records *records)
{
    if (records->word)
        munmap(records->word, nbytes_of(records, records->room));
    *records = (struct records){0};
}

static bool take_chunk(struct records *records, struct records_chunk *chunk)
{
    uint64_t first = atomic_fetch_add(&records->taken, RECORDS_CHUNK);
    if (first + RECORDS_CHUNK > records->room)
        return false;
    chunk->at = records->word + first * records->width;
    chunk->end = chunk->at + RECORDS_CHUNK * records->width;
    return true;
}

uint64_t *records_next(struct records *records, struct records_chunk *chunk)
{
    if (chunk->at == chunk->end && !take_chunk(records, chunk))
        return NULL;
    uint64_t *record = chunk->at;
    chunk->at += records->width;
    return record;
}

void records_close(struct records_chunk *chunk)
{
    if (chunk->at)
        memset(chunk->at, 0xff, (size_t)(chunk->end - chunk->at) * sizeof *chunk->at);
    *chunk = (struct records_chunk){0};
}

void records_end(struct records *records)
{
    records->count = atomic_load(&records->taken);
}

void records_trim(struct records *records)
{
    /* No page is at the last place of all. */
    while (records->count && records->word[records->count * records->width - 1] == UINT64_MAX)
        records->count--;
}

void records_shrink(struct records *records)
{
    uint64_t page = 4096, keep = (nbytes_of(records, records->count) + page - 1) / page * page;
    uint64_t all = nbytes_of(records, records->room);
    if (keep < all)
        (void)madvise((char *)records->word + keep, all - keep, MADV_DONTNEED);
}
