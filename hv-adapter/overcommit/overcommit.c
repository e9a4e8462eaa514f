/* SPDX-License-Identifier: MIT */
/* Memory management of an overcommitted world. See overcommit.h. */
#include "overcommit/overcommit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "overcommit/paging.h"
#include "world/world.h"

enum {
    PATIENCE_PERIODS = 4,
    PAGE_OUT_MAX = 256, /* pages a turn: a disk's bandwidth is not unbounded */
    RESERVE_PART = 200, /* of machine memory, for the VMM's own writes: half of what is "low" */
};

struct claim {
    struct hv_vm *vm;
    struct hv_overcommit_claim claim;
    uint64_t size_pages; /* also when the VM has ended */
    uint64_t target_pages;
    uint64_t saved_pages; /* by sharing: may stay outside the balloon */
    double active, truth;
    /* What its guest took back is not asked for again at once. */
    uint64_t taken_back;   /* pages, so far */
    uint64_t balloon_most; /* that it is asked for until `asks_ticks` */
    uint64_t asks_ticks, patience_ticks;
    uint64_t random; /* state of the choice of pages to page out */
    bool blocked;
    uint64_t blocked_ticks; /* when it was */
};

struct hv_overcommit {
    struct hv_world *world; /* borrowed */
    struct hv_overcommit_config config;
    unsigned count, room;        /* count: of claims, those of VMs that have ended included */
    struct claim *claims;        /* owned: [i] of the world's VM i; vm NULL: not ours */
    struct hv_policy_vm *inputs; /* owned, as the next one: scratch for `room` VMs */
    uint64_t *targets;
    uint64_t next_ticks; /* end of the period */
    enum hv_memory_state state;
};

uint64_t hv_overcommit_machine_pages(uint64_t memory_pages)
{
    return memory_pages * 100 / (100 - HV_FREE_HIGH_PERCENT) + 1;
}

static uint64_t size_of(const struct claim *claim)
{
    return claim->size_pages;
}

static uint64_t allocated(const struct claim *claim)
{
    return size_of(claim) - claim->vm->counts.balloon_pages;
}

/* Machine pages of the VM's part, if it touches all that it is allocated: what sharing saves is
 * nobody's. */
static uint64_t charged(const struct claim *claim)
{
    uint64_t pages = allocated(claim);
    return pages > claim->saved_pages ? pages - claim->saved_pages : 0;
}

static bool is_alive(const struct claim *claim)
{
    return claim->vm && hv_vm_has_memory(claim->vm);
}

/* What the policy is told; VMs that ended are left out. How many there are. */
static unsigned gather(struct hv_overcommit *oc)
{
    unsigned count = 0;
    for (unsigned i = 0; i < oc->count; i++) {
        const struct claim *claim = &oc->claims[i];
        if (!is_alive(claim))
            continue;
        oc->inputs[count++] = (struct hv_policy_vm){
            .min_pages = claim->claim.min_pages,
            .max_pages = size_of(claim),
            .shares = claim->claim.shares,
            .pages = allocated(claim),
            .active = claim->active,
        };
    }
    return count;
}

static struct hv_policy_input input_of(const struct hv_overcommit *oc, unsigned count)
{
    return (struct hv_policy_input){
        .vms = oc->inputs,
        .count = count,
        .available_pages = oc->config.memory_pages,
        .tax = oc->config.tax,
        .slack = oc->config.slack,
    };
}

static void set_targets(struct hv_overcommit *oc)
{
    unsigned count = gather(oc), at = 0;
    struct hv_policy_input input = input_of(oc, count);
    if (!oc->config.policy || count == 0)
        return;
    oc->config.policy->targets(&input, oc->targets);
    for (unsigned i = 0; i < oc->count; i++)
        if (is_alive(&oc->claims[i]))
            oc->claims[i].target_pages = oc->targets[at++];
}

/* Before the first sample a VM counts as in full use. */
static void measure(struct hv_overcommit *oc)
{
    for (unsigned i = 0; i < oc->count; i++) {
        struct hv_active active;
        if (!is_alive(&oc->claims[i]))
            continue;
        hv_vm_active(oc->claims[i].vm, &active);
        oc->claims[i].active = active.known ? active.active : 1;
        oc->claims[i].truth = active.truth;
        struct hv_figures figures;
        hv_vm_figures(oc->claims[i].vm, &figures);
        oc->claims[i].saved_pages = (uint64_t)figures.saved_pages;
    }
}

