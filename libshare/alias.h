/* SPDX-License-Identifier: MIT */
/*
 * Aliases: guest pages that map one machine page though nobody declared it. Such a page is never
 * merged: what protects one of them leaves the others writable, and a store through one would show
 * in whatever had been merged with it.
 *
 * The engine meets an alias when two pages of equal content turn out to map the same MPN, or when
 * `protect` says so. Each page is marked in its word, NO_MATCH with pace SHARE_PACE_ALIAS and a tag
 * of its MPN instead of hash bits; here stands how many pages have each tag. A further page that
 * maps an MPN with a tag that stands here is marked as soon as it is looked at. When all others
 * with its tag have been forgotten, a marked page is looked at again. Two MPNs may have one tag by
 * chance: then a page is left alone for longer than it need be. Tag 0 stays until its page is
 * forgotten.
 */
#ifndef SHARE_ALIAS_H
#define SHARE_ALIAS_H

#include "lock.h"
#include "mem.h"
#include "page.h"

struct share_alias {
    uint32_t tag; /* 0: free */
    uint32_t pages;
};

struct share_aliases {
    struct share_lock lock;
    uint32_t tags, room; /* entries in use, of so many: a power of two, or 0 */
    _Atomic uint32_t
        pages; /* marked ones with a tag, so that a look need not ask if there are none */
    struct share_alias *entry;
};

void share_aliases_fini(struct share_aliases *aliases, struct share_mem *mem);

/* The word of a page that maps this MPN, and is an alias: counted until share_alias_drop. */
uint32_t share_alias_add(struct share_aliases *aliases, struct share_mem *mem, share_mpn mpn);

/* The word of an alias whose MPN says nothing: it stands until the page is forgotten. */
static inline uint32_t share_alias_for_ever(void)
{
    return share_word_hint(SHARE_WORD_NO_MATCH, 0, SHARE_PACE_ALIAS);
}

static inline bool share_word_is_alias(uint32_t word)
{
    return share_word_state(word) == SHARE_WORD_NO_MATCH &&
           share_word_pace(word) == SHARE_PACE_ALIAS;
}

/* A page is marked no more; `word`: its mark. */
void share_alias_drop(struct share_aliases *aliases, uint32_t word);

/* Does the mark still hold? Not if no other page has its tag. */
bool share_alias_holds(struct share_aliases *aliases, uint32_t word);

/* Are there marked pages of this MPN, for all that its tag tells? */
bool share_alias_is_known(struct share_aliases *aliases, share_mpn mpn);

#endif
