/* SPDX-License-Identifier: MIT */
#include "world.h"
#include "enter.h" /* the gate, and the steps */
#include "explore.h"
#include <string.h>

#define MPNS         9u    /* six pages mapped and three copies */
#define CLONE_NBYTES 4096u /* what cloning allocates, and gives back */

struct world {
    size_t heap_used; /* the engine's metadata: taken from the arena, never given back */
    struct share *share;
    struct vmm *vmm;
    struct world_op op[EXPLORE_THREADS];
    share_group second_group;
    uint64_t expected[WORLD_VMS][WORLD_SLOTS]; /* what a guest's page holds, while it is there */
    bool removed[WORLD_VMS];
    bool orphan[MPNS]; /* mapped by a VM that was removed: private ones are ours to free */
};

static struct world *world(void)
{
    return (struct world *)(void *)explore_arena;
}

static share_vm vm_of(enum world_page page)
{
    return page == PAGE_B || page == PAGE_C;
}

static unsigned slot_of(enum world_page page)
{
    return page == PAGE_C || page == PAGE_D;
}

/* --------------------------------------------------------------------------------- building -- */

static void *heap_alloc(void *ctx, size_t nbytes, size_t alignment)
{
    (void)ctx;
    size_t at = (world()->heap_used + alignment - 1) & ~(alignment - 1);
    MUST(at + nbytes <= explore_arena_nbytes);
    world()->heap_used = at + nbytes;
    return memset(explore_arena + at, 0, nbytes);
}

static void heap_free(void *ctx, void *memory, size_t nbytes)
{
    (void)ctx;
    (void)memory;
    (void)nbytes;
}

/* Steps right before an op are that op's own step; letting go of a page changes nothing. */
static void step_of_engine(enum share_step step)
{
    switch (step) {
    case SHARE_STEP_PAUSE:
        explore_pause();
        break;
    case SHARE_STEP_PROTECT:
    case SHARE_STEP_COMPARE:
    case SHARE_STEP_COPY:
    case SHARE_STEP_REMAP:
    case SHARE_STEP_FREE:
        break;
    default:
        explore_step();
    }
}

static void step_of_vmm(struct vmm *vmm, enum vmm_op op)
{
    (void)vmm;
    if (op != VMM_UNPEEK)
        explore_step();
}

static void run_op(const struct world_op *op);

/* The chunk of its pages is there, so that nothing is allocated later that stays. */
static void add_vm_for_clone(void)
{
    share_ppn ppn = {0};
    enum share_outcome outcome;
    MUST(vmm_add_stopped(world()->vmm, 0, 0, 0) == WORLD_CLONE);
    MUST(share_offer(world()->share, WORLD_CLONE, &ppn, 1, &outcome) == SHARE_OK);
    MUST(outcome == SHARE_PAGE_GONE);
}

size_t world_begin(const struct world_start *start, bool clones)
{
    static const struct share_alloc alloc = {sizeof alloc, heap_alloc, heap_free, NULL};
    memset(explore_arena, 0, explore_arena_nbytes);
    world()->heap_used = sizeof(struct world);
    void *memory = heap_alloc(NULL, vmm_nbytes(WORLD_VMS, WORLD_SLOTS, MPNS), 64);
    struct vmm *vmm = world()->vmm = vmm_init(memory, WORLD_VMS, WORLD_SLOTS, MPNS);
    struct share *share = world()->share = vmm_engine(vmm, &alloc, 7);
    if (start->collide)
        vmm_weaken_hash(vmm, 0);
    MUST(share_group_add(share, true, &world()->second_group) == SHARE_OK);
    for (share_vm vm = 0; vm < WORLD_CLONE; vm++)
        MUST(vmm_add(vmm, 0, 0, start->apart && vm == 0 ? SHARE_CHUNK_BITS : 0) == vm);
    world()->removed[WORLD_CLONE] = true; /* or not a clone yet */
    if (clones)
        add_vm_for_clone();
    for (enum world_page page = 0; page < WORLD_PAGES; page++) {
        world()->expected[vm_of(page)][slot_of(page)] = start->content[page];
        MUST(vmm_populate(vmm, vm_of(page), slot_of(page),
                          (struct vmm_content){start->content[page], 0}));
    }
    vmm_page(vmm, vm_of(PAGE_A), slot_of(PAGE_A))->code = start->code;
    vmm_page(vmm, vm_of(PAGE_B), slot_of(PAGE_B))->code = start->code;
    for (const struct world_op *op = start->before; op->name; op++)
        run_op(op);
    vmm->step = step_of_vmm;
    share_step_hook = step_of_engine;
    world_check();
    world_check_end();
    return (world()->heap_used + (clones ? CLONE_NBYTES : 0) + 63) & ~(size_t)63;
}