/* A page that is shared costs its VM a part of a machine page. */
static uint64_t wanted_balloon(const struct claim *claim)
{
    uint64_t may_have = claim->target_pages + claim->saved_pages;
    return may_have < size_of(claim) ? size_of(claim) - may_have : 0;
}

/* How large a balloon the guest can bear, as far as is known: one that was out of memory and took
 * pages back is left at what it has for some periods, twice as many each time. */
static uint64_t bearable(struct hv_overcommit *oc, struct claim *claim)
{
    uint64_t now = hv_world_ticks(oc->world), first = PATIENCE_PERIODS * oc->config.period_ticks;
    struct hv_figures figures;
    hv_vm_figures(claim->vm, &figures);
    if (figures.balloon_taken_back > claim->taken_back) {
        bool again = now < claim->asks_ticks + claim->patience_ticks;
        claim->taken_back = figures.balloon_taken_back;
        claim->balloon_most = claim->vm->counts.balloon_pages;
        if (now >= claim->asks_ticks) /* not while it still gives way to the same want */
            claim->patience_ticks =
                again && claim->patience_ticks ? 2 * claim->patience_ticks : first;
        claim->asks_ticks = now + claim->patience_ticks;
    }
    return now < claim->asks_ticks ? claim->balloon_most : UINT64_MAX;
}

/* Balloons grow at once, and shrink by what is not allocated to anybody. */
static void set_balloons(struct hv_overcommit *oc)
{
    uint64_t given = 0;
    for (unsigned i = 0; i < oc->count; i++)
        if (is_alive(&oc->claims[i]))
            given += charged(&oc->claims[i]);
    uint64_t room = given < oc->config.memory_pages ? oc->config.memory_pages - given : 0;
    for (unsigned i = 0; i < oc->count; i++) {
        struct claim *claim = &oc->claims[i];
        if (!is_alive(claim))
            continue;
        uint64_t now = claim->vm->counts.balloon_pages, wanted = wanted_balloon(claim);
        uint64_t most = bearable(oc, claim);
        wanted = wanted < most ? wanted : most;
        if (wanted < now && now - wanted > room)
            wanted = now - room;
        if (wanted < now)
            room -= now - wanted;
        (void)hv_vm_balloon_set(claim->vm, wanted);
    }
}

/* Machine pages that a VM uses; shared ones count in part. */
static uint64_t used(const struct claim *claim)
{
    struct hv_figures figures;
    hv_vm_figures(claim->vm, &figures);
    return figures.touched_pages - (uint64_t)figures.saved_pages;
}

static uint64_t above(uint64_t pages, uint64_t limit)
{
    return pages > limit ? pages - limit : 0;
}

static uint64_t excess(const struct claim *claim)
{
    return above(used(claim), claim->target_pages);
}

/* The VM that pages are taken from, and of how many it may lose: who is the furthest above its
 * target; if nobody is (targets may add up to more than there is), who has the most above its min.
 */
static struct claim *payer(struct hv_overcommit *oc, uint64_t *may_lose)
{
    struct claim *worst = NULL, *richest = NULL;
    uint64_t most = 0, most_above_min = 0;
    for (unsigned i = 0; i < oc->count; i++) {
        struct claim *claim = &oc->claims[i];
        uint64_t pages = is_alive(claim) ? used(claim) : 0;
        uint64_t over = above(pages, claim->target_pages);
        uint64_t over_min = above(pages, claim->claim.min_pages);
        worst = over > most ? claim : worst;
        most = over > most ? over : most;
        richest = over_min > most_above_min ? claim : richest;
        most_above_min = over_min > most_above_min ? over_min : most_above_min;
    }
    *may_lose = worst ? most : most_above_min;
    return worst ? worst : richest;
}

/* Shares and pages out, to free so many machine pages; how many it has freed. */
static uint64_t reclaim(struct hv_overcommit *oc, uint64_t wanted)
{
    uint64_t freed = 0;
    while (freed < wanted) {
        uint64_t may_lose, left = wanted - freed;
        struct claim *from = payer(oc, &may_lose);
        uint64_t part = may_lose < left ? may_lose : left;
        uint64_t done = from ? hv_paging_reclaim(from->vm, &from->random, part) : 0;
        if (done == 0)
            break;
        freed += done;
    }
    return freed;
}

/* Pages go to the host's disk until memory is soft again. While that refuses them it is tried with
 * one page a turn. */
