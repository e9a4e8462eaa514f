/* SPDX-License-Identifier: MIT */
/*
 * A set of pages as a live guest: in the tiny VMM's machine memory, behind a software page table,
 * with a mutable engine that protects, remaps and really frees.
 */
#ifndef BENCH_LIVE_H
#define BENCH_LIVE_H

#include "memory/machine.h"
#include "pages.h"

struct live_page {
    uint32_t mpn;
    bool sharing; /* the engine's reason for write protection */
};

struct live {
    struct hv_machine machine;
    uint64_t count;
    uint64_t copies;           /* of its pages at the start: what sharing can reclaim */
    struct live_page *physmap; /* owned; by PPN */
    struct share *share;       /* owned; the pages are its VM 0 */
};

/* Exits if there is not enough memory. */
struct live *live_new(const struct pages *pages, const struct share_alloc *alloc);
void live_free(struct live *live);

/* A guest's write of one word, through the page table; false if there is no memory for a break. */
bool live_write(struct live *live, uint64_t ppn, uint64_t word, uint64_t value);

/* A page's bytes as the guest sees them; valid until the page moves. */
const unsigned char *live_bytes(const struct live *live, uint64_t ppn);

/* XXH3 of every page as the guest sees it, by the machine's fastest variant, added up. */
uint64_t live_hash(const struct live *live);

/* Pages that sharing reclaims now. */
uint64_t live_reclaimed(const struct live *live);

#endif