void world_assign(unsigned t, const struct world_op *op)
{
    world()->op[t] = *op;
    world()->vmm->offers_forgotten |= t == 2; /* an offer, a break and a forget */
}

/* ------------------------------------------------------------------------------- operations -- */

static bool is_present(enum world_page page)
{
    return vmm_page(world()->vmm, vm_of(page), slot_of(page))->present;
}

static void offer(const enum world_page *pages, size_t count)
{
    share_ppn ppns[2];
    enum share_outcome outcomes[2];
    for (size_t i = 0; i < count; i++)
        ppns[i] = vmm_ppn(world()->vmm, vm_of(pages[i]), slot_of(pages[i]));
    enum share_result result = share_offer(world()->share, vm_of(pages[0]), ppns, count, outcomes);
    MUST(result == SHARE_OK || result == SHARE_GONE);
}

/* After a RETRY; a page that the other thread has unmapped or pinned has nothing to wait for but
 * the other thread. */
static void wait_for(share_vm vm, unsigned slot)
{
    enum share_result result = share_wait(world()->share, vm, vmm_ppn(world()->vmm, vm, slot));
    MUST(result == SHARE_OK || result == SHARE_GONE);
    explore_pause();
}

/* vmm_store, with a step before each attempt. */
static void guest_write(share_vm vm, unsigned slot, uint64_t value)
{
    for (;;) {
        unsigned reasons;
        explore_step();
        enum share_result result = vmm_store_once(world()->vmm, vm, slot, 0, value, &reasons);
        if (result == SHARE_OK)
            world()->expected[vm][slot] = value; /* from now on it must be there */
        if (result != SHARE_RETRY)
            return;
        result = share_break(world()->share, vm, vmm_ppn(world()->vmm, vm, slot));
        if (result == SHARE_RETRY)
            wait_for(vm, slot);
        MUST(result == SHARE_OK || result == SHARE_RETRY || result == SHARE_GONE);
    }
}

static void break_page(enum world_page page)
{
    enum share_result result;
    share_ppn ppn = vmm_ppn(world()->vmm, vm_of(page), slot_of(page));
    while ((result = share_break(world()->share, vm_of(page), ppn)) == SHARE_RETRY &&
           is_present(page))
        wait_for(vm_of(page), slot_of(page));
    MUST(result == SHARE_OK || result == SHARE_GONE || !is_present(page));
}

static void break_both(void)
{
    struct vmm *vmm = world()->vmm;
    share_vm vm = vm_of(PAGE_A);
    const enum world_page pages[] = {PAGE_A, PAGE_D};
    share_ppn ppns[] = {vmm_ppn(vmm, vm, slot_of(PAGE_A)), vmm_ppn(vmm, vm, slot_of(PAGE_D))};
    enum share_result results[2] = {SHARE_OK, SHARE_OK};
    enum share_result result = share_break_pages(world()->share, vm, ppns, 2, results);
    MUST(result == SHARE_OK || result == SHARE_GONE);
    for (unsigned i = 0; i < 2; i++) {
        MUST(results[i] == SHARE_OK || results[i] == SHARE_RETRY || !is_present(pages[i]));
        if (results[i] == SHARE_RETRY)
            break_page(pages[i]);
    }
}