static void page_out(struct hv_overcommit *oc, uint64_t free_pages)
{
    struct hv_swap_state swap;
    hv_swap_look(&oc->world->commons.swap, &swap);
    uint64_t pages = oc->world->commons.machine.pages;
    uint64_t wanted = pages * HV_FREE_SOFT_PERCENT / 100 + 1;
    uint64_t left = wanted > free_pages ? wanted - free_pages : 0;
    uint64_t most = swap.fault[0] ? 1 : PAGE_OUT_MAX;
    (void)reclaim(oc, left < most ? left : most);
}

/* Who has more than its target stands still while memory is low. */
static void block(struct hv_overcommit *oc)
{
    bool low = oc->state == HV_MEMORY_LOW;
    for (unsigned i = 0; i < oc->count; i++) {
        struct claim *claim = &oc->claims[i];
        bool stop = low && is_alive(claim) && excess(claim) > 0;
        if (stop && hv_vm_state(claim->vm) == HV_RUNNING_VM) {
            hv_vm_stop(claim->vm);
            claim->blocked = true;
            claim->blocked_ticks = hv_world_ticks(oc->world);
        } else if (!stop && claim->blocked) {
            if (is_alive(claim))
                hv_vm_resume(claim->vm);
            claim->blocked = false;
        }
    }
}

static uint64_t free_now(const struct hv_overcommit *oc)
{
    struct hv_machine *machine = &oc->world->commons.machine;
    return machine->pages - hv_machine_used(machine);
}

bool hv_overcommit_turn(struct hv_overcommit *oc)
{
    bool ended = hv_world_ticks(oc->world) >= oc->next_ticks;
    if (ended) {
        oc->next_ticks += oc->config.period_ticks;
        measure(oc);
        set_targets(oc);
    }
    set_balloons(oc);
    uint64_t free_pages = free_now(oc);
    oc->state = hv_reclaim_state(oc->state, free_pages, oc->world->commons.machine.pages);
    if (oc->state >= HV_MEMORY_HARD)
        page_out(oc, free_pages);
    block(oc);
    return ended;
}

bool hv_overcommit_set_tax(struct hv_overcommit *oc, double tax, struct hv_error *error)
{
    struct hv_policy_vm any = {.max_pages = 1, .shares = 1};
    unsigned count = gather(oc);
    struct hv_policy_input input = input_of(oc, count ? count : 1);
    if (!count) /* all have ended */
        input.vms = &any;
    input.tax = tax;
    enum hv_policy_fault fault = hv_policy_check(&input);
    if (fault != HV_POLICY_GOOD) {
        hv_error_set(error, "%s", hv_policy_fault_text(fault));
        return false;
    }
    oc->config.tax = tax;
    return true;
}

void hv_overcommit_look(const struct hv_overcommit *oc, const struct hv_vm *vm,
                        struct hv_overcommit_vm *found)
{
    const struct claim *claim = &oc->claims[vm->index];
    *found = (struct hv_overcommit_vm){
        .size_pages = size_of(claim),
        .target_pages = is_alive(claim) ? claim->target_pages : 0,
        .allocated_pages = is_alive(claim) ? allocated(claim) : 0,
        .active = claim->active,
        .truth = claim->truth,
        .blocked = claim->blocked,
        .taken_back_pages = claim->taken_back,
        .waits_ticks =
            claim->blocked ? hv_world_ticks(oc->world) - claim->blocked_ticks : vm->waits_ticks,
    };
}

const char *hv_overcommit_why(const struct hv_overcommit *oc, char *text, size_t nbytes)
{
    struct hv_swap_state swap;
    hv_swap_look(&oc->world->commons.swap, &swap);
    if (swap.fault[0])
        snprintf(text, nbytes, "%s", swap.fault);
    else
        snprintf(text, nbytes, "memory is %s: %llu of %llu pages are free",
                 hv_memory_state_name(oc->state), (unsigned long long)free_now(oc),
                 (unsigned long long)oc->world->commons.machine.pages);
    return text;
}

enum hv_memory_state hv_overcommit_state(const struct hv_overcommit *oc)
{
    return oc->state;
}

/* ---- coming */

static double mib(uint64_t pages)
{
    return (double)pages * (double)HV_PAGE_BYTES / 0x1p20;
}

/* What VMs of now are promised: their minima, and room in the paging file for the rest. */
static void sum_promises(const struct hv_overcommit *oc, uint64_t *min_pages, uint64_t *swap_pages)
{
    *min_pages = *swap_pages = 0;
    for (unsigned i = 0; i < oc->count; i++) {
        const struct claim *claim = &oc->claims[i];
        if (!is_alive(claim))
            continue;
        *min_pages += claim->claim.min_pages;
        *swap_pages += size_of(claim) - claim->claim.min_pages;
    }
}

