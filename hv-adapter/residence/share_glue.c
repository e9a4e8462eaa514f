/* SPDX-License-Identifier: MIT */
/*
 * libshare's view of this VMM: `struct share_ops` over physmap, tables and TLBs; and the calls of
 * the engine that the rest of the VMM needs.
 *
 * Two sentences rule it. *Protect before the deciding compare*: protect takes the right to write
 * from every table entry and the TLB under the lock that fills take. *Flush the TLB before a frame
 * is reused*: remap changes every entry of the PPN and drops the old page from the TLB before it
 * returns.
 *
 * Threads: any. Each op takes a VM's lock for each page; protect and remap then wait, without a
 * lock, until the harts that other threads run have obeyed: one shootdown a batch
 * (vm/shootdown.h). They wait also where they found nothing to take away: another thread may have,
 * and may still be waiting.
 */
#include "residence/share_glue.h"

#include <time.h>

#include "hv_assert.h"
#include "residence/commons.h"
#include "vm/ending.h"
#include "vm/tables.h"

static struct hv_vm *vm_of(struct share_vm_ref vm)
{
    return vm.owner;
}

static struct hv_vm *lock_vm(struct share_vm_ref ref, share_ppn ppn, struct hv_physmap_entry **page)
{
    struct hv_vm *vm = vm_of(ref);
    pthread_mutex_lock(&vm->lock);
    *page = hv_physmap_at(&vm->map, (hv_ppn){ppn.n});
    if (*page && hv_physmap_is_present(*page))
        return vm;
    pthread_mutex_unlock(&vm->lock);
    return NULL;
}

static void tell(void *ctx, const struct hv_page_op *op)
{
    const struct hv_commons *commons = ctx;
    if (commons->saw)
        commons->saw(commons->saw_ctx, op);
}

static const char *outcome(enum share_answer answer)
{
    switch (answer) {
    case SHARE_ANSWER_OK:
        return "done: entries, then TLB";
    case SHARE_ANSWER_READONLY:
        return "nothing to do: no entry permits a write";
    case SHARE_ANSWER_BUSY:
        return "refused: the VMM is writing the page";
    case SHARE_ANSWER_STALE:
        return "refused: the page has moved";
    default:
        return "failed";
    }
}

static bool op_resolve(void *ctx, struct share_vm_ref ref, share_ppn ppn, share_mpn *mpn)
{
    (void)ctx;
    struct hv_physmap_entry *page;
    struct hv_vm *vm = lock_vm(ref, ppn, &page);
    if (!vm)
        return false;
    mpn->n = page->mpn;
    pthread_mutex_unlock(&vm->lock);
    return true;
}

static bool op_next_present(void *ctx, struct share_vm_ref ref, share_ppn from, share_ppn *found)
{
    struct hv_vm *vm = vm_of(ref);
    hv_ppn next;
    (void)ctx;
    pthread_mutex_lock(&vm->lock);
    bool any = hv_physmap_next(&vm->map, (hv_ppn){from.n}, &next);
    pthread_mutex_unlock(&vm->lock);
    if (any)
        found->n = next.n;
    return any;
}

static const void *op_peek(void *ctx, share_mpn mpn)
{
    return hv_machine_page(&((struct hv_commons *)ctx)->machine, (hv_mpn){mpn.n});
}

/* Whether the TLB may still hold a right to write that no S-PT entry shows; then it is emptied. */
static bool flush_untracked(struct hv_vm *vm)
{
    bool *untracked = hv_tables_untracked(vm);
    if (!*untracked)
        return false;
    hv_shootdown_all(vm);
    *untracked = false;
    return true;
}

static enum share_answer protect_page(struct hv_vm *vm, struct hv_physmap_entry *page, hv_ppn ppn)
{
    if (page->pins)
        return SHARE_ANSWER_BUSY;
    bool edited = hv_tables_write_protect(vm, ppn);
    bool flushed = flush_untracked(vm);
    page->reasons |= HV_REASON_SHARING;
    hv_assert_internal(hv_tables_page_is_valid(vm, ppn));
    /* A store to a page table may be under way that no entry shows (HV_FILL_WATCHED). */
    bool is_table = (page->reasons & HV_REASON_TABLE) != 0;
    if (!edited && !is_table)
        return flushed ? SHARE_ANSWER_OK : SHARE_ANSWER_READONLY;
    if (!flushed)
        hv_shootdown_page(vm, (hv_mpn){page->mpn}, HV_SHOOT_WRITES);
    return SHARE_ANSWER_OK;
}