/* OK means that the page stays where it is as long as it is pinned: the device asks nobody again.
 */
static void device_write(enum world_page at, uint64_t value)
{
    struct vmm *vmm = world()->vmm;
    share_vm vm = vm_of(at);
    struct vmm_page *page = vmm_page(vmm, vm, slot_of(at));
    enum share_result result;
    explore_step();
    page->pinned = true;
    while ((result = share_break(world()->share, vm, vmm_ppn(vmm, vm, slot_of(at)))) == SHARE_RETRY)
        wait_for(vm, slot_of(at));
    MUST(result == SHARE_OK);
    uint32_t mpn = page->mpn;
    explore_step();
    memcpy(vmm_bytes(vmm, mpn), &value, sizeof value);
    world()->expected[vm][slot_of(at)] = value;
    explore_step();
    page->pinned = false;
}

static void adopt(enum world_page page, bool joins)
{
    struct vmm *vmm = world()->vmm;
    struct share_adopt_run run = {
        .ppn = vmm_ppn(vmm, vm_of(page), slot_of(page)),
        .mpn = {vmm->mpn_base + vmm_page(vmm, vm_of(page), slot_of(page))->mpn},
        .count = 1,
        .joins = joins,
        .with_vm = vm_of(PAGE_A),
        .with_ppn = vmm_ppn(vmm, vm_of(PAGE_A), slot_of(PAGE_A))};
    enum share_result result = share_adopt(world()->share, vm_of(page), &run, 1, 0);
    MUST(result == SHARE_OK || result == SHARE_RETRY || result == SHARE_INVALID);
}

static void adopt_pair(void)
{
    vmm_forget(world()->vmm, vm_of(PAGE_B), slot_of(PAGE_B));
    vmm_alias(world()->vmm, vm_of(PAGE_B), slot_of(PAGE_B), vm_of(PAGE_A), slot_of(PAGE_A));
    adopt(PAGE_A, false);
    adopt(PAGE_B, true);
}

/* Unmaps a page without the engine; its machine page, or -1. */
static int64_t unmap(share_vm vm, unsigned slot)
{
    struct vmm_page *page = vmm_page(world()->vmm, vm, slot);
    int64_t mpn = page->present ? (int64_t)page->mpn : -1;
    if (page->present)
        atomic_fetch_sub(&world()->vmm->machine[page->mpn].maps, 1);
    page->present = false;
    page->reasons = 0;
    return mpn;
}

static void unplug(void)
{
    struct vmm *vmm = world()->vmm;
    share_vm vm = vm_of(PAGE_D);
    share_ppn ppn = vmm_ppn(vmm, vm, slot_of(PAGE_D));
    explore_step();
    vmm_forget(vmm, vm, slot_of(PAGE_D));
    MUST(share_vm_resize(world()->share, vm, ppn) == SHARE_OK);
    MUST(share_break(world()->share, vm, ppn) == SHARE_INVALID);
    MUST(share_vm_resize(world()->share, vm, (share_ppn){ppn.n + 1}) == SHARE_OK);
}

static void leave(share_vm vm, bool hard)
{
    for (unsigned slot = 0; slot < WORLD_SLOTS; slot++) {
        explore_step();
        int64_t mpn = -1;
        if (hard)
            mpn = unmap(vm, slot);
        else
            vmm_forget(world()->vmm, vm, slot);
        if (mpn >= 0)
            world()->orphan[mpn] = true;
    }
    MUST(share_vm_remove(world()->share, vm) == SHARE_OK);
    atomic_store(&world()->vmm->guest[vm].live, 0);
    world()->removed[vm] = true;
}

static void regroup(share_vm vm)
{
    enum share_result result;
    while ((result = share_vm_regroup(world()->share, vm, world()->second_group)) == SHARE_RETRY)
        explore_pause();
    MUST(result == SHARE_OK || result == SHARE_GONE);
}

/* The clone's map is the parent's. It runs not yet, so its mappings do not count: where the other
 * thread has moved a page since, the call says INVALID. */
