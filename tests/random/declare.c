/* SPDX-License-Identifier: MIT */
/*
 * Sharing that keepers declare.
 *
 * A page that others map, too, must not be merged before that is declared, or its machine page
 * would be given back under them. While the alias is made the page is pinned: a merge that is under
 * way ends there. From then on protect answers ALIASED, and for a page on a frame the pin stays.
 */
#include "chance.h"
#include "keeper.h"
#include "machine.h"
#include "must.h"
#include <string.h>

_Atomic uint64_t declared_pairs, declared_joins, declared_clones;

/* Maps the machine page at an absent page. */
static void map_alias(struct guest *guest, unsigned slot, share_mpn mpn, const struct page *with)
{
    struct page *page = &guest->page[slot];
    machine_map(mpn);
    page->head = with->head;
    page->tail = with->tail;
    pthread_mutex_lock(&page->lock);
    MUST(!page->present && !page->sharing);
    page->mpn = mpn;
    page->readonly = false;
    page->present = true;
    pthread_mutex_unlock(&page->lock);
}

/* Its machine page is another page's. */
static void unmap_alias(struct guest *guest, unsigned slot)
{
    MUST(machine_maps(guest->page[slot].mpn) > 1);
    guest_forget(guest, slot);
}

static enum share_result adopt(const struct guest *guest, const struct share_adopt_run *runs,
                               size_t count, uint32_t flags)
{
    guests_declaring = true;
    enum share_result result = share_adopt(guests_share, guest->vm, runs, count, flags);
    guests_declaring = false;
    MUST(result == SHARE_OK || result == SHARE_RETRY || result == SHARE_INVALID ||
         result == SHARE_NOMEM || result == SHARE_FAIL);
    return result;
}

static share_mpn mpn_of(struct page *page)
{
    pthread_mutex_lock(&page->lock);
    share_mpn mpn = page->mpn;
    pthread_mutex_unlock(&page->lock);
    return mpn;
}

/* A page that is pinned, and private. */
static void declare_pair(struct guest *guest, unsigned slot, unsigned alias)
{
    struct page *page = &guest->page[slot];
    share_mpn mpn = page->device_mpn;
    map_alias(guest, alias, mpn, page);
    page->armed = false;
    guest_pin(guest, slot, false);
    share_ppn ppns[2] = {guest_ppn(slot), guest_ppn(alias)};
    if (chance_one_in(4)) /* the engine may meet the alias before it is declared */
        (void)!share_offer(guests_share, guest->vm, ppns, 2, NULL);
    struct share_adopt_run runs[2] = {{.ppn = ppns[0], .mpn = mpn, .count = 1},
                                      {.ppn = ppns[1], .mpn = mpn, .count = 1}};
    bool keep = chance_one_in(3);
    machine_keep(mpn, keep);
    for (unsigned tries = 0; tries < 4; tries++)
        if (adopt(guest, runs, 2, keep ? SHARE_ADOPT_KEEP : 0) == SHARE_OK) {
            atomic_fetch_add(&declared_pairs, 1);
            return;
        }
    machine_keep(mpn, false);
    MUST(mpn_of(page).n == mpn.n);
    unmap_alias(guest, alias);
}

void keeper_declare_pair(struct guest *guest, unsigned slot, unsigned alias)
{
    keeper_begin_leaving(); /* share_check knows aliases, and would name this one */
    guest_arm_device(guest, slot);
    if (guest->page[slot].armed)
        declare_pair(guest, slot, alias);
    keeper_go_on_leaving();
}

void keeper_declare_join(struct guest *with, unsigned slot, struct guest *guest, unsigned alias)
{
    struct page *page = &with->page[slot];
    keeper_begin_leaving();
    guest_pin(with, slot, true);
    pthread_mutex_lock(&page->lock);
    share_mpn mpn = page->mpn;
    bool sharing = page->sharing;
    pthread_mutex_unlock(&page->lock);
    if (sharing) { /* it may be on a frame, and will not leave it */
        map_alias(guest, alias, mpn, page);
        struct share_adopt_run run = {.ppn = guest_ppn(alias),
                                      .mpn = mpn,
                                      .count = 1,
                                      .joins = true,
                                      .with_vm = with->vm,
                                      .with_ppn = guest_ppn(slot)};
        if (adopt(guest, &run, 1, 0) == SHARE_OK)
            atomic_fetch_add(&declared_joins, 1);
        else
            unmap_alias(guest, alias);
    }
    guest_pin(with, slot, false);
    keeper_go_on_leaving();
}

