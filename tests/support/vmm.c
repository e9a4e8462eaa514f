/* SPDX-License-Identifier: MIT */
/* The fake VMM's life, its guests, and its machine pages. */
#include "vmm.h"
#include <sched.h>
#include <stdlib.h>
#include <string.h>

void vmm_lock(_Atomic uint32_t *lock)
{
    while (atomic_exchange_explicit(lock, 1, memory_order_acquire))
        sched_yield();
}

void vmm_unlock(_Atomic uint32_t *lock)
{
    atomic_store_explicit(lock, 0, memory_order_release);
}

/* ----------------------------------------------------------------------------------- life -- */

static size_t rounded(size_t nbytes)
{
    return (nbytes + 63) & ~(size_t)63;
}

/* Some threads may be adding VMs in vain. */
static unsigned owners(unsigned guests)
{
    return guests + 16;
}

size_t vmm_nbytes(unsigned guests, unsigned slots, unsigned mpns)
{
    return rounded(sizeof(struct vmm)) + rounded(guests * sizeof(struct vmm_guest)) +
           rounded(owners(guests) * sizeof(struct vmm_owner)) +
           rounded(guests * slots * sizeof(struct vmm_page)) +
           rounded(mpns * sizeof(struct vmm_machine_page)) + rounded(mpns * sizeof(uint32_t)) +
           (size_t)mpns * SHARE_PAGE_SIZE;
}

static void *carve(unsigned char **at, size_t nbytes)
{
    void *piece = *at;
    *at += rounded(nbytes);
    return piece;
}

struct vmm *vmm_init(void *memory, unsigned guests, unsigned slots, unsigned mpns)
{
    unsigned char *at = memory;
    memset(memory, 0, vmm_nbytes(guests, slots, mpns));
    struct vmm *vmm = carve(&at, sizeof *vmm);
    vmm->guests = guests;
    vmm->slots = slots;
    vmm->mpns = mpns;
    vmm->mpn_base = SHARE_MPN_END - mpns;
    vmm->guest = carve(&at, guests * sizeof *vmm->guest);
    vmm->owner = carve(&at, owners(guests) * sizeof *vmm->owner);
    vmm->page = carve(&at, guests * slots * sizeof *vmm->page);
    vmm->machine = carve(&at, mpns * sizeof *vmm->machine);
    vmm->free_mpn = carve(&at, mpns * sizeof *vmm->free_mpn);
    vmm->memory = at;
    for (unsigned i = 0; i < mpns; i++)
        vmm->free_mpn[i] = mpns - 1 - i;
    vmm->free_count = mpns;
    return vmm;
}

struct vmm *vmm_new(unsigned guests, unsigned slots, unsigned mpns)
{
    void *memory = aligned_alloc(64, rounded(vmm_nbytes(guests, slots, mpns)));
    MUST(memory);
    return vmm_init(memory, guests, slots, mpns);
}

void vmm_free(struct vmm *vmm)
{
    free(vmm);
}

/* ---------------------------------------------------------------------------------- guests -- */

share_ppn vmm_ppn(const struct vmm *vmm, share_vm vm, unsigned slot)
{
    return (share_ppn){vmm->guest[vm].begin + ((uint64_t)slot << vmm->guest[vm].shift)};
}

struct vmm_page *vmm_page(const struct vmm *vmm, share_vm vm, unsigned slot)
{
    return &vmm->page[vm * vmm->slots + slot];
}

unsigned char *vmm_bytes(const struct vmm *vmm, uint32_t mpn)
{
    return vmm->memory + (size_t)mpn * SHARE_PAGE_SIZE;
}

static struct vmm_owner *take_owner(struct vmm *vmm)
{
    unsigned i = 0;
    while (i < owners(vmm->guests) && atomic_exchange(&vmm->owner[i].taken, 1))
        i++;
    MUST(i < owners(vmm->guests));
    return &vmm->owner[i];
}

static share_ppn end_of(uint64_t begin, unsigned shift, unsigned slots)
{
    return (share_ppn){begin + ((uint64_t)(slots - 1) << shift) + 1};
}

static enum share_result try_add_stopped(struct vmm *vmm, share_group group, uint64_t begin,
                                         unsigned shift, share_vm *vm)
{
    share_ppn end = end_of(begin, shift, vmm->slots);
    struct vmm_owner *owner = take_owner(vmm);
    enum share_result result = share_vm_add(vmm->share, group, (share_ppn){begin}, end, owner, vm);
    if (result != SHARE_OK) {
        atomic_store(&owner->taken, 0);
        return result;
    }
    MUST(*vm < vmm->guests);
    struct vmm_guest *guest = &vmm->guest[*vm];
    MUST(!atomic_load(&guest->live));
    owner->number = *vm;
    guest->owner = owner;
    guest->begin = begin;
    guest->shift = shift;
    guest->slots = vmm->slots;
    atomic_store(&guest->live, 1);
    return SHARE_OK;
}