static void op_protect(void *ctx, struct share_protect *pages, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct hv_physmap_entry *page;
        struct hv_vm *vm = lock_vm(pages[i].vm, pages[i].ppn, &page);
        pages[i].answer = SHARE_ANSWER_STALE;
        if (!vm)
            continue;
        if (page->mpn == pages[i].mpn.n)
            pages[i].answer = protect_page(vm, page, (hv_ppn){pages[i].ppn.n});
        pthread_mutex_unlock(&vm->lock);
    }
    for (size_t i = 0; i < count; i++)
        if (pages[i].answer == SHARE_ANSWER_OK || pages[i].answer == SHARE_ANSWER_READONLY)
            hv_shootdown_wait(vm_of(pages[i].vm));
    for (size_t i = 0; i < count; i++)
        tell(ctx, &(struct hv_page_op){.name = "protect",
                                       .vm = vm_of(pages[i].vm),
                                       .ppn = {pages[i].ppn.n},
                                       .mpn = {pages[i].mpn.n},
                                       .outcome = outcome(pages[i].answer)});
}

static void op_unprotect(void *ctx, const struct share_protect *pages, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct hv_physmap_entry *page;
        struct hv_vm *vm = lock_vm(pages[i].vm, pages[i].ppn, &page);
        if (!vm)
            continue;
        page->reasons &= (uint8_t)~HV_REASON_SHARING;
        hv_tables_refresh(vm, (hv_ppn){pages[i].ppn.n});
        hv_assert_internal(hv_tables_page_is_valid(vm, (hv_ppn){pages[i].ppn.n}));
        pthread_mutex_unlock(&vm->lock);
        tell(ctx, &(struct hv_page_op){.name = "unprotect",
                                       .vm = vm,
                                       .ppn = {pages[i].ppn.n},
                                       .mpn = {pages[i].mpn.n},
                                       .outcome = "done: the next store asks again"});
    }
}

static enum share_answer remap_page(struct hv_vm *vm, struct hv_physmap_entry *page,
                                    const struct share_remap *to)
{
    if (page->pins)
        return SHARE_ANSWER_BUSY;
    if (to->writable)
        page->reasons &= (uint8_t)~HV_REASON_SHARING;
    else
        page->reasons |= HV_REASON_SHARING;
    hv_tables_remap(vm, (hv_ppn){to->ppn.n}, (hv_mpn){to->to.n});
    hv_physmap_move(&vm->map, (hv_ppn){to->ppn.n}, (hv_mpn){to->to.n});
    hv_assert_internal(hv_tables_page_is_valid(vm, (hv_ppn){to->ppn.n}));
    hv_shootdown_page(vm, (hv_mpn){to->from.n}, HV_SHOOT_PAGE);
    return SHARE_ANSWER_OK;
}

static void op_remap(void *ctx, struct share_remap *pages, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct hv_physmap_entry *page;
        struct hv_vm *vm = lock_vm(pages[i].vm, pages[i].ppn, &page);
        pages[i].answer = SHARE_ANSWER_STALE;
        if (!vm)
            continue;
        if (page->mpn == pages[i].from.n)
            pages[i].answer = remap_page(vm, page, &pages[i]);
        pthread_mutex_unlock(&vm->lock);
    }
    for (size_t i = 0; i < count; i++)
        if (pages[i].answer == SHARE_ANSWER_OK)
            hv_shootdown_wait(vm_of(pages[i].vm));
    for (size_t i = 0; i < count; i++)
        tell(ctx, &(struct hv_page_op){.name = "remap",
                                       .vm = vm_of(pages[i].vm),
                                       .ppn = {pages[i].ppn.n},
                                       .mpn = {pages[i].from.n},
                                       .to = {pages[i].to.n},
                                       .outcome = outcome(pages[i].answer)});
}

