/* SPDX-License-Identifier: MIT */
/* Slots of the paging file. See swap.h. */
#include "memory/swap.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "hv_assert.h"
#include "memory/pages.h"

enum { SLOTS_MAX = 1 << 24, ROOM = 1024 /* of the arrays, at first */ };

void hv_swap_init(struct hv_swap *swap, const char *path, uint64_t nbytes)
{
    uint64_t slots = nbytes / HV_PAGE_BYTES;
    *swap = (struct hv_swap){
        .path = path,
        .slots_max = slots && slots < SLOTS_MAX ? (uint32_t)slots : SLOTS_MAX,
    };
    pthread_mutex_init(&swap->lock, NULL);
}

void hv_swap_fini(struct hv_swap *swap)
{
    if (swap->ready)
        hv_store_fini(&swap->store);
    free(swap->free);
    free(swap->sum);
    pthread_mutex_destroy(&swap->lock);
}

/* ---- faults */

static bool fault_locked(struct hv_swap *swap, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool fault_locked(struct hv_swap *swap, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(swap->fault, sizeof swap->fault, format, args);
    va_end(args);
    return false;
}

/* `did`: what could not be done with a slot; errno says why. */
static bool fault_of_slot(struct hv_swap *swap, uint32_t slot, const char *did)
{
    int reason = errno;
    pthread_mutex_lock(&swap->lock);
    fault_locked(swap, "the paging file: %s at offset 0x%llx: %s", did,
                 (unsigned long long)slot * HV_PAGE_BYTES,
                 reason ? strerror(reason) : "it is shorter than it was");
    pthread_mutex_unlock(&swap->lock);
    return false;
}

void hv_swap_look(struct hv_swap *swap, struct hv_swap_state *state)
{
    pthread_mutex_lock(&swap->lock);
    *state = (struct hv_swap_state){.pages_max = swap->slots_max,
                                    .pages = swap->next - swap->free_count};
    memcpy(state->fault, swap->fault, sizeof state->fault);
    pthread_mutex_unlock(&swap->lock);
}

uint64_t hv_swap_room(struct hv_swap *swap)
{
    uint64_t nbytes = hv_store_room(swap->path), pages = nbytes / HV_PAGE_BYTES;
    pthread_mutex_lock(&swap->lock);
    pages += swap->next; /* slots that were written once keep their room */
    pthread_mutex_unlock(&swap->lock);
    return pages < swap->slots_max ? pages : swap->slots_max;
}

/* ---- slots */

/* Giving back must not fail: there is always room for all slots that were ever handed out. */
static bool has_room(struct hv_swap *swap)
{
    if (swap->next < swap->room)
        return true;
    uint32_t room = swap->room ? swap->room * 2 : ROOM;
    uint32_t *more = realloc(swap->free, room * sizeof *more);
    if (more)
        swap->free = more;
    uint64_t *sums = more ? realloc(swap->sum, room * sizeof *sums) : NULL;
    if (!sums)
        return fault_locked(swap, "the paging file: out of host memory");
    swap->sum = sums;
    swap->room = room;
    return true;
}

static bool make_store(struct hv_swap *swap)
{
    uint64_t nbytes = (uint64_t)swap->slots_max * HV_PAGE_BYTES;
    if (!swap->ready && !hv_store_init(&swap->store, swap->path, nbytes))
        return fault_locked(swap, "the paging file cannot be made%s%.80s: %s",
                            swap->path ? ": " : "", swap->path ? swap->path : "", strerror(errno));
    swap->ready = true;
    return true;
}

static bool take_locked(struct hv_swap *swap, uint32_t *slot)
{
    if (!make_store(swap))
        return false;
    if (swap->free_count > 0) {
        *slot = swap->free[--swap->free_count];
        return true;
    }
    if (swap->next == swap->slots_max)
        return fault_locked(swap, "the paging file is full: %u pages", swap->slots_max);
    if (!has_room(swap))
        return false;
    *slot = swap->next++;
    return true;
}

bool hv_swap_take(struct hv_swap *swap, uint32_t *slot)
{
    pthread_mutex_lock(&swap->lock);
    bool taken = take_locked(swap, slot);
    hv_assert(swap->free_count <= swap->next && swap->next <= swap->room);
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

/* ---- bytes */

/* The slot is the seed: a page that was written to another place is not taken for this one. */
static uint64_t sum_of(const void *page, uint32_t slot)
{
    return XXH3_64bits_withSeed(page, HV_PAGE_BYTES, slot);
}

bool hv_swap_write(struct hv_swap *swap, uint32_t slot, const void *page)
{
    if (!hv_store_write(&swap->store, (uint64_t)slot * HV_PAGE_BYTES, page, HV_PAGE_BYTES))
        return fault_of_slot(swap, slot, "cannot write");
    uint64_t sum = sum_of(page, slot);
    pthread_mutex_lock(&swap->lock);
    swap->sum[slot] = sum;
    swap->fault[0] = 0;
    pthread_mutex_unlock(&swap->lock);
    return true;
}

bool hv_swap_read(struct hv_swap *swap, uint32_t slot, size_t offset, void *bytes, size_t nbytes)
{
    uint8_t part[HV_PAGE_BYTES];
    void *page = nbytes == sizeof part ? bytes : part;
    hv_assert(offset <= sizeof part && nbytes <= sizeof part - offset);
    if (!hv_store_read(&swap->store, (uint64_t)slot * HV_PAGE_BYTES, page, sizeof part))
        return fault_of_slot(swap, slot, "cannot read");
    pthread_mutex_lock(&swap->lock);
    bool right = swap->sum[slot] == sum_of(page, slot);
    if (!right)
        fault_locked(swap,
                     "the paging file: at offset 0x%llx are not the bytes that were written there",
                     (unsigned long long)slot * HV_PAGE_BYTES);
    pthread_mutex_unlock(&swap->lock);
    if (right && page == part)
        memcpy(bytes, part + offset, nbytes);
    return right;
}
