/* SPDX-License-Identifier: MIT */
/* The fake VMM's side of the seam. */
#include "vmm.h"

static void step(struct vmm *vmm, enum vmm_op op)
{
    if (vmm->step)
        vmm->step(vmm, op); /* no counting: it would make states differ that are equal */
    else
        atomic_fetch_add_explicit(&vmm->calls[op], 1, memory_order_relaxed);
}

static enum share_answer wanted_answer(struct vmm *vmm, enum vmm_op op, share_vm vm, share_ppn ppn)
{
    return vmm->answer ? vmm->answer(vmm, op, vm, ppn) : vmm->answers[op];
}

/* No op names a VM before it was started, or after it was removed, and each brings its owner. */
static void must_live(struct vmm *vmm, struct share_vm_ref vm)
{
    MUST(vm.number < vmm->guests && atomic_load(&vmm->guest[vm.number].live));
    MUST(vm.owner == vmm->guest[vm.number].owner);
    MUST(vmm->guest[vm.number].owner->number == vm.number);
}

/* The page of a PPN; NULL if the guest has no such slot. */
static struct vmm_page *page_of(struct vmm *vmm, struct share_vm_ref vm, share_ppn ppn)
{
    must_live(vmm, vm);
    const struct vmm_guest *guest = &vmm->guest[vm.number];
    uint64_t from_begin = ppn.n - guest->begin, slot = from_begin >> guest->shift;
    if (ppn.n < guest->begin || slot >= vmm->slots || slot << guest->shift != from_begin)
        return NULL;
    return vmm_page(vmm, vm.number, (unsigned)slot);
}

static uint32_t index_of(const struct vmm *vmm, share_mpn mpn)
{
    MUST(mpn.n >= vmm->mpn_base && mpn.n < vmm->mpn_base + vmm->mpns);
    return (uint32_t)(mpn.n - vmm->mpn_base);
}

static bool resolve(void *ctx, struct share_vm_ref vm, share_ppn ppn, share_mpn *mpn)
{
    struct vmm *vmm = ctx;
    step(vmm, VMM_RESOLVE);
    struct vmm_page *page = page_of(vmm, vm, ppn);
    if (!page)
        return false;
    vmm_lock(&page->lock);
    bool present = page->present;
    mpn->n = vmm->mpn_base + page->mpn;
    vmm_unlock(&page->lock);
    return present;
}

static bool next_present(void *ctx, struct share_vm_ref vm, share_ppn from, share_ppn *found)
{
    struct vmm *vmm = ctx;
    step(vmm, VMM_NEXT);
    must_live(vmm, vm);
    const struct vmm_guest *guest = &vmm->guest[vm.number];
    uint64_t past = from.n > guest->begin ? from.n - guest->begin : 0;
    uint64_t first = (past + (UINT64_C(1) << guest->shift) - 1) >> guest->shift;
    for (uint64_t slot = first; slot < vmm->slots; slot++) {
        struct vmm_page *page = vmm_page(vmm, vm.number, (unsigned)slot);
        vmm_lock(&page->lock);
        bool present = page->present;
        vmm_unlock(&page->lock);
        if (present) {
            *found = vmm_ppn(vmm, vm.number, (unsigned)slot);
            return true;
        }
    }
    return false;
}

static const void *peek(void *ctx, share_mpn mpn)
{
    struct vmm *vmm = ctx;
    step(vmm, VMM_PEEK);
    if (wanted_answer(vmm, VMM_PEEK, 0, (share_ppn){0}) != SHARE_ANSWER_OK)
        return NULL;
    struct vmm_machine_page *machine = &vmm->machine[index_of(vmm, mpn)];
    atomic_fetch_add(&machine->peeks, 1);
    MUST(atomic_load(&machine->used) && "a free machine page is read");
    return vmm_bytes(vmm, index_of(vmm, mpn));
}

static void unpeek(void *ctx, share_mpn mpn, const void *bytes)
{
    struct vmm *vmm = ctx;
    step(vmm, VMM_UNPEEK);
    MUST(bytes == vmm_bytes(vmm, index_of(vmm, mpn)));
    MUST(atomic_fetch_sub(&vmm->machine[index_of(vmm, mpn)].peeks, 1) > 0);
}

