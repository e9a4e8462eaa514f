/* SPDX-License-Identifier: MIT */
/* Resident pages with a known share of copies. */
#include "pages.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define OFFER_PAGES 1024u
#define HUGE_NBYTES (UINT64_C(2) << 20)

static uint64_t next_random(uint64_t *state) /* SplitMix64 */
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

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
        uint64_t j = next_random(state) % (i + 1), swap = order[i];
        order[i] = order[j];
        order[j] = swap;
    }
    return order;
}

struct pages *pages_new(uint64_t count, unsigned copy_percent, uint64_t seed)
{
    struct pages *pages = need(calloc(1, sizeof *pages));
    uint64_t nbytes = (count * SHARE_PAGE_SIZE + HUGE_NBYTES - 1) / HUGE_NBYTES * HUGE_NBYTES;
    uint64_t state = seed, *order = shuffled(count, &state);
    pages->count = count;
    pages->copies = count * copy_percent / 100;
    pages->bytes = need(aligned_alloc(HUGE_NBYTES, nbytes));
    madvise(pages->bytes, nbytes, MADV_HUGEPAGE); /* as a VMM would */
    pages->original = need(malloc(count * sizeof *pages->original));
    uint64_t distinct = count - pages->copies;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t page = order[i];
        unsigned char *bytes = pages->bytes + page * SHARE_PAGE_SIZE;
        pages->original[page] = i < distinct ? page : order[i - distinct];
        if (i >= distinct) {
            memcpy(bytes, pages->bytes + pages->original[page] * SHARE_PAGE_SIZE, SHARE_PAGE_SIZE);
            continue;
        }
        for (size_t word = 0; word < SHARE_PAGE_SIZE / 8; word++) {
            uint64_t value = next_random(&state);
            memcpy(bytes + word * 8, &value, 8);
        }
    }
    free(order);
    return pages;
}

void pages_free(struct pages *pages)
{
    free(pages->bytes);
    free(pages->original);
    free(pages);
}

static bool resolve(void *ctx, share_vm vm, share_ppn ppn, share_mpn *mpn)
{
    (void)vm;
    mpn->n = ppn.n;
    return ppn.n < ((struct pages *)ctx)->count;
}

static bool next_present(void *ctx, share_vm vm, share_ppn from, share_ppn *found)
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
};

struct share *pages_engine(struct pages *pages, const struct share_alloc *alloc, uint64_t expected)
{
    struct share *share;
    share_vm vm;
    struct share_config config = {.struct_size = sizeof config,
                                  .ops = &pages_ops,
                                  .ops_ctx = pages,
                                  .alloc = alloc,
                                  .flags = SHARE_IMMUTABLE,
                                  .expected_contents = expected};
    if (share_new(&config, &share) != SHARE_OK ||
        share_vm_add(share, 0, (share_ppn){0}, (share_ppn){pages->count}, &vm) != SHARE_OK)
        need(NULL);
    return share;
}

bool pages_offer(struct share *share, uint64_t first, uint64_t end)
{
    share_ppn ppns[OFFER_PAGES];
    while (first < end) {
        size_t count = end - first < OFFER_PAGES ? (size_t)(end - first) : OFFER_PAGES;
        for (size_t i = 0; i < count; i++)
            ppns[i].n = first + i;
        if (share_offer(share, 0, ppns, count, NULL) != SHARE_OK)
            return false;
        first += count;
    }
    return true;
}
