/* SPDX-License-Identifier: MIT */
#include "machine.h"
#include "must.h"
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#define BASE          (SHARE_MPN_END - MACHINE_PAGES) /* the last numbers that the engine can take */
#define FREED         0xdb                            /* what a page that was given back holds */
#define ABANDONED_MAX 160u

struct machine_page {
    _Atomic uint32_t used, maps, peeks;
    _Atomic bool kept, abandoned;
};

static struct machine_page pages[MACHINE_PAGES];
static _Alignas(64) unsigned char memory[MACHINE_PAGES][SHARE_PAGE_SIZE];
static _Atomic unsigned abandoned_count;

/* Pages that were given back are taken again in turn. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned next;

static struct machine_page *page_of(share_mpn mpn)
{
    MUST(mpn.n >= BASE && mpn.n < SHARE_MPN_END);
    return &pages[mpn.n - BASE];
}

void *machine_bytes(share_mpn mpn)
{
    MUST(atomic_load(&page_of(mpn)->used) && "a machine page that was given back is used");
    return memory[mpn.n - BASE];
}

void *machine_take(share_mpn *mpn)
{
    void *bytes = NULL;
    pthread_mutex_lock(&lock);
    for (unsigned tries = 0; tries < MACHINE_PAGES && !bytes; tries++, next++) {
        if (atomic_load(&pages[next % MACHINE_PAGES].used))
            continue;
        mpn->n = BASE + next % MACHINE_PAGES;
        atomic_store(&page_of(*mpn)->used, 1);
        bytes = machine_bytes(*mpn);
    }
    pthread_mutex_unlock(&lock);
    return bytes;
}

void machine_give_back(share_mpn mpn, bool kept)
{
    struct machine_page *page = page_of(mpn);
    void *bytes = machine_bytes(mpn);
    MUST(!atomic_load(&page->maps) && "a machine page is given back that somebody maps");
    MUST(!atomic_load(&page->peeks) && "a machine page is given back that somebody reads");
    MUST(atomic_load(&page->kept) == kept && "a page of a store, or one that is none");
    atomic_store(&page->kept, false);
    if (atomic_exchange(&page->abandoned, false))
        atomic_fetch_sub(&abandoned_count, 1);
    pthread_mutex_lock(&lock);
    memset(bytes, FREED, SHARE_PAGE_SIZE);
    MUST(atomic_exchange(&page->used, 0) == 1 && "a machine page is given back twice");
    pthread_mutex_unlock(&lock);
}

void machine_map(share_mpn mpn)
{
    atomic_fetch_add(&page_of(mpn)->maps, 1);
    (void)machine_bytes(mpn);
}

void machine_unmap(share_mpn mpn)
{
    (void)machine_bytes(mpn);
    MUST(atomic_fetch_sub(&page_of(mpn)->maps, 1) > 0);
}

unsigned machine_maps(share_mpn mpn)
{
    return atomic_load(&page_of(mpn)->maps);
}

const void *machine_peek(share_mpn mpn)
{
    atomic_fetch_add(&page_of(mpn)->peeks, 1);
    return machine_bytes(mpn);
}

void machine_unpeek(share_mpn mpn, const void *bytes)
{
    MUST(bytes == machine_bytes(mpn));
    MUST(atomic_fetch_sub(&page_of(mpn)->peeks, 1) > 0);
}

void machine_keep(share_mpn mpn, bool kept)
{
    atomic_store(&page_of(mpn)->kept, kept);
}

bool machine_is_kept(share_mpn mpn)
{
    return atomic_load(&page_of(mpn)->kept);
}

bool machine_may_abandon(unsigned count)
{
    return atomic_load(&abandoned_count) + count <= ABANDONED_MAX;
}

void machine_abandon(share_mpn mpn)
{
    struct machine_page *page = page_of(mpn);
    if (!atomic_exchange(&page->abandoned, true))
        atomic_fetch_add(&abandoned_count, 1);
}

void machine_end_abandoned(void)
{
    for (share_mpn mpn = {BASE}; mpn.n < SHARE_MPN_END; mpn.n++) {
        struct machine_page *page = page_of(mpn);
        if (atomic_load(&page->abandoned) && atomic_load(&page->used) && !atomic_load(&page->maps))
            machine_give_back(mpn, false);
    }
}

unsigned machine_used(void)
{
    unsigned used = 0;
    for (unsigned i = 0; i < MACHINE_PAGES; i++)
        used += atomic_load(&pages[i].used);
    return used;
}