/* Would the policy take the VM as well? */
static bool policy_admits(const struct hv_overcommit *oc, uint64_t size_pages,
                          const struct hv_overcommit_claim *claim, struct hv_error *error)
{
    struct hv_policy_vm one = {.min_pages = claim->min_pages,
                               .max_pages = size_pages,
                               .shares = claim->shares,
                               .pages = size_pages,
                               .active = 1};
    struct hv_policy_input input = input_of(oc, 1);
    input.vms = &one;
    enum hv_policy_fault fault = hv_policy_check(&input);
    if (!oc->config.policy || fault == HV_POLICY_GOOD)
        return true;
    hv_error_set(error, "%s", hv_policy_fault_text(fault));
    return false;
}

bool hv_overcommit_admits(const struct hv_overcommit *oc, uint64_t size_pages,
                          const struct hv_overcommit_claim *claim, struct hv_error *error)
{
    uint64_t min_pages, swap_pages;
    if (!policy_admits(oc, size_pages, claim, error))
        return false;
    sum_promises(oc, &min_pages, &swap_pages);
    uint64_t left = oc->config.memory_pages - min_pages;
    if (claim->min_pages > left) {
        hv_error_set(error, "its min is %.1f MiB; other VMs' minima leave %.1f of %.1f MiB",
                     mib(claim->min_pages), mib(left), mib(oc->config.memory_pages));
        return false;
    }
    uint64_t room = hv_swap_room(&oc->world->commons.swap);
    uint64_t needed = size_pages - claim->min_pages;
    uint64_t free_room = room > swap_pages ? room - swap_pages : 0;
    if (needed <= free_room)
        return true;
    hv_error_set(
        error,
        "the paging file can hold %.1f MiB more, not the %.1f MiB between the VM's min and "
        "its memory",
        mib(free_room), mib(needed));
    return false;
}

bool hv_overcommit_make_room(struct hv_overcommit *oc, uint64_t pages)
{
    uint64_t wanted = pages + oc->world->commons.reserve_pages, now = free_now(oc);
    if (now >= wanted)
        return true;
    (void)reclaim(oc, wanted - now);
    return free_now(oc) >= wanted;
}

/* Room for a VM of this index. */
static bool has_room(struct hv_overcommit *oc, unsigned index)
{
    if (index < oc->room)
        return true;
    unsigned room = oc->room ? oc->room : 16;
    while (room <= index)
        room *= 2;
    struct claim *claims = realloc(oc->claims, room * sizeof *claims);
    if (claims)
        oc->claims = claims;
    struct hv_policy_vm *inputs = realloc(oc->inputs, room * sizeof *inputs);
    if (inputs)
        oc->inputs = inputs;
    uint64_t *targets = realloc(oc->targets, room * sizeof *targets);
    if (targets)
        oc->targets = targets;
    if (!claims || !inputs || !targets)
        return false;
    memset(&oc->claims[oc->room], 0, (room - oc->room) * sizeof *claims);
    oc->room = room;
    return true;
}

bool hv_overcommit_add(struct hv_overcommit *oc, struct hv_vm *vm,
                       const struct hv_overcommit_claim *claim)
{
    if (!has_room(oc, vm->index))
        return false;
    oc->claims[vm->index] = (struct claim){.vm = vm,
                                           .claim = *claim,
                                           .size_pages = hv_vm_pages(vm),
                                           .active = 1,
                                           .truth = -1,
                                           .random = vm->index,
                                           .target_pages = hv_vm_pages(vm) - claim->balloon_pages};
    if (oc->count <= vm->index)
        oc->count = vm->index + 1;
    hv_vm_sample(vm, oc->config.period_ticks, oc->config.census);
    return true;
}

void hv_overcommit_divide(struct hv_overcommit *oc)
{
    set_targets(oc);
}

struct hv_overcommit *hv_overcommit_new(struct hv_world *world,
                                        const struct hv_overcommit_config *config,
                                        struct hv_error *error)
{
    struct hv_overcommit *oc = calloc(1, sizeof *oc);
    if (!oc) {
        hv_error_set(error, "out of host memory");
        return NULL;
    }
    *oc = (struct hv_overcommit){
        .world = world, .config = *config, .next_ticks = world->ticks + config->period_ticks};
    world->commons.reserve_pages = world->commons.machine.pages / RESERVE_PART + 1;
    return oc;
}

void hv_overcommit_free(struct hv_overcommit *oc)
{
    if (!oc)
        return;
    oc->world->commons.reserve_pages = 0;
    free(oc->claims);
    free(oc->inputs);
    free(oc->targets);
    free(oc);
}
