/* SPDX-License-Identifier: MIT */
#include "generator.h"
#include "must.h"
#include <string.h>

static bool resolve(void *ctx, struct share_vm_ref vm, share_ppn ppn, share_mpn *mpn)
{
    const struct generator *generator = ctx;
    uint64_t number = vm.number * generator->pages_per_vm + ppn.n;
    mpn->n = generator->mpn ? generator->mpn[number] : number;
    return true;
}

static bool next_present(void *ctx, struct share_vm_ref vm, share_ppn from, share_ppn *found)
{
    const struct generator *generator = ctx;
    (void)vm;
    *found = from;
    return from.n < generator->pages_per_vm;
}

/* Between peeks a buffer is zero but for its first word. */
static const void *peek(void *ctx, share_mpn mpn)
{
    struct generator *generator = ctx;
    for (unsigned i = 0;; i++) {
        MUST(i < GENERATOR_PEEKS);
        if (generator->peek[i].used)
            continue;
        uint64_t content = generator->content(mpn.n);
        generator->peek[i].used = true;
        generator->peeks++;
        memcpy(generator->peek[i].bytes, &content, sizeof content);
        return generator->peek[i].bytes;
    }
}

static void unpeek(void *ctx, share_mpn mpn, const void *bytes)
{
    struct generator *generator = ctx;
    (void)mpn;
    for (unsigned i = 0; i < GENERATOR_PEEKS; i++)
        if (generator->peek[i].bytes == bytes)
            generator->peek[i].used = false;
}

static void protect(void *ctx, struct share_protect *pages, size_t count)
{
    (void)ctx;
    for (size_t i = 0; i < count; i++)
        pages[i].answer = SHARE_ANSWER_OK;
}

static void unprotect(void *ctx, const struct share_protect *pages, size_t count)
{
    (void)ctx;
    (void)pages;
    (void)count;
}

static void remap(void *ctx, struct share_remap *pages, size_t count)
{
    struct generator *generator = ctx;
    for (size_t i = 0; i < count; i++) {
        uint32_t *mpn =
            &generator->mpn[pages[i].vm.number * generator->pages_per_vm + pages[i].ppn.n];
        MUST(*mpn == pages[i].from.n);
        *mpn = (uint32_t)pages[i].to.n;
        pages[i].answer = SHARE_ANSWER_OK;
    }
}

static bool alloc(void *ctx, struct share_vm_ref vm, share_mpn *mpn, void **bytes)
{
    (void)ctx;
    (void)vm;
    (void)mpn;
    (void)bytes;
    return false;
}

static void free_pages(void *ctx, const share_mpn *mpns, size_t count, enum share_free_kind kind)
{
    (void)kind;
    struct generator *generator = ctx;
    (void)mpns;
    generator->freed_pages += count;
}

const struct share_ops generator_ops = {
    .struct_size = sizeof generator_ops,
    .resolve = resolve,
    .next_present = next_present,
    .peek = peek,
    .unpeek = unpeek,
    .protect = protect,
    .unprotect = unprotect,
    .remap = remap,
    .alloc = alloc,
    .free = free_pages,
};

struct share *generator_engine(struct generator *generator)
{
    struct share_config config = {.struct_size = sizeof config,
                                  .ops = &generator_ops,
                                  .ops_ctx = generator,
                                  .flags = generator->mpn ? 0 : SHARE_IMMUTABLE};
    struct share *share;
    MUST(share_new(&config, &share) == SHARE_OK);
    for (uint64_t i = 0; i < generator->vms; i++) {
        share_vm vm;
        MUST(share_vm_add(share, 0, (share_ppn){0}, (share_ppn){generator->pages_per_vm}, NULL,
                          &vm) == SHARE_OK);
        MUST(share_vm_start(share, vm) == SHARE_OK && vm == i);
    }
    return share;
}
