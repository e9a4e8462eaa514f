/* SPDX-License-Identifier: MIT */
/*
 * Memory on its way into the cache before it is needed.
 *
 * Pages to be hashed come eight at a time: each eight are prefetched while the eight before are
 * hashed, a slice of all of them at a time, so that hash, table and memory overlap, and page walks
 * do, too. XXH3 alone over pages in a row waits at the start of each page: prefetchers end at a
 * page's end, and take a while to start over.
 */
#ifndef SHARE_FETCH_H
#define SHARE_FETCH_H

#include "share.h"

#define SHARE_FETCH_PAGES  8u
#define SHARE_FETCH_SLICES 16u /* of them, together all lines of the pages */

/* Reads pages that lie anywhere in memory, 1 to SHARE_FETCH_PAGES of them: much faster than hashing
 * one after the other. */
void share_fetch_now(const unsigned char *const *pages, unsigned count);

/* Prefetches one slice of SHARE_FETCH_PAGES pages. Inlined always: GCC takes a function that only
 * prefetches for one without effect, and leaves out calls of it. */
__attribute__((always_inline)) static inline void share_fetch_slice(
    const unsigned char *const *pages, unsigned slice)
{
    const size_t nbytes = SHARE_PAGE_SIZE / SHARE_FETCH_SLICES, first = slice * nbytes;
    _Pragma("GCC unroll 4") for (size_t at = 0; at < nbytes; at += 64)
        _Pragma("GCC unroll 8") for (unsigned i = 0; i < SHARE_FETCH_PAGES; i++)
            __builtin_prefetch(pages[i] + first + at);
}

/* Prefetches a line that will be written, perhaps out of another processor's cache. The compiler's
 * own prefetch for writing is one for reading on x86-64, where the instruction came later than the
 * architecture; a processor without it takes it for nothing. */
__attribute__((always_inline)) static inline void share_fetch_to_write(uintptr_t at)
{
#if defined(__x86_64__)
    __asm__ volatile("prefetchw (%0)" : : "r"(at));
#else
    __builtin_prefetch((const void *)at, 1);
#endif
}

#endif
