/* SPDX-License-Identifier: MIT */
/*
 * Page sets with known answers, for benchmarks.
 */
#ifndef BENCH_PAGES_H
#define BENCH_PAGES_H

#include "share.h"

struct pages {
    unsigned char *bytes;
    uint64_t count;
    uint64_t copies;    /* pages that are a copy of an earlier page: what sharing reclaims */
    uint64_t *original; /* by page: the first page of its content, maybe itself */
};

/* `count` resident pages in random order, of which `copy_percent` (at most 50) are a copy of
 * another one: so twice as many have a content that occurs twice. Exits if there is not enough
 * memory. */
struct pages *pages_new(uint64_t count, unsigned copy_percent, uint64_t seed);
/* The same in so many blocks of equal size: a copy and what it copies lie in one block. `count` is
 * a multiple of `blocks`. */
struct pages *pages_new_blocks(uint64_t count, uint64_t blocks, unsigned copy_percent,
                               uint64_t seed);
void pages_free(struct pages *pages);

/* What the memory of several sources ("FILE", "pid:N"; between commas) makes: all their data pages
 * in a row, copies found by sorting and comparing bytes. NULL, and a line on stderr, if one cannot
 * be read. */
struct pages *pages_read(const char *sources);

/* The copies that go if no more than `sharers_max` pages may share one. */
uint64_t pages_copies_within(const struct pages *pages, uint64_t sharers_max);

/* The engine's ops over a set (ops_ctx), as one VM of an immutable engine. */
extern const struct share_ops pages_ops;

/* An immutable engine over the set, without a VM; a VM's PPNs are page numbers of the set. Exits if
 * it cannot be made. */
struct share *pages_engine_empty(struct pages *pages, const struct share_alloc *alloc,
                                 uint64_t expected);

/* An immutable engine over the set, with one VM 0; exits if it cannot be made. `expected`: the
 * engine's expected_contents. */
struct share *pages_engine(struct pages *pages, const struct share_alloc *alloc, uint64_t expected);

/* Offers pages [first, end) of a VM, or of VM 0. False if the engine refuses. */
bool pages_offer_vm(struct share *share, share_vm vm, uint64_t first, uint64_t end);
bool pages_offer(struct share *share, uint64_t first, uint64_t end);

#endif