/* ------------------------------------------------------------------------------------ clones -- */

/* The clone maps what the parent maps, not writable. No vCPU uses that yet: it is not counted. */
static void fill_clone(struct guest *parent, struct guest *clone)
{
    for (unsigned slot = 0; slot < GUEST_PAGES; slot++) {
        const struct page *from = &parent->page[slot];
        struct page *to = &clone->page[slot];
        share_mpn mpn = mpn_of(&parent->page[slot]);
        to->head = from->head;
        to->tail = from->tail;
        pthread_mutex_lock(&to->lock);
        MUST(!to->sharing && "what is known of a clone's page stays when the call has failed");
        to->present = from->present;
        to->readonly = false;
        to->mpn = mpn;
        pthread_mutex_unlock(&to->lock);
    }
}

static void empty_clone(struct guest *clone)
{
    for (unsigned slot = 0; slot < GUEST_PAGES; slot++) {
        struct page *page = &clone->page[slot];
        pthread_mutex_lock(&page->lock);
        MUST(!page->sharing && "what is known of a clone's page stays when the call has failed");
        page->present = false;
        pthread_mutex_unlock(&page->lock);
    }
}

/* A page that was busy is copied, if there is memory. */
static void copy_for_clone(const struct page *from, struct guest *clone, unsigned slot)
{
    struct page *page = &clone->page[slot];
    pthread_mutex_lock(&page->lock);
    MUST(!page->sharing && "a page that was busy is protected");
    page->present = false;
    pthread_mutex_unlock(&page->lock);
    guest_fill(clone, slot, from->head, from->tail);
}

/* All others are on frames. */
static void finish_clone(struct guest *parent, struct guest *clone, const bool *busy)
{
    for (unsigned slot = 0; slot < GUEST_PAGES; slot++) {
        struct page *page = &clone->page[slot];
        struct share_page_info info;
        if (!page->present)
            continue;
        if (busy[slot]) {
            copy_for_clone(&parent->page[slot], clone, slot);
            continue;
        }
        MUST(share_page_info(guests_share, clone->vm, guest_ppn(slot), 1, &info) == SHARE_OK);
        MUST(info.state == SHARE_PAGE_SHARED && info.mpn.n == page->mpn.n);
        MUST(page->sharing && "a clone's page can be written");
        machine_map(page->mpn);
        guest_must_read(clone, slot);
    }
}

static enum share_result clone_once(struct guest *parent, struct guest *clone)
{
    share_ppn ppns[GUEST_PAGES];
    size_t count, room = chance_one_in(3) ? 2 : GUEST_PAGES;
    bool busy[GUEST_PAGES] = {false};
    fill_clone(parent, clone);
    chance_honest = chance_to(3); /* or it hardly ever comes to an end */
    guests_declaring = true;
    enum share_result result =
        share_vm_clone(guests_share, parent->vm, clone->vm, ppns, room, &count);
    guests_declaring = chance_honest = false;
    MUST(count <= room);
    if (result == SHARE_OK) {
        for (size_t i = 0; i < count; i++)
            busy[guest_slot(ppns[i])] = true;
        finish_clone(parent, clone, busy);
        atomic_fetch_add(&declared_clones, 1);
    } else {
        empty_clone(clone);
    }
    return result;
}

void keeper_clone(struct guest *parent, struct guest *clone)
{
    atomic_store(&clone->live, true);
    clone->group = parent->group;
    enum share_result result =
        share_vm_add(guests_share, clone->group, guest_first(), guest_end(), clone, &clone->vm);
    MUST(result == SHARE_OK || result == SHARE_NOMEM);
    if (result != SHARE_OK) {
        atomic_store(&clone->live, false);
        return;
    }
    keeper_hide(clone->vm);
    for (unsigned tries = 0; tries < 3; tries++) {
        result = clone_once(parent, clone);
        MUST(result == SHARE_OK || result == SHARE_RETRY || result == SHARE_INVALID ||
             result == SHARE_NOMEM || result == SHARE_FAIL);
        if (result == SHARE_OK)
            break;
    }
    keeper_start(clone); /* without a page, if it did not become a clone */
}
