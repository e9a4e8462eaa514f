/* SPDX-License-Identifier: MIT */
#include "guests.h"
#include "machine.h"
#include "must.h"
#include <string.h>

struct guest guests[GUESTS];
struct share *guests_share;
_Thread_local bool guests_declaring;

static uint64_t begin, stride;

void guests_begin(uint64_t the_begin, uint64_t the_stride)
{
    begin = the_begin;
    stride = the_stride;
    for (unsigned g = 0; g < GUESTS; g++) {
        atomic_store(&guests[g].published, NO_VM);
        for (unsigned slot = 0; slot < GUEST_PAGES; slot++)
            pthread_mutex_init(&guests[g].page[slot].lock, NULL);
    }
}

share_ppn guest_ppn(unsigned slot)
{
    return (share_ppn){begin + slot * stride};
}

share_ppn guest_first(void)
{
    return (share_ppn){begin};
}

share_ppn guest_end(void)
{
    return (share_ppn){begin + GUEST_PAGES * stride};
}

unsigned guest_slot(share_ppn ppn)
{
    uint64_t from_begin = ppn.n - begin;
    bool exists = ppn.n >= begin && ppn.n < guest_end().n && from_begin % stride == 0;
    return exists ? (unsigned)(from_begin / stride) : GUEST_PAGES;
}

unsigned guest_slot_from(share_ppn ppn)
{
    uint64_t past = ppn.n > begin ? ppn.n - begin : 0;
    uint64_t slot = (past + stride - 1) / stride;
    return slot < GUEST_PAGES ? (unsigned)slot : GUEST_PAGES;
}

unsigned guest_next_present(struct guest *guest, unsigned slot)
{
    for (; slot < GUEST_PAGES; slot++) {
        struct page *page = &guest->page[slot];
        pthread_mutex_lock(&page->lock);
        bool present = page->present;
        pthread_mutex_unlock(&page->lock);
        if (present)
            break;
    }
    return slot;
}

/* The engine may compare a page while a write wins against it: so each word is one store. */
static void put(void *bytes, size_t word, uint64_t value)
{
    __atomic_store_n((uint64_t *)bytes + word, value, __ATOMIC_RELAXED);
}

bool guest_fill(struct guest *guest, unsigned slot, uint64_t head, uint64_t tail)
{
    struct page *page = &guest->page[slot];
    share_mpn mpn;
    void *bytes = machine_take(&mpn);
    if (!bytes)
        return false;
    memset(bytes, 0, SHARE_PAGE_SIZE);
    put(bytes, 0, head);
    put(bytes, GUEST_WORDS - 1, tail);
    machine_map(mpn);
    page->head = head;
    page->tail = tail;
    pthread_mutex_lock(&page->lock);
    MUST(!page->present && !page->sharing && !page->pinned);
    page->mpn = mpn;
    page->readonly = false;
    page->present = true;
    pthread_mutex_unlock(&page->lock);
    return true;
}

share_mpn guest_unmap(struct guest *guest, unsigned slot)
{
    struct page *page = &guest->page[slot];
    pthread_mutex_lock(&page->lock);
    MUST(page->present && !page->pinned);
    share_mpn mpn = page->mpn;
    page->present = false;
    page->sharing = false;
    machine_unmap(mpn);
    pthread_mutex_unlock(&page->lock);
    return mpn;
}

void guest_forget(struct guest *guest, unsigned slot)
{
    enum share_owner owner;
    share_mpn mpn = guest_unmap(guest, slot);
    MUST(share_forget(guests_share, guest->vm, guest_ppn(slot), &owner) == SHARE_OK);
    if (owner == SHARE_OWNER_CALLER && machine_maps(mpn) == 0)
        machine_give_back(mpn, false);
}

/* Two pages may have mapped one machine page. */
static bool gave_back(const share_mpn *mpns, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (mpns[k].n == mpns[i].n)
            return true;
    return false;
}