static bool op_alloc(void *ctx, struct share_vm_ref ref, share_mpn *mpn, void **bytes)
{
    struct hv_commons *commons = ctx;
    hv_mpn got;
    if (!hv_machine_alloc(&commons->machine, &got))
        return false;
    mpn->n = got.n;
    *bytes = hv_machine_page(&commons->machine, got);
    tell(ctx,
         &(struct hv_page_op){.name = "alloc", .vm = vm_of(ref), .mpn = got, .outcome = "done"});
    return true;
}

static void op_free(void *ctx, const share_mpn *mpns, size_t count, enum share_free_kind kind)
{
    (void)kind;
    struct hv_commons *commons = ctx;
    for (size_t i = 0; i < count; i++) {
        hv_machine_release(&commons->machine, &(hv_mpn){mpns[i].n}, 1);
        tell(ctx, &(struct hv_page_op){
                      .name = "free", .mpn = {mpns[i].n}, .outcome = "done: the host has it back"});
    }
}

/* The host's clock: it changes how fast the engine looks at pages, and nothing else. */
static uint64_t op_now_ns(void *ctx)
{
    struct timespec now;
    (void)ctx;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

const struct share_ops hv_share_ops = {
    .struct_size = sizeof(struct share_ops),
    .resolve = op_resolve,
    .next_present = op_next_present,
    .peek = op_peek,
    .protect = op_protect,
    .unprotect = op_unprotect,
    .remap = op_remap,
    .alloc = op_alloc,
    .free = op_free,
    .now_ns = op_now_ns,
};

bool hv_share_break(struct hv_vm *vm, hv_ppn ppn)
{
    bool paused = hv_shootdown_pause(vm);
    enum share_result result = share_break(vm->commons->share, vm->share, (share_ppn){ppn.n});
    bool again = result == SHARE_RETRY; /* another thread moves it */
    if (again)
        result = share_wait(vm->commons->share, vm->share, (share_ppn){ppn.n});
    hv_shootdown_resume(vm, paused);
    vm->counts.breaks++;
    switch (result) {
    case SHARE_OK:
        if (!again)
            hv_vm_charge(vm, HV_CHARGE_COW_BREAK);
        return true;
    case SHARE_NOMEM:
        hv_vm_fail(vm, "the host has no machine memory left for a private copy");
        return false;
    default:
        hv_vm_fail(vm, "a shared page could not be made private");
        return false;
    }
}

bool hv_share_offer(struct hv_vm *vm, hv_ppn ppn, enum share_outcome *outcome)
{
    share_ppn offered = {ppn.n};
    *outcome = SHARE_ERROR;
    return vm->offered &&
           share_offer(vm->commons->share, vm->share, &offered, 1, outcome) == SHARE_OK;
}

bool hv_share_forget(struct hv_vm *vm, hv_ppn ppn)
{
    enum share_owner owner = SHARE_OWNER_CALLER;
    bool paused = hv_shootdown_pause(vm);
    if (vm->offered)
        share_forget(vm->commons->share, vm->share, (share_ppn){ppn.n}, &owner);
    hv_shootdown_resume(vm, paused);
    return owner == SHARE_OWNER_CALLER;
}

/* Groups are made when the first VM of them, or of a later one, comes. */
static bool group_of(struct hv_commons *commons, unsigned number, share_group *group)
{
    for (; commons->groups_count <= number; commons->groups_count++) {
        share_group *next = &commons->groups[commons->groups_count];
        if (commons->groups_count == 0)
            *next = 0; /* there from the start */
        else if (share_group_add(commons->share, true, next) != SHARE_OK)
            return false;
    }
    *group = commons->groups[number];
    return true;
}

bool hv_share_join(struct hv_vm *vm)
{
    struct hv_commons *commons = vm->commons;
    share_group group;
    if (!commons->share)
        return true;
    if (!group_of(commons, vm->group, &group) ||
        share_vm_add(commons->share, group, (share_ppn){vm->map.begin.n},
                     (share_ppn){vm->map.end.n}, vm, &vm->share) != SHARE_OK)
        return false;
    vm->offered = true;
    return share_vm_start(commons->share, vm->share) == SHARE_OK;
}

void hv_share_leave(struct hv_vm *vm)
{
    if (!vm->offered)
        return;
    share_vm_remove(vm->commons->share, vm->share);
    vm->offered = false;
}
