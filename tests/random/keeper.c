/* SPDX-License-Identifier: MIT */
#include "keeper.h"
#include "chance.h"
#include "machine.h"
#include "must.h"

share_group keeper_groups[3];
_Atomic uint64_t keeper_unplugged;

uint64_t keeper_value(void)
{
    return chance_one_in(16) ? 1000 + chance_to(1000000) : chance_to(3);
}

/* ------------------------------------------------------------------------- VMs come and go -- */

bool keeper_add(struct guest *guest)
{
    guest->group = keeper_groups[chance_one_in(8) ? 1 + chance_to(2) : 0];
    atomic_store(&guest->live, true); /* the engine may ask as soon as it knows of the VM */
    enum share_result result =
        share_vm_add(guests_share, guest->group, guest_first(), guest_end(), guest, &guest->vm);
    MUST(result == SHARE_OK || result == SHARE_NOMEM);
    if (result != SHARE_OK) {
        atomic_store(&guest->live, false);
        return false;
    }
    keeper_hide(guest->vm);
    for (unsigned slot = 0; slot < GUEST_PAGES; slot++)
        if (chance_to(4))
            guest_fill(guest, slot, keeper_value(), 0);
    keeper_start(guest);
    return true;
}

static void end_devices(struct guest *guest)
{
    for (unsigned slot = 0; slot < GUEST_PAGES; slot++)
        if (guest->page[slot].armed)
            guest_device_writes(guest, slot, keeper_value());
}

void keeper_remove(struct guest *guest, bool asks)
{
    end_devices(guest);
    atomic_store(&guest->published, NO_VM); /* calls that others have begun go on */
    keeper_begin_leaving();
    for (unsigned slot = 0; slot < GUEST_PAGES; slot++) {
        if (!guest->page[slot].present)
            continue;
        if (asks)
            guest_forget(guest, slot);
        else
            machine_abandon(guest_unmap(guest, slot));
    }
    MUST(share_vm_remove(guests_share, guest->vm) == SHARE_OK);
    atomic_store(&guest->live, false);
    keeper_go_on_leaving();
}

static void regroup(struct guest *guest)
{
    share_group group = keeper_groups[chance_to(3)];
    enum share_result result = share_vm_regroup(guests_share, guest->vm, group);
    MUST(result == SHARE_OK || result == SHARE_NOMEM || result == SHARE_FAIL ||
         result == SHARE_RETRY);
    if (result == SHARE_OK)
        guest->group = group;
}

/* ---------------------------------------------------------------------------- ranges, pages -- */

static void change_range(struct guest *guest)
{
    unsigned slot = chance_to(GUEST_PAGES), count = 1 + chance_to(GUEST_PAGES - slot);
    uint64_t length = guest_ppn(slot + count).n - guest_ppn(slot).n;
    enum share_result result =
        chance_one_in(2)
            ? share_unshare(guests_share, guest->vm, guest_ppn(slot), length)
            : share_leave_alone(guests_share, guest->vm, guest_ppn(slot), length, chance_one_in(4));
    MUST(result == SHARE_OK || result == SHARE_NOMEM || result == SHARE_FAIL ||
         result == SHARE_RETRY);
}

static bool any_pinned(struct guest *guest, unsigned slot)
{
    bool any = false;
    for (; slot < GUEST_PAGES; slot++)
        any |= guest->page[slot].pinned;
    return any;
}

/* Memory from a page on is unplugged, if nobody offers any of it meanwhile, and plugged again. */
static void unplug(struct guest *guest)
{
    unsigned slot = 1 + chance_to(GUEST_PAGES - 1);
    enum share_result result;
    if (any_pinned(guest, slot))
        return;
    keeper_begin_leaving();
    guest_forget_from(guest, slot);
    keeper_go_on_leaving();
    result = share_vm_resize(guests_share, guest->vm, guest_ppn(slot));
    MUST(result == SHARE_OK || result == SHARE_INVALID || result == SHARE_NOMEM);
    atomic_fetch_add(&keeper_unplugged, result == SHARE_OK);
    if (result == SHARE_OK)
        MUST(share_break(guests_share, guest->vm, guest_ppn(slot)) == SHARE_INVALID);
    MUST(share_vm_resize(guests_share, guest->vm, guest_end()) == SHARE_OK);
}

static void no_mapping_permits_writes(struct page *page)
{
    pthread_mutex_lock(&page->lock);
    page->readonly = !page->pinned;
    pthread_mutex_unlock(&page->lock);
}

static void offer(const struct guest *guest, unsigned slot)
{
    share_ppn ppns[GUEST_PAGES];
    unsigned count = 1 + chance_to(GUEST_PAGES - slot);
    for (unsigned i = 0; i < count; i++)
        ppns[i] = guest_ppn(slot + i);
    enum share_result result = share_offer(guests_share, guest->vm, ppns, count, NULL);
    MUST(result == SHARE_OK || result == SHARE_NOMEM);
}

static void leave(struct guest *guest, unsigned slot)
{
    keeper_begin_leaving();
    guest_forget(guest, slot);
    keeper_go_on_leaving();
}

/* An absent page of one of the keeper's guests becomes an alias of this one, which is declared. */
static void declare(struct keeper *keeper, struct guest *guest, unsigned slot)
{
    struct guest *other = &keeper->guest[chance_to(keeper->guests)];
    unsigned alias = chance_to(GUEST_PAGES);
    if (other->page[alias].present || !atomic_load(&other->live))
        return;
    if (chance_one_in(2))
        keeper_declare_join(guest, slot, other, alias);
    else if (other == guest)
        keeper_declare_pair(guest, slot, alias);
}

static void use_page(struct keeper *keeper, struct guest *guest, unsigned slot)
{
    struct page *page = &guest->page[slot];
    uint32_t what = chance_to(64);
    if (!page->present)
        guest_fill(guest, slot, keeper_value(), 0);
    else if (page->armed)
        guest_device_writes(guest, slot, keeper_value());
    else if (what < 4)
        leave(guest, slot);
    else if (what < 10)
        guest_arm_device(guest, slot);
    else if (what < 14)
        declare(keeper, guest, slot);
    else if (what < 16)
        no_mapping_permits_writes(page);
    else if (what < 20)
        offer(guest, slot);
    else
        guest_store(guest, slot, chance_one_in(8), keeper_value());
    if (page->present)
        guest_must_read(guest, slot);
}

/* ---------------------------------------------------------------------------------- steps -- */

static void replace_vm(struct keeper *keeper, struct guest *guest)
{
    struct guest *parent = &keeper->guest[chance_to(keeper->guests)];
    if (atomic_load(&guest->live))
        keeper_remove(guest, !machine_may_abandon(GUEST_PAGES) || chance_to(3));
    if (parent != guest && atomic_load(&parent->live))
        keeper_clone(parent, guest);
    else
        keeper_add(guest);
}

void keeper_step(struct keeper *keeper)
{
    struct guest *guest = &keeper->guest[chance_to(keeper->guests)];
    if (!atomic_load(&guest->live) || chance_one_in(500))
        replace_vm(keeper, guest);
    else if (chance_one_in(400))
        regroup(guest);
    else if (chance_one_in(300))
        unplug(guest);
    else if (chance_one_in(100))
        change_range(guest);
    else
        use_page(keeper, guest, chance_to(GUEST_PAGES));
}