static enum share_answer protect_one(struct vmm *vmm, const struct share_protect *want)
{
    struct vmm_page *page = page_of(vmm, want->vm, want->ppn);
    enum share_answer answer = wanted_answer(vmm, VMM_PROTECT, want->vm.number, want->ppn);
    MUST(page);
    vmm_lock(&page->lock);
    MUST(!page->forgotten && "protect of a forgotten page");
    if (answer == SHARE_ANSWER_OK) {
        if (!page->present || page->mpn != index_of(vmm, want->mpn))
            answer = SHARE_ANSWER_STALE;
        else if (page->pinned)
            answer = SHARE_ANSWER_BUSY;
        else if (page->code)
            answer = SHARE_ANSWER_READONLY;
    }
    if (answer == SHARE_ANSWER_OK || answer == SHARE_ANSWER_READONLY) {
        page->reasons |= VMM_SHARING;
        page->raced = false;
    }
    vmm_unlock(&page->lock);
    return answer;
}

static void protect(void *ctx, struct share_protect *pages, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        step(ctx, VMM_PROTECT);
        pages[i].answer = protect_one(ctx, &pages[i]);
    }
}

static void unprotect(void *ctx, const struct share_protect *pages, size_t count)
{
    struct vmm *vmm = ctx;
    for (size_t i = 0; i < count; i++) {
        step(vmm, VMM_UNPROTECT);
        struct vmm_page *page = page_of(vmm, pages[i].vm, pages[i].ppn);
        MUST(page);
        vmm_lock(&page->lock);
        MUST((!page->forgotten || vmm->offers_forgotten) && "unprotect of a forgotten page");
        page->reasons &= (uint8_t)~VMM_SHARING;
        page->raced = true;
        vmm_unlock(&page->lock);
    }
}

static enum share_answer remap_one(struct vmm *vmm, const struct share_remap *want)
{
    struct vmm_page *page = page_of(vmm, want->vm, want->ppn);
    enum share_answer answer = wanted_answer(vmm, VMM_REMAP, want->vm.number, want->ppn);
    uint32_t to = index_of(vmm, want->to);
    MUST(page);
    vmm_lock(&page->lock);
    MUST(!page->forgotten && "remap of a forgotten page");
    if (answer == SHARE_ANSWER_OK) {
        if (!page->present || page->mpn != index_of(vmm, want->from))
            answer = SHARE_ANSWER_STALE;
        else if (page->pinned)
            answer = SHARE_ANSWER_BUSY;
    }
    if (answer == SHARE_ANSWER_OK) {
        MUST(page->reasons & VMM_SHARING && "remap of a page that is not protected");
        MUST(atomic_load(&vmm->machine[to].used) && "remap to a free machine page");
        atomic_fetch_sub(&vmm->machine[page->mpn].maps, 1);
        atomic_fetch_add(&vmm->machine[to].maps, 1);
        page->mpn = to;
        page->raced = false;
        if (want->writable)
            page->reasons &= (uint8_t)~VMM_SHARING;
    }
    vmm_unlock(&page->lock);
    return answer;
}

static void remap(void *ctx, struct share_remap *pages, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        step(ctx, VMM_REMAP);
        pages[i].answer = remap_one(ctx, &pages[i]);
    }
}

static bool alloc(void *ctx, struct share_vm_ref vm, share_mpn *mpn, void **bytes)
{
    struct vmm *vmm = ctx;
    step(vmm, VMM_ALLOC);
    if (wanted_answer(vmm, VMM_ALLOC, vm.number, (share_ppn){0}) != SHARE_ANSWER_OK)
        return false;
    int64_t index = vmm_take(vmm);
    if (index < 0)
        return false;
    mpn->n = vmm->mpn_base + (uint64_t)index;
    *bytes = vmm_bytes(vmm, (uint32_t)index);
    return true;
}

static void free_pages(void *ctx, const share_mpn *mpns, size_t count, enum share_free_kind kind)
{
    struct vmm *vmm = ctx;
    if (kind == SHARE_FREE_KEPT)
        atomic_fetch_add(&vmm->kept_freed, count);
    for (size_t i = 0; i < count; i++) {
        step(vmm, VMM_FREE);
        vmm_give_back(vmm, index_of(vmm, mpns[i]));
    }
}

/* A page is read in 150 ns. Where calls are not counted, it stands still. */
static uint64_t now_ns(void *ctx)
{
    struct vmm *vmm = ctx;
    return 150 * atomic_load_explicit(&vmm->calls[VMM_PEEK], memory_order_relaxed);
}

const struct share_ops vmm_ops = {
    .struct_size = sizeof vmm_ops,
    .resolve = resolve,
    .next_present = next_present,
    .peek = peek,
    .unpeek = unpeek,
    .protect = protect,
    .unprotect = unprotect,
    .remap = remap,
    .alloc = alloc,
    .free = free_pages,
    .now_ns = now_ns,
};
