/* SPDX-License-Identifier: MIT */
/* Sets of pages, as ranges in an array. */
#include "ranges.h"
#include <string.h>

void share_ranges_fini(struct share_ranges *ranges, struct share_mem *mem)
{
    share_mem_free(mem, ranges->range, ranges->room * sizeof *ranges->range);
    ranges->range = NULL;
    ranges->room = 0;
    atomic_store(&ranges->count, 0);
}

/* The old ones without `range`: those that touch it are cut, or grown into it if it is to be in.
 * There is room for one more than there were. */
static uint32_t cut(const struct share_ranges *ranges, struct share_range *range, bool in,
                    struct share_range *to)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < ranges->count; i++) {
        struct share_range old = ranges->range[i];
        bool touches = old.begin <= range->end && range->begin <= old.end;
        if (in && touches) {
            range->begin = old.begin < range->begin ? old.begin : range->begin;
            range->end = old.end > range->end ? old.end : range->end;
            continue;
        }
        bool meets = old.begin < range->end && range->begin < old.end;
        if (!meets)
            to[count++] = old;
        if (meets && old.begin < range->begin)
            to[count++] = (struct share_range){old.begin, range->begin};
        if (meets && old.end > range->end)
            to[count++] = (struct share_range){range->end, old.end};
    }
    return count;
}

static void insert(struct share_range *to, uint32_t count, struct share_range range)
{
    uint32_t at = count;
    for (; at > 0 && to[at - 1].begin > range.begin; at--)
        to[at] = to[at - 1];
    to[at] = range;
}

bool share_ranges_set(struct share_ranges *ranges, struct share_mem *mem, struct share_range range,
                      bool in)
{
    share_lock_take(&ranges->lock);
    uint32_t room = atomic_load(&ranges->count) + 1;
    struct share_range *to = share_mem_new(mem, room * sizeof *to, SHARE_LINE_NBYTES);
    if (to) {
        uint32_t count = cut(ranges, &range, in, to);
        if (in)
            insert(to, count++, range);
        share_mem_free(mem, ranges->range, ranges->room * sizeof *to);
        ranges->range = to;
        ranges->room = room;
        atomic_store(&ranges->count, count);
    }
    share_lock_drop(&ranges->lock);
    return to != NULL;
}

bool share_ranges_hold(struct share_ranges *ranges, share_ppn ppn)
{
    if (!atomic_load_explicit(&ranges->count, memory_order_relaxed))
        return false;
    share_lock_take(&ranges->lock);
    uint32_t low = 0, high = ranges->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (ranges->range[middle].end <= ppn.n)
            low = middle + 1;
        else
            high = middle;
    }
    bool holds = low < ranges->count && ranges->range[low].begin <= ppn.n;
    share_lock_drop(&ranges->lock);
    return holds;
}
