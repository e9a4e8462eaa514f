/* SPDX-License-Identifier: MIT */
/*
 * The hash of a page, keyed by its group's secret. XXH3 in 64 bits, through libxxhash's dispatcher,
 * which takes the widest vectors that the machine has.
 *
 * share_hash_look reads a page which a guest may be writing: its result is only ever a hint, and it
 * is left out of the thread sanitizer's view, as fetch.c is, which has no result at all. Nothing
 * else does either.
 */
#ifndef SHARE_HASH_H
#define SHARE_HASH_H

#include "share.h"

#define SHARE_SECRET_NBYTES 192u /* XXH3's default secret size */

struct share_secret {
    unsigned char bytes[SHARE_SECRET_NBYTES];
    uint64_t zero_hash; /* the zero page's hash under this secret */
    uint64_t mask;      /* all ones; the tests weaken it to force collisions */
};

/* The secret of a group: depends on salt and group, and on nothing else. */
void share_secret_init(struct share_secret *secret, uint64_t salt, share_group group,
                       uint64_t mask);

/* The hash of SHARE_PAGE_SIZE bytes that may change meanwhile. */
uint64_t share_hash_look(const struct share_secret *secret, const void *page);

/* The same of bytes that do not change: protected, or nobody's. */
uint64_t share_hash_stable(const struct share_secret *secret, const void *page);

#endif