enum share_result vmm_try_add(struct vmm *vmm, share_group group, uint64_t begin, unsigned shift,
                              share_vm *vm)
{
    enum share_result result = try_add_stopped(vmm, group, begin, shift, vm);
    if (result == SHARE_OK)
        MUST(share_vm_start(vmm->share, *vm) == SHARE_OK);
    return result;
}

share_vm vmm_add_stopped(struct vmm *vmm, share_group group, uint64_t begin, unsigned shift)
{
    share_vm vm = 0;
    MUST(try_add_stopped(vmm, group, begin, shift, &vm) == SHARE_OK);
    return vm;
}

share_vm vmm_add(struct vmm *vmm, share_group group, uint64_t begin, unsigned shift)
{
    share_vm vm = 0;
    MUST(vmm_try_add(vmm, group, begin, shift, &vm) == SHARE_OK);
    return vm;
}

/* Unmaps a page; its machine page, or -1 if there was none. */
static int64_t unmap(struct vmm *vmm, share_vm vm, unsigned slot)
{
    struct vmm_page *page = vmm_page(vmm, vm, slot);
    vmm_lock(&page->lock);
    int64_t mpn = page->present ? (int64_t)page->mpn : -1;
    if (page->present)
        atomic_fetch_sub(&vmm->machine[page->mpn].maps, 1);
    page->present = page->pinned = page->code = page->raced = false;
    page->reasons = 0;
    vmm_unlock(&page->lock);
    return mpn;
}

/* A page that was unmapped, and was `mpn` or nothing, is forgotten. */
static void note_forgotten(struct vmm *vmm, struct vmm_page *page, int64_t mpn,
                           enum share_owner owner)
{
    vmm_lock(&page->lock);
    page->forgotten = true;
    vmm_unlock(&page->lock);
    MUST(mpn >= 0 || owner == SHARE_OWNER_CALLER);
    if (mpn >= 0 && owner == SHARE_OWNER_CALLER)
        vmm_give_back(vmm, (uint32_t)mpn);
}

enum share_owner vmm_forget(struct vmm *vmm, share_vm vm, unsigned slot)
{
    enum share_owner owner;
    int64_t mpn = unmap(vmm, vm, slot);
    MUST(share_forget(vmm->share, vm, vmm_ppn(vmm, vm, slot), &owner) == SHARE_OK);
    note_forgotten(vmm, vmm_page(vmm, vm, slot), mpn, owner);
    return owner;
}

void vmm_forget_pages(struct vmm *vmm, share_vm vm, const unsigned *slots, unsigned count)
{
    enum { ROOM = 128 };
    share_ppn ppns[ROOM] = {{0}};
    enum share_owner owners[ROOM];
    int64_t mpns[ROOM];
    MUST(count <= ROOM);
    for (unsigned i = 0; i < count; i++) {
        ppns[i] = vmm_ppn(vmm, vm, slots[i]);
        mpns[i] = unmap(vmm, vm, slots[i]);
    }
    MUST(share_forget_pages(vmm->share, vm, ppns, count, owners) == SHARE_OK);
    for (unsigned i = 0; i < count; i++)
        note_forgotten(vmm, vmm_page(vmm, vm, slots[i]), mpns[i], owners[i]);
}

enum share_result vmm_resize(struct vmm *vmm, share_vm vm, unsigned slots)
{
    struct vmm_guest *guest = &vmm->guest[vm];
    enum share_result result =
        share_vm_resize(vmm->share, vm, end_of(guest->begin, guest->shift, slots));
    if (result == SHARE_OK)
        guest->slots = slots;
    return result;
}

static bool on_frame(const struct vmm *vmm, share_vm vm, unsigned slot)
{
    return vmm_info(vmm, vm, slot).state == SHARE_PAGE_SHARED;
}

void vmm_remove(struct vmm *vmm, share_vm vm, bool forget)
{
    int64_t *mine = calloc(vmm->slots, sizeof *mine);
    MUST(mine);
    for (unsigned slot = 0; slot < vmm->slots; slot++)
        mine[slot] = -1;
    for (unsigned slot = 0; slot < vmm->guest[vm].slots; slot++) {
        if (forget)
            vmm_forget(vmm, vm, slot);
        else if (on_frame(vmm, vm, slot))
            unmap(vmm, vm, slot);
        else
            mine[slot] = unmap(vmm, vm, slot);
    }
    MUST(share_vm_remove(vmm->share, vm) == SHARE_OK);
    atomic_store(&vmm->guest[vm].live, 0); /* any op on it from here on is refused */
    atomic_store(&vmm->guest[vm].owner->taken, 0);
    for (unsigned slot = 0; slot < vmm->slots; slot++) {
        if (mine[slot] >= 0)
            vmm_give_back(vmm, (uint32_t)mine[slot]);
        vmm_page(vmm, vm, slot)->forgotten = false;
    }
    free(mine);
}

