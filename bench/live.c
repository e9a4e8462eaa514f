/* SPDX-License-Identifier: MIT */
/* A guest of pages with a software page table: the ops of a VMM without TLBs. Includes an internal
 * header, for the hash that the engine uses. */
#include "live.h"
#include "hash.h"
#include "shim/bench.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct live_page *page_of(void *ctx, share_ppn ppn)
{
    return &((struct live *)ctx)->physmap[ppn.n];
}

static bool resolve(void *ctx, struct share_vm_ref vm, share_ppn ppn, share_mpn *mpn)
{
    (void)vm;
    if (ppn.n >= ((struct live *)ctx)->count)
        return false;
    mpn->n = page_of(ctx, ppn)->mpn;
    return true;
}

static bool next_present(void *ctx, struct share_vm_ref vm, share_ppn from, share_ppn *found)
{
    (void)vm;
    *found = from;
    return from.n < ((struct live *)ctx)->count;
}

static const void *peek(void *ctx, share_mpn mpn)
{
    return hv_machine_page(&((struct live *)ctx)->machine, (hv_mpn){mpn.n});
}

static void protect(void *ctx, struct share_protect *pages, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct live_page *page = page_of(ctx, pages[i].ppn);
        bool fresh = page->mpn == pages[i].mpn.n;
        page->sharing = fresh || page->sharing;
        pages[i].answer = fresh ? SHARE_ANSWER_OK : SHARE_ANSWER_STALE;
    }
}

static void unprotect(void *ctx, const struct share_protect *pages, size_t count)
{
    for (size_t i = 0; i < count; i++)
        page_of(ctx, pages[i].ppn)->sharing = false;
}

static void remap(void *ctx, struct share_remap *pages, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct live_page *page = page_of(ctx, pages[i].ppn);
        bool fresh = page->mpn == pages[i].from.n;
        pages[i].answer = fresh ? SHARE_ANSWER_OK : SHARE_ANSWER_STALE;
        if (fresh)
            *page = (struct live_page){(uint32_t)pages[i].to.n, !pages[i].writable};
    }
}

static bool alloc_page(void *ctx, struct share_vm_ref vm, share_mpn *mpn, void **bytes)
{
    struct live *live = ctx;
    hv_mpn fresh;
    (void)vm;
    if (!hv_machine_alloc(&live->machine, &fresh))
        return false;
    mpn->n = fresh.n;
    *bytes = hv_machine_page(&live->machine, fresh);
    return true;
}

static void free_pages(void *ctx, const share_mpn *mpns, size_t count, enum share_free_kind kind)
{
    (void)kind;
    hv_mpn freed[HV_MACHINE_BATCH];
    while (count) {
        size_t part = count < HV_MACHINE_BATCH ? count : HV_MACHINE_BATCH;
        for (size_t i = 0; i < part; i++)
            freed[i].n = mpns[i].n;
        hv_machine_release(&((struct live *)ctx)->machine, freed, part);
        mpns += part;
        count -= part;
    }
}

static const struct share_ops live_ops = {.struct_size = sizeof(struct share_ops),
                                          .resolve = resolve,
                                          .next_present = next_present,
                                          .peek = peek,
                                          .protect = protect,
                                          .unprotect = unprotect,
                                          .remap = remap,
                                          .alloc = alloc_page,
                                          .free = free_pages,
                                          .now_ns = bench_now_ns};

static void need(bool ok)
{
    if (!ok) {
        fprintf(stderr, "not enough memory for the guest of a benchmark\n");
        exit(1);
    }
}

struct live *live_new(const struct pages *pages, const struct share_alloc *alloc)
{
    struct live *live = calloc(1, sizeof *live);
    need(live && hv_machine_init(&live->machine, pages->count + pages->count / 16, false));
    live->count = pages->count;
    live->copies = pages->copies;
    live->physmap = calloc(pages->count, sizeof *live->physmap);
    need(live->physmap != NULL);
    for (uint64_t ppn = 0; ppn < pages->count; ppn++) {
        hv_mpn mpn;
        need(hv_machine_alloc(&live->machine, &mpn));
        memcpy(hv_machine_page(&live->machine, mpn), pages->bytes + ppn * SHARE_PAGE_SIZE,
               SHARE_PAGE_SIZE);
        live->physmap[ppn].mpn = (uint32_t)mpn.n;
    }
    struct share_config config = {
        .struct_size = sizeof config, .ops = &live_ops, .ops_ctx = live, .alloc = alloc};
    share_vm vm;
    need(share_new(&config, &live->share) == SHARE_OK &&
         share_vm_add(live->share, 0, (share_ppn){0}, (share_ppn){live->count}, NULL, &vm) ==
             SHARE_OK &&
         share_vm_start(live->share, vm) == SHARE_OK);
    return live;
}

void live_free(struct live *live)
{
    share_free(live->share);
    hv_machine_fini(&live->machine);
    free(live->physmap);
    free(live);
}

bool live_write(struct live *live, uint64_t ppn, uint64_t word, uint64_t value)
{
    struct live_page *page = &live->physmap[ppn];
    while (page->sharing) {
        enum share_result result = share_break(live->share, 0, (share_ppn){ppn});
        if (result == SHARE_RETRY)
            result = share_wait(live->share, 0, (share_ppn){ppn});
        if (result != SHARE_OK)
            return false;
    }
    memcpy(hv_machine_page(&live->machine, (hv_mpn){page->mpn}) + word * sizeof value, &value,
           sizeof value);
    return true;
}

const unsigned char *live_bytes(const struct live *live, uint64_t ppn)
{
    return hv_machine_page(&live->machine, (hv_mpn){live->physmap[ppn].mpn});
}

uint64_t live_hash(const struct live *live)
{
    struct share_secret secret;
    uint64_t sum = 0;
    share_secret_init(&secret, 0, 0, ~UINT64_C(0));
    for (uint64_t ppn = 0; ppn < live->count; ppn++)
        sum += secret.hash(live_bytes(live, ppn), secret.bytes);
    return sum;
}

uint64_t live_reclaimed(const struct live *live)
{
    struct share_stats stats;
    share_stats(live->share, &stats);
    return stats.reclaimed_pages;
}