static void fill_clone(void)
{
    for (unsigned slot = 0; slot < WORLD_SLOTS; slot++) {
        struct vmm_page *page = vmm_page(world()->vmm, WORLD_CLONE, slot);
        page->mpn = vmm_page(world()->vmm, 0, slot)->mpn;
        page->present = true;
        world()->expected[WORLD_CLONE][slot] = world()->expected[0][slot];
    }
}

/* Without a page. */
static void empty_clone_page(unsigned slot)
{
    struct vmm_page *page = vmm_page(world()->vmm, WORLD_CLONE, slot);
    MUST(!(page->reasons & VMM_SHARING) && "a page that is no clone is protected");
    page->present = false;
}

/* The page is on a frame; or it was busy, and is copied. The parent's vCPU stands still, but a
 * device may have written to the page before it was put on a frame, or to its copy after that. */
static void finish_clone_page(unsigned slot, bool busy)
{
    struct vmm *vmm = world()->vmm;
    struct vmm_page *page = vmm_page(vmm, WORLD_CLONE, slot);
    struct vmm_content now = {world()->expected[0][slot], 0};
    uint64_t *expected = &world()->expected[WORLD_CLONE][slot];
    if (busy) {
        empty_clone_page(slot);
        MUST(vmm_populate(vmm, WORLD_CLONE, slot, now));
        *expected = now.head;
        return;
    }
    if (!vmm_reads(vmm, WORLD_CLONE, slot, (struct vmm_content){*expected, 0}))
        *expected = now.head;
    MUST(page->reasons & VMM_SHARING && "a clone's page can be written");
    MUST(atomic_load(&vmm->machine[page->mpn].used) && "a clone's page was freed");
    atomic_fetch_add(&vmm->machine[page->mpn].maps, 1);
}

/* No step comes between the end of the call and this. */
static void finish_clone(enum share_result result, const share_ppn *busy, size_t count)
{
    bool is_busy[WORLD_SLOTS] = {false};
    for (size_t i = 0; i < count; i++)
        is_busy[busy[i].n] = true;
    for (unsigned slot = 0; slot < WORLD_SLOTS; slot++) {
        if (result == SHARE_OK)
            finish_clone_page(slot, is_busy[slot]);
        else
            empty_clone_page(slot);
    }
    world()->removed[WORLD_CLONE] = result != SHARE_OK;
}

static void clone_vm(uint64_t value)
{
    share_ppn busy[WORLD_SLOTS];
    size_t count;
    explore_step();
    fill_clone();
    explore_step();
    enum share_result result =
        share_vm_clone(world()->share, 0, WORLD_CLONE, busy, WORLD_SLOTS, &count);
    MUST(result == SHARE_OK || result == SHARE_INVALID || result == SHARE_RETRY);
    finish_clone(result, busy, count);
    if (result != SHARE_OK)
        return;
    MUST(share_vm_start(world()->share, WORLD_CLONE) == SHARE_OK);
    guest_write(WORLD_CLONE, slot_of(PAGE_A), value);
}

static void run_op(const struct world_op *op)
{
    static const enum world_page pair[] = {PAGE_B, PAGE_C};
    const unsigned both[] = {slot_of(PAGE_A), slot_of(PAGE_D)};
    switch (op->kind) {
    case OFFER:
        offer(&op->page, 1);
        break;
    case OFFER_PAIR:
        offer(pair, 2);
        break;
    case WRITE_BOTH:
        guest_write(vm_of(PAGE_A), slot_of(PAGE_A), op->value);
        guest_write(vm_of(PAGE_B), slot_of(PAGE_B), op->value);
        break;
    case WRITE:
        guest_write(vm_of(op->page), slot_of(op->page), op->value);
        break;
    case BREAK:
        break_page(op->page);
        break;
    case BREAK_BOTH:
        break_both();
        break;
    case DEVICE:
        device_write(op->page, op->value);
        break;
    case ADOPT:
        explore_step();
        adopt(op->page, false);
        break;
    case ADOPT_PAIR:
        adopt_pair();
        break;
    case FORGET:
        explore_step();
        vmm_forget(world()->vmm, vm_of(op->page), slot_of(op->page));
        break;
    case FORGET_BOTH:
        explore_step();
        vmm_forget_pages(world()->vmm, vm_of(PAGE_A), both, 2);
        break;
    case UNPLUG:
        unplug();
        break;
    case EXIT:
    case EXIT_HARD:
        leave(vm_of(op->page), op->kind == EXIT_HARD);
        break;
    case REGROUP:
        regroup(vm_of(op->page));
        break;
    case CLONE:
        clone_vm(op->value);
        break;
    }
}