void guest_forget_from(struct guest *guest, unsigned slot)
{
    share_ppn ppns[GUEST_PAGES] = {{0}};
    share_mpn mpns[GUEST_PAGES];
    enum share_owner owners[GUEST_PAGES];
    size_t count = 0;
    for (; slot < GUEST_PAGES; slot++)
        if (guest->page[slot].present) {
            ppns[count] = guest_ppn(slot);
            mpns[count++] = guest_unmap(guest, slot);
        }
    MUST(share_forget_pages(guests_share, guest->vm, ppns, count, owners) == SHARE_OK);
    for (size_t i = 0; i < count; i++)
        if (owners[i] == SHARE_OWNER_CALLER && machine_maps(mpns[i]) == 0 && !gave_back(mpns, i))
            machine_give_back(mpns[i], false);
}

bool guest_break(struct guest *guest, unsigned slot)
{
    share_ppn ppn = guest_ppn(slot);
    enum share_result result;
    while ((result = share_break(guests_share, guest->vm, ppn)) == SHARE_RETRY)
        MUST(share_wait(guests_share, guest->vm, ppn) == SHARE_OK);
    MUST(result == SHARE_OK || result == SHARE_NOMEM || result == SHARE_FAIL);
    return result == SHARE_OK;
}

/* False: it faulted. */
static bool try_to_store(struct page *page, size_t word, uint64_t value)
{
    pthread_mutex_lock(&page->lock);
    bool may_write = !page->sharing;
    MUST(page->present);
    if (may_write) {
        MUST(!machine_is_kept(page->mpn) && "a page of a store can be written");
        MUST(machine_maps(page->mpn) == 1 && "another page maps what can be written");
        put(machine_bytes(page->mpn), word, value);
        page->readonly = false;
    }
    pthread_mutex_unlock(&page->lock);
    return may_write;
}

void guest_store(struct guest *guest, unsigned slot, bool tail, uint64_t value)
{
    struct page *page = &guest->page[slot];
    while (!try_to_store(page, tail ? GUEST_WORDS - 1 : 0, value))
        if (!guest_break(guest, slot))
            return;
    *(tail ? &page->tail : &page->head) = value;
}

void guest_must_read(struct guest *guest, unsigned slot)
{
    static const uint64_t zeros[GUEST_WORDS - 2];
    struct page *page = &guest->page[slot];
    pthread_mutex_lock(&page->lock);
    const uint64_t *words = machine_bytes(page->mpn);
    MUST(words[0] == page->head && "a guest does not read what it wrote");
    MUST(words[GUEST_WORDS - 1] == page->tail && "a guest does not read what it wrote");
    MUST(memcmp(words + 1, zeros, sizeof zeros) == 0);
    pthread_mutex_unlock(&page->lock);
}

void guest_pin(struct guest *guest, unsigned slot, bool pinned)
{
    struct page *page = &guest->page[slot];
    pthread_mutex_lock(&page->lock);
    MUST(page->present && page->pinned != pinned);
    page->pinned = pinned;
    pthread_mutex_unlock(&page->lock);
}

void guest_arm_device(struct guest *guest, unsigned slot)
{
    struct page *page = &guest->page[slot];
    guest_pin(guest, slot, true);
    if (!guest_break(guest, slot)) {
        guest_pin(guest, slot, false);
        return;
    }
    pthread_mutex_lock(&page->lock);
    page->device_mpn = page->mpn;
    pthread_mutex_unlock(&page->lock);
    page->armed = true;
}

void guest_device_writes(struct guest *guest, unsigned slot, uint64_t value)
{
    struct page *page = &guest->page[slot];
    MUST(!machine_is_kept(page->device_mpn) && "a page of a store can be written");
    put(machine_bytes(page->device_mpn), 0, value);
    page->head = value;
    page->armed = false;
    guest_must_read(guest, slot); /* the guest maps that page still */
    guest_pin(guest, slot, false);
}
