/* SPDX-License-Identifier: MIT */
/*
 * Pages on their way into the cache before they are hashed, eight at a time.
 *
 * Machines differ. Where prefetchers end at a page's end and take a while to start over (Intel),
 * XXH3 alone over pages in a row takes 430 ns a page of 290 that memory needs: there each eight
 * pages are prefetched while the eight before are hashed, a slice of all of them at a time, so that
 * hash, table and memory overlap, and page walks do, too. Where memory keeps up with pages in a row
 * by itself (AMD), and where prefetch instructions are half as fast as loads, pages that lie apart
 * are read by loads, and of the next page only the first lines are prefetched.
 */
#ifndef SHARE_FETCH_H
#define SHARE_FETCH_H

#include "share.h"

#define SHARE_FETCH_PAGES  8u
#define SHARE_FETCH_SLICES 16u /* of them, together all lines of the pages */

/* Is this a machine of the first kind? */
bool share_fetch_ahead_pays(void);

/* Reads pages that lie anywhere in memory, 1 to SHARE_FETCH_PAGES of them: much faster than hashing
 * one after the other. */
void share_fetch_now(const unsigned char *const *pages, unsigned count);

/* Inlined always: GCC takes a function that only prefetches for one without effect, and leaves out
 * calls of it. */
__attribute__((always_inline)) static inline void share_fetch_lines(const unsigned char *at,
                                                                    unsigned lines)
{
    for (unsigned line = 0; line < lines; line++)
        __builtin_prefetch(at + (size_t)line * 64);
}

/* Prefetches one slice of so many pages. */
__attribute__((always_inline)) static inline void share_fetch_slice(
    const unsigned char *const *pages, unsigned count, unsigned slice)
{
    const size_t lines = SHARE_PAGE_SIZE / 64 / SHARE_FETCH_SLICES;
    for (size_t line = slice * lines; line < (slice + 1) * lines; line++)
        for (unsigned i = 0; i < count; i++)
            __builtin_prefetch(pages[i] + line * 64);
}

#endif
