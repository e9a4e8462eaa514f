/* SPDX-License-Identifier: MIT */
/* See second_items.h. */
#include "second_items.h"
#include <stdlib.h>

#define ITEM_RECORDS 512u

static bool add(struct second_items *items, struct second_item item)
{
    if (items->count == items->room) {
        uint64_t room = items->room ? items->room + items->room / 2 : 64;
        struct second_item *larger = realloc(items->item, room * sizeof *larger);
        if (!larger)
            return false;
        items->item = larger;
        items->room = room;
    }
    items->item[items->count++] = item;
    return true;
}

/* The first record behind a source, or behind as many as an item holds of others. */
static uint64_t end_of(const struct set *set, const struct records *records, uint64_t begin,
                       size_t source)
{
    const bool whole = set->source[source].info->sequential;
    uint64_t end = begin + 1;
    for (size_t s = source; end < records->count && (whole || end - begin < ITEM_RECORDS); end++) {
        size_t next = second_items_source(set, s, groups_page(records->word[2 * end + GROUP_PAGE]));
        if (next != s && (whole || set->source[next].info->sequential))
            break;
        s = next;
    }
    return end;
}

bool second_items_init(struct second_items *items, const struct set *set,
                       const struct records *records)
{
    *items = (struct second_items){0};
    for (uint64_t i = 0; i < records->count;) {
        size_t source = set_source_of(set, groups_page(records->word[2 * i + GROUP_PAGE]));
        struct second_item item = {i, end_of(set, records, i, source), source};
        if (!add(items, item)) {
            second_items_fini(items);
            return false;
        }
        i = item.end;
    }
    return true;
}

void second_items_fini(struct second_items *items)
{
    free(items->item);
    *items = (struct second_items){0};
}