void world_run(unsigned t)
{
    run_op(&world()->op[t]);
}

/* ----------------------------------------------------------------------------------- checks -- */

/* What the guest reads is what it wrote; and a machine page that two map is protected in both. */
static void check_page(share_vm vm, unsigned slot)
{
    const struct vmm *vmm = world()->vmm;
    const struct vmm_page *page = vmm_page(vmm, vm, slot);
    if (!page->present)
        return;
    MUST(vmm_reads(world()->vmm, vm, slot, (struct vmm_content){world()->expected[vm][slot], 0}));
    if (atomic_load(&vmm->machine[page->mpn].maps) > 1)
        MUST(page->reasons & VMM_SHARING && "two pages map it, and one can be written");
    struct share_page_info info;
    if (share_gate_is_closed(world()->share))
        return; /* to whoever asks the engine, too */
    if (share_page_info(world()->share, vm, vmm_ppn(vmm, vm, slot), 1, &info) != SHARE_OK)
        return;
    if (info.state == SHARE_PAGE_SHARED) {
        MUST(page->reasons & VMM_SHARING && "a page on a frame can be written");
        MUST(info.mpn.n == vmm->mpn_base + page->mpn && info.refs > 0);
    }
}

/* Counts of retries, and of calls that were under way, would make every round of a circle a new
 * state. Nobody compares the latter with what they were while nobody is under way. */
static void forget_counts(void)
{
    struct share_transit *transit = &world()->share->transit;
    for (share_vm vm = 0; vm < share_vm_end(world()->share); vm++)
        atomic_store(&share_vm_at(world()->share, vm)->counts.breaks_retried, 0);
    if (!atomic_load(&transit->calls) && !atomic_load(&transit->sleepers)) {
        atomic_store(&transit->arrived, 0);
        atomic_store(&transit->ended, 0);
    }
}

void world_check(void)
{
    forget_counts();
    for (share_vm vm = 0; vm < WORLD_VMS; vm++)
        for (unsigned slot = 0; slot < WORLD_SLOTS; slot++)
            if (!world()->removed[vm])
                check_page(vm, slot);
}

void world_check_end(void)
{
    struct share_check_report report;
    enum share_result result = share_check(world()->share, &report);
    if (result != SHARE_OK)
        fprintf(stderr, "share_check: %s\n", report.reason);
    MUST(result == SHARE_OK);
    for (uint32_t mpn = 0; mpn < MPNS; mpn++) {
        const struct vmm_machine_page *machine = &world()->vmm->machine[mpn];
        if (world()->orphan[mpn] && atomic_load(&machine->used) && !atomic_load(&machine->maps))
            vmm_give_back(world()->vmm, mpn);
    }
    vmm_audit(world()->vmm);
    for (share_vm vm = 0; vm < WORLD_VMS; vm++)
        for (unsigned slot = 0; slot < WORLD_SLOTS && !world()->removed[vm]; slot++) {
            /* The reason is there exactly if the page is on a frame. */
            const struct vmm_page *page = vmm_page(world()->vmm, vm, slot);
            bool framed = vmm_info(world()->vmm, vm, slot).state == SHARE_PAGE_SHARED;
            MUST(framed == ((page->reasons & VMM_SHARING) != 0));
        }
}
