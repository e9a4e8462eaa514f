/* SPDX-License-Identifier: MIT */
/* Resident pages with a known share of copies. */
#include "pages.h"
#include "prng.h"
#include "shim/bench.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define OFFER_PAGES 1024u
#define HUGE_NBYTES (UINT64_C(2) << 20)

static void *need(void *memory)
{
    if (!memory) {
        fprintf(stderr, "not enough memory for the pages of a benchmark\n");
        exit(1);
    }
    return memory;
}

/* A random order: copies come after or before what they copy alike. */
static uint64_t *shuffled(uint64_t count, uint64_t *state)
{
    uint64_t *order = need(malloc(count * sizeof *order));
    for (uint64_t i = 0; i < count; i++)
        order[i] = i;
    for (uint64_t i = count - 1; i > 0; i--) {
        uint64_t j = hv_random_next(state) % (i + 1), swap = order[i];
        order[i] = order[j];
        order[j] = swap;
    }
    return order;
}

static void random_page(unsigned char *bytes, uint64_t *state)
{
    for (size_t word = 0; word < SHARE_PAGE_SIZE / 8; word++) {
        uint64_t value = hv_random_next(state);
        memcpy(bytes + word * 8, &value, 8);
    }
}

/* Fills pages [first, first + count). */
static void fill_block(struct pages *pages, uint64_t first, uint64_t count, unsigned copy_percent,
                       uint64_t *state)
{
    uint64_t *order = shuffled(count, state), copies = count * copy_percent / 100;
    uint64_t distinct = count - copies;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t page = first + order[i];
        unsigned char *bytes = pages->bytes + page * SHARE_PAGE_SIZE;
        pages->original[page] = i < distinct ? page : first + order[i - distinct];
        if (i >= distinct)
            memcpy(bytes, pages->bytes + pages->original[page] * SHARE_PAGE_SIZE, SHARE_PAGE_SIZE);
        else
            random_page(bytes, state);
    }
    pages->copies += copies;
    free(order);
}

struct pages *pages_new_blocks(uint64_t count, uint64_t blocks, unsigned copy_percent,
                               uint64_t seed)
{
    struct pages *pages = need(calloc(1, sizeof *pages));
    uint64_t nbytes = (count * SHARE_PAGE_SIZE + HUGE_NBYTES - 1) / HUGE_NBYTES * HUGE_NBYTES;
    uint64_t state = seed;
    pages->count = count;
    pages->bytes = need(aligned_alloc(HUGE_NBYTES, nbytes));
    madvise(pages->bytes, nbytes, MADV_HUGEPAGE); /* as a VMM would */
    pages->original = need(malloc(count * sizeof *pages->original));
    for (uint64_t block = 0; block < blocks; block++)
        fill_block(pages, block * (count / blocks), count / blocks, copy_percent, &state);
    return pages;
}

struct pages *pages_new(uint64_t count, unsigned copy_percent, uint64_t seed)
{
    return pages_new_blocks(count, 1, copy_percent, seed);
}

void pages_free(struct pages *pages)
{
    free(pages->bytes);
    free(pages->original);
    free(pages);
}

static bool resolve(void *ctx, struct share_vm_ref vm, share_ppn ppn, share_mpn *mpn)
{
    (void)vm;
    mpn->n = ppn.n;
    return ppn.n < ((struct pages *)ctx)->count;
}

static bool next_present(void *ctx, struct share_vm_ref vm, share_ppn from, share_ppn *found)
{
    (void)vm;
    *found = from;
    return from.n < ((struct pages *)ctx)->count;
}

static const void *peek(void *ctx, share_mpn mpn)
{
    return ((struct pages *)ctx)->bytes + mpn.n * SHARE_PAGE_SIZE;
}

const struct share_ops pages_ops = {
    .struct_size = sizeof(struct share_ops),
    .resolve = resolve,
    .next_present = next_present,
    .peek = peek,
    .now_ns = bench_now_ns,
};

struct share *pages_engine_empty(struct pages *pages, const struct share_alloc *alloc,
                                 uint64_t expected)
{
    struct share *share;
    struct share_config config = {.struct_size = sizeof config,
                                  .ops = &pages_ops,
                                  .ops_ctx = pages,
                                  .alloc = alloc,
                                  .flags = SHARE_IMMUTABLE,
                                  .expected_contents = expected};
    if (share_new(&config, &share) != SHARE_OK)
        need(NULL);
    return share;
}

struct share *pages_engine(struct pages *pages, const struct share_alloc *alloc, uint64_t expected)
{
    struct share *share = pages_engine_empty(pages, alloc, expected);
    share_vm vm;
    if (share_vm_add(share, 0, (share_ppn){0}, (share_ppn){pages->count}, NULL, &vm) != SHARE_OK ||
        share_vm_start(share, vm) != SHARE_OK)
        need(NULL);
    return share;
}

bool pages_offer_vm(struct share *share, share_vm vm, uint64_t first, uint64_t end)
{
    share_ppn ppns[OFFER_PAGES];
    while (first < end) {
        size_t count = end - first < OFFER_PAGES ? (size_t)(end - first) : OFFER_PAGES;
        for (size_t i = 0; i < count; i++)
            ppns[i].n = first + i;
        if (share_offer(share, vm, ppns, count, NULL) != SHARE_OK)
            return false;
        first += count;
    }
    return true;
}

bool pages_offer(struct share *share, uint64_t first, uint64_t end)
{
    return pages_offer_vm(share, 0, first, end);
}
