/* SPDX-License-Identifier: MIT */
/* How many pages are marked as aliases, by tag: an open hash table that only grows. */
#include "alias.h"

#define ROOM_FIRST 64u

static uint32_t tag_of(share_mpn mpn)
{
    uint64_t mixed = mpn.n * UINT64_C(0x9e3779b97f4a7c15); /* Fibonacci hashing (Knuth, vol. 3) */
    uint32_t tag = (uint32_t)(mixed >> (64 - SHARE_HINT_HASH_BITS));
    return tag ? tag : 1;
}

static uint32_t tag_of_word(uint32_t word)
{
    return share_word_payload(word) >> SHARE_PACE_BITS;
}

static uint32_t word_of(uint32_t tag)
{
    return share_word(SHARE_WORD_NO_MATCH, tag << SHARE_PACE_BITS | SHARE_PACE_ALIAS);
}

/* The tag's entry, or the free one where it would stand. There is room. */
static struct share_alias *find(struct share_alias *entry, uint32_t room, uint32_t tag)
{
    uint32_t at = tag & (room - 1);
    while (entry[at].tag && entry[at].tag != tag)
        at = (at + 1) & (room - 1);
    return &entry[at];
}

/* Half of it stays free. Lock held. */
static bool make_room(struct share_aliases *aliases, struct share_mem *mem)
{
    uint32_t room = aliases->room ? 2 * aliases->room : ROOM_FIRST;
    if (2 * (aliases->tags + 1) <= aliases->room)
        return true;
    struct share_alias *entry = share_mem_new(mem, room * sizeof *entry, SHARE_LINE_NBYTES);
    if (!entry)
        return false;
    for (uint32_t i = 0; i < aliases->room; i++)
        if (aliases->entry[i].tag)
            *find(entry, room, aliases->entry[i].tag) = aliases->entry[i];
    share_mem_free(mem, aliases->entry, aliases->room * sizeof *entry);
    aliases->entry = entry;
    aliases->room = room;
    return true;
}

void share_aliases_fini(struct share_aliases *aliases, struct share_mem *mem)
{
    share_mem_free(mem, aliases->entry, aliases->room * sizeof *aliases->entry);
}

uint32_t share_alias_add(struct share_aliases *aliases, struct share_mem *mem, share_mpn mpn)
{
    uint32_t tag = tag_of(mpn);
    share_lock_take(&aliases->lock);
    if (make_room(aliases, mem)) {
        struct share_alias *entry = find(aliases->entry, aliases->room, tag);
        aliases->tags += !entry->tag;
        entry->tag = tag;
        entry->pages++;
        atomic_fetch_add(&aliases->pages, 1);
    } else {
        tag = 0;
    }
    share_lock_drop(&aliases->lock);
    return word_of(tag);
}

/* Pages with this tag. */
static uint32_t pages_with(struct share_aliases *aliases, uint32_t tag)
{
    share_lock_take(&aliases->lock);
    uint32_t pages = aliases->room ? find(aliases->entry, aliases->room, tag)->pages : 0;
    share_lock_drop(&aliases->lock);
    return pages;
}

void share_alias_drop(struct share_aliases *aliases, uint32_t word)
{
    uint32_t tag = tag_of_word(word);
    share_assert(share_word_is_alias(word));
    if (!tag)
        return;
    share_lock_take(&aliases->lock);
    struct share_alias *entry = find(aliases->entry, aliases->room, tag);
    share_assert(entry->tag == tag && entry->pages > 0);
    entry->pages--;
    atomic_fetch_sub(&aliases->pages, 1);
    share_lock_drop(&aliases->lock);
}

bool share_alias_holds(struct share_aliases *aliases, uint32_t word)
{
    uint32_t tag = tag_of_word(word);
    return !tag || pages_with(aliases, tag) > 1;
}

bool share_alias_is_known(struct share_aliases *aliases, share_mpn mpn)
{
    return atomic_load(&aliases->pages) && pages_with(aliases, tag_of(mpn));
}
