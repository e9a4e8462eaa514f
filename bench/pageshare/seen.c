/* SPDX-License-Identifier: MIT */
/* See seen.h: open addressing, never more than half full. */
#include "seen.h"
#include <stdlib.h>

struct seen {
    const struct ds_info **slot; /* owned */
    size_t slots, used;
};

static void *must(void *memory)
{
    if (!memory)
        abort(); /* a few bytes per argument */
    return memory;
}

struct seen *seen_new(void)
{
    return must(calloc(1, sizeof(struct seen)));
}

void seen_free(struct seen *seen)
{
    if (seen)
        free(seen->slot);
    free(seen);
}

static bool is_same(const struct ds_info *a, const struct ds_info *b)
{
    return a->device == b->device && a->inode == b->inode;
}

/* The slot that holds this file, or would. */
static const struct ds_info **find(const struct seen *seen, const struct ds_info *info)
{
    uint64_t hash = (info->inode + (info->device << 32)) * UINT64_C(0x9e3779b97f4a7c15);
    size_t at = (size_t)(hash >> 32) & (seen->slots - 1);
    while (seen->slot[at] && !is_same(seen->slot[at], info))
        at = (at + 1) & (seen->slots - 1);
    return &seen->slot[at];
}

static void grow(struct seen *seen)
{
    struct seen larger = {.slots = seen->slots ? 2 * seen->slots : 64, .used = seen->used};
    larger.slot = must(calloc(larger.slots, sizeof *larger.slot));
    for (size_t i = 0; i < seen->slots; i++)
        if (seen->slot[i])
            *find(&larger, seen->slot[i]) = seen->slot[i];
    free(seen->slot);
    *seen = larger;
}

const char *seen_add(struct seen *seen, const struct ds_info *info)
{
    if (!info->has_file)
        return NULL;
    if (2 * (seen->used + 1) > seen->slots)
        grow(seen);
    const struct ds_info **slot = find(seen, info);
    if (*slot)
        return (*slot)->spec;
    *slot = info;
    seen->used++;
    return NULL;
}