/* --------------------------------------------------------------------------- machine pages -- */

int64_t vmm_take(struct vmm *vmm)
{
    int64_t mpn = -1;
    vmm_lock(&vmm->free_lock);
    if (vmm->free_count)
        mpn = vmm->free_mpn[--vmm->free_count];
    vmm_unlock(&vmm->free_lock);
    if (mpn >= 0)
        MUST(atomic_exchange(&vmm->machine[mpn].used, 1) == 0);
    return mpn;
}

void vmm_give_back(struct vmm *vmm, uint32_t mpn)
{
    MUST(mpn < vmm->mpns);
    MUST(atomic_load(&vmm->machine[mpn].maps) == 0 && "freed while mapped");
    MUST(atomic_load(&vmm->machine[mpn].peeks) == 0 && "freed while somebody reads it");
    MUST(atomic_exchange(&vmm->machine[mpn].used, 0) == 1 && "freed twice");
    memset(vmm_bytes(vmm, mpn), 0xdd, SHARE_PAGE_SIZE);
    vmm_lock(&vmm->free_lock);
    vmm->free_mpn[vmm->free_count++] = mpn;
    vmm_unlock(&vmm->free_lock);
}

/* A machine page of this content; -1: none left. */
static int64_t fill_mpn(struct vmm *vmm, struct vmm_content content)
{
    int64_t mpn = vmm_take(vmm);
    if (mpn < 0)
        return -1;
    unsigned char *bytes = vmm_bytes(vmm, (uint32_t)mpn);
    memset(bytes, 0, SHARE_PAGE_SIZE);
    memcpy(bytes, &content.head, 8);
    memcpy(bytes + SHARE_PAGE_SIZE - 8, &content.tail, 8);
    return mpn;
}

static void map(struct vmm *vmm, struct vmm_page *page, int64_t mpn)
{
    vmm_lock(&page->lock);
    atomic_fetch_add(&vmm->machine[mpn].maps, 1);
    page->mpn = (uint32_t)mpn;
    page->present = true;
    page->forgotten = page->raced = page->code = page->pinned = false;
    page->reasons = 0;
    vmm_unlock(&page->lock);
}

bool vmm_populate(struct vmm *vmm, share_vm vm, unsigned slot, struct vmm_content content)
{
    struct vmm_page *page = vmm_page(vmm, vm, slot);
    MUST(!page->present);
    int64_t mpn = fill_mpn(vmm, content);
    if (mpn >= 0)
        map(vmm, page, mpn);
    return mpn >= 0;
}

void vmm_alias(struct vmm *vmm, share_vm vm, unsigned alias, share_vm with, unsigned slot)
{
    MUST(!vmm_page(vmm, vm, alias)->present);
    map(vmm, vmm_page(vmm, vm, alias), vmm_page(vmm, with, slot)->mpn);
}

void vmm_unalias(struct vmm *vmm, share_vm vm, unsigned alias)
{
    enum share_owner owner;
    (void)unmap(vmm, vm, alias);
    MUST(share_forget(vmm->share, vm, vmm_ppn(vmm, vm, alias), &owner) == SHARE_OK);
    MUST(owner == SHARE_OWNER_CALLER);
}

bool vmm_replace_untold(struct vmm *vmm, share_vm vm, unsigned slot, struct vmm_content content)
{
    MUST(!on_frame(vmm, vm, slot));
    int64_t mpn = fill_mpn(vmm, content);
    if (mpn < 0)
        return false;
    int64_t old = unmap(vmm, vm, slot);
    map(vmm, vmm_page(vmm, vm, slot), mpn);
    if (old >= 0)
        vmm_give_back(vmm, (uint32_t)old);
    return true;
}

unsigned vmm_used(const struct vmm *vmm)
{
    return vmm->mpns - vmm->free_count;
}

void vmm_audit(const struct vmm *vmm)
{
    uint32_t *maps = calloc(vmm->mpns, sizeof *maps);
    MUST(maps);
    for (unsigned i = 0; i < vmm->guests * vmm->slots; i++)
        if (vmm->page[i].present)
            maps[vmm->page[i].mpn]++;
    for (unsigned mpn = 0; mpn < vmm->mpns; mpn++) {
        const struct vmm_machine_page *machine = &vmm->machine[mpn];
        MUST(atomic_load(&machine->maps) == maps[mpn]);
        MUST(atomic_load(&machine->peeks) == 0 && "a peek without its unpeek");
        MUST(!maps[mpn] || atomic_load(&machine->used));
        MUST((maps[mpn] || !atomic_load(&machine->used)) && "a machine page has leaked");
    }
    free(maps);
}
