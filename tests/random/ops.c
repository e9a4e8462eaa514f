/* SPDX-License-Identifier: MIT */
#include "ops.h"
#include "chance.h"
#include "guests.h"
#include "machine.h"
#include "must.h"
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Others run meanwhile, now and then for long. */
static void linger(void)
{
    if (chance_one_in(16))
        sched_yield();
    if (chance_one_in(1024))
        nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
}

/* The page that an op names; NULL if the guest has no such page. */
static struct page *page_of(struct share_vm_ref vm, share_ppn ppn)
{
    struct guest *guest = vm.owner;
    MUST(atomic_load(&guest->live) && "an op names a VM that has gone");
    unsigned slot = guest_slot(ppn);
    return slot < GUEST_PAGES ? &guest->page[slot] : NULL;
}

static bool resolve(void *ctx, struct share_vm_ref vm, share_ppn ppn, share_mpn *mpn)
{
    (void)ctx;
    struct page *page = page_of(vm, ppn);
    if (!page || (!guests_declaring && chance_to_refuse(128)))
        return false;
    pthread_mutex_lock(&page->lock);
    bool present = page->present;
    *mpn = page->mpn;
    pthread_mutex_unlock(&page->lock);
    return present;
}

static bool next_present(void *ctx, struct share_vm_ref vm, share_ppn from, share_ppn *found)
{
    (void)ctx;
    struct guest *guest = vm.owner;
    MUST(atomic_load(&guest->live) && "an op names a VM that has gone");
    unsigned slot = guest_next_present(guest, guest_slot_from(from));
    if (slot == GUEST_PAGES || (!guests_declaring && chance_to_refuse(256)))
        return false;
    *found = guest_ppn(slot);
    return true;
}

static const void *peek(void *ctx, share_mpn mpn)
{
    (void)ctx;
    linger();
    return chance_to_refuse(256) ? NULL : machine_peek(mpn);
}

static void unpeek(void *ctx, share_mpn mpn, const void *bytes)
{
    (void)ctx;
    machine_unpeek(mpn, bytes);
}

/* What else than OK, now and then. */
static enum share_answer refusal(void)
{
    if (chance_to_refuse(24))
        return chance_one_in(3)   ? SHARE_ANSWER_FAIL
               : chance_one_in(2) ? SHARE_ANSWER_STALE
                                  : SHARE_ANSWER_BUSY;
    return SHARE_ANSWER_OK;
}

/* Page's lock held. */
static enum share_answer answer_to_protect(const struct page *page, share_mpn mpn)
{
    enum share_answer refused = refusal();
    if (!page->present || page->mpn.n != mpn.n)
        return SHARE_ANSWER_STALE;
    if (page->pinned)
        return SHARE_ANSWER_BUSY;
    if (!guests_declaring && (machine_maps(mpn) > 1 || chance_to_refuse(512)))
        return SHARE_ANSWER_ALIASED;
    if (refused != SHARE_ANSWER_OK)
        return refused;
    return page->readonly ? SHARE_ANSWER_READONLY : SHARE_ANSWER_OK;
}

static void protect(void *ctx, struct share_protect *pages, size_t count)
{
    (void)ctx;
    for (size_t i = 0; i < count; i++) {
        struct page *page = page_of(pages[i].vm, pages[i].ppn);
        MUST(page);
        pthread_mutex_lock(&page->lock);
        pages[i].answer = answer_to_protect(page, pages[i].mpn);
        page->sharing |=
            pages[i].answer == SHARE_ANSWER_OK || pages[i].answer == SHARE_ANSWER_READONLY;
        pthread_mutex_unlock(&page->lock);
        linger();
    }
}

static void unprotect(void *ctx, const struct share_protect *pages, size_t count)
{
    (void)ctx;
    for (size_t i = 0; i < count; i++) {
        struct page *page = page_of(pages[i].vm, pages[i].ppn);
        MUST(page);
        linger();
        pthread_mutex_lock(&page->lock);
        page->sharing = false;
        pthread_mutex_unlock(&page->lock);
    }
}

/* Page's lock held. */
static enum share_answer answer_to_remap(const struct page *page, const struct share_remap *want)
{
    if (!page->present || page->mpn.n != want->from.n)
        return SHARE_ANSWER_STALE;
    if (page->pinned && !want->writable)
        return SHARE_ANSWER_BUSY;
    return refusal();
}

/* Page's lock held. Nobody writes to either machine page: both are protected, or `to` is a copy. */
static void map_instead(struct page *page, const struct share_remap *want)
{
    MUST(page->sharing && "a page is mapped elsewhere that can be written");
    MUST(!memcmp(machine_bytes(want->from), machine_bytes(want->to), SHARE_PAGE_SIZE) &&
         "a page is mapped to one of another content");
    MUST(!want->writable || machine_maps(want->to) == 0);
    machine_map(want->to);
    machine_unmap(page->mpn);
    page->mpn = want->to;
    page->sharing = !want->writable;
}

static void remap(void *ctx, struct share_remap *pages, size_t count)
{
    (void)ctx;
    for (size_t i = 0; i < count; i++) {
        struct page *page = page_of(pages[i].vm, pages[i].ppn);
        MUST(page);
        linger();
        pthread_mutex_lock(&page->lock);
        pages[i].answer = answer_to_remap(page, &pages[i]);
        if (pages[i].answer == SHARE_ANSWER_OK)
            map_instead(page, &pages[i]);
        pthread_mutex_unlock(&page->lock);
    }
}

static bool alloc(void *ctx, struct share_vm_ref vm, share_mpn *mpn, void **bytes)
{
    (void)ctx;
    MUST(atomic_load(&((struct guest *)vm.owner)->live) && "an op names a VM that has gone");
    *bytes = chance_to_refuse(32) ? NULL : machine_take(mpn);
    linger();
    return *bytes != NULL;
}

static void free_pages(void *ctx, const share_mpn *mpns, size_t count, enum share_free_kind kind)
{
    (void)ctx;
    linger();
    for (size_t i = 0; i < count; i++)
        machine_give_back(mpns[i], kind == SHARE_FREE_KEPT);
}

static uint64_t now_ns(void *ctx)
{
    (void)ctx;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

const struct share_ops guest_ops = {
    .struct_size = sizeof guest_ops,
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

/* ------------------------------------------------------------------------------- metadata -- */

static _Atomic uint64_t metadata_nbytes;

static void *metadata_alloc(void *ctx, size_t nbytes, size_t alignment)
{
    (void)ctx;
    void *memory = NULL;
    if (chance_to_refuse(64) ||
        posix_memalign(&memory, alignment < sizeof memory ? sizeof memory : alignment, nbytes))
        return NULL;
    atomic_fetch_add(&metadata_nbytes, nbytes);
    return memory;
}

static void metadata_free(void *ctx, void *memory, size_t nbytes)
{
    (void)ctx;
    free(memory);
    atomic_fetch_sub(&metadata_nbytes, nbytes);
}

const struct share_alloc guest_alloc = {sizeof guest_alloc, metadata_alloc, metadata_free, NULL};

uint64_t guest_alloc_nbytes(void)
{
    return atomic_load(&metadata_nbytes);
}
