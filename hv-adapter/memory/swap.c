/* SPDX-License-Identifier: MIT */
/* Slots of the paging file. See swap.h. */
#include "memory/swap.h"

#include <stdlib.h>

#include "hv_assert.h"
#include "memory/pages.h"

enum { SLOTS_MAX = 1 << 24, FREE_ROOM = 1024 /* of the stack, at first */ };

void hv_swap_init(struct hv_swap *swap)
{
    *swap = (struct hv_swap){.ready = false};
    pthread_mutex_init(&swap->lock, NULL);
}

void hv_swap_fini(struct hv_swap *swap)
{
    if (swap->ready)
        hv_store_fini(&swap->store);
    free(swap->free);
    pthread_mutex_destroy(&swap->lock);
}

/* Giving back must not fail: there is always room for all slots that were ever handed out. */
static bool has_room(struct hv_swap *swap)
{
    if (swap->next < swap->free_room)
        return true;
    uint32_t room = swap->free_room ? swap->free_room * 2 : FREE_ROOM;
    uint32_t *more = realloc(swap->free, room * sizeof *more);
    if (!more)
        return false;
    swap->free = more;
    swap->free_room = room;
    return true;
}

static bool take_locked(struct hv_swap *swap, uint32_t *slot)
{
    if (!swap->ready && !hv_store_init(&swap->store, (uint64_t)SLOTS_MAX * HV_PAGE_BYTES))
        return false;
    swap->ready = true;
    if (swap->free_count > 0) {
        *slot = swap->free[--swap->free_count];
        return true;
    }
    if (swap->next == SLOTS_MAX || !has_room(swap))
        return false;
    *slot = swap->next++;
    return true;
}

bool hv_swap_take(struct hv_swap *swap, uint32_t *slot)
{
    pthread_mutex_lock(&swap->lock);
    bool taken = take_locked(swap, slot);
    hv_assert(swap->free_count <= swap->next && swap->next <= swap->free_room);
    pthread_mutex_unlock(&swap->lock);
    return taken;
}

void hv_swap_give(struct hv_swap *swap, uint32_t slot)
{
    pthread_mutex_lock(&swap->lock);
    hv_assert(slot < swap->next && swap->free_count < swap->next);
    swap->free[swap->free_count++] = slot;
    pthread_mutex_unlock(&swap->lock);
}

bool hv_swap_write(struct hv_swap *swap, uint32_t slot, const void *page)
{
    return hv_store_write(&swap->store, (uint64_t)slot * HV_PAGE_BYTES, page, HV_PAGE_BYTES);
}

bool hv_swap_read(const struct hv_swap *swap, uint32_t slot, size_t offset, void *bytes,
                  size_t nbytes)
{
    return hv_store_read(&swap->store, (uint64_t)slot * HV_PAGE_BYTES + offset, bytes, nbytes);
}
