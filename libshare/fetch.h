/* SPDX-License-Identifier: MIT */
/*
 * Memory on its way into the cache before it is needed.
 *
 * Pages that lie in a row are fetched by the machine's own prefetchers, well or badly; pages that
 * lie anywhere have to be fetched ahead. There are two ways, and which one is faster depends on the
 * machine (bench/README.md has figures), so tune.h tries both.
 */
#ifndef SHARE_FETCH_H
#define SHARE_FETCH_H

#include "mem.h"

#define SHARE_FETCH_PAGES 8u /* read at a time */

/* Prefetched at a time, in slices: with those that are being hashed they are 32 KiB, which leaves
 * room in a first-level cache for the table. */
#define SHARE_FETCH_EVERY_PAGES 4u
#define SHARE_FETCH_SLICES      8u

#define SHARE_FETCH_START_LINES 8u /* half of the lines that share_fetch_start fetches */

enum share_fetch_way {
    /* Every page: four are prefetched while the four before are hashed, a slice of all of them at a
     * time, so that hash, table and memory overlap, and page walks do, too; and behind a run's last
     * ones, those that would follow in a row. For machines whose prefetchers end at a page's end
     * and take a while to start over. */
    SHARE_FETCH_EVERY,
    /* Jumps only: a page that does not lie behind the one before is prefetched into the
     * second-level cache, eight pages ahead; and of any page the first lines, when it is next. For
     * machines whose
     * prefetchers are disturbed by prefetch instructions, and which leave such instructions out
     * when they come fast. */
    SHARE_FETCH_JUMPS,
    SHARE_FETCH_WAYS
};

/* Reads pages that lie anywhere in memory, 1 to SHARE_FETCH_PAGES of them: much faster than hashing
 * one after the other. */
void share_fetch_now(const unsigned char *const *pages, unsigned count);

/* Prefetches one slice of SHARE_FETCH_EVERY_PAGES pages; `pages` NULL: of those in a row from
 * `row` on. Inlined always: GCC takes a function that only prefetches for one without effect, and
 * leaves out calls of it. */
__attribute__((always_inline)) static inline void share_fetch_slice(
    const unsigned char *const *pages, const unsigned char *row, unsigned slice)
{
    const size_t nbytes = SHARE_PAGE_SIZE / SHARE_FETCH_SLICES, first = slice * nbytes;
    _Pragma("GCC unroll 8") for (size_t at = 0; at < nbytes; at += SHARE_LINE_NBYTES)
        _Pragma("GCC unroll 4") for (unsigned i = 0; i < SHARE_FETCH_EVERY_PAGES; i++)
            __builtin_prefetch((pages ? pages[i] : row + i * SHARE_PAGE_SIZE) + first + at);
}

/* Prefetches the first or the second half of a page, into the second-level cache. */
__attribute__((always_inline)) static inline void share_fetch_half(const unsigned char *page,
                                                                   unsigned half)
{
    const size_t nbytes = SHARE_PAGE_SIZE / 2;
    _Pragma("GCC unroll 32") for (size_t at = 0; at < nbytes; at += SHARE_LINE_NBYTES)
        __builtin_prefetch(page + half * nbytes + at, 0, 2);
}

/* Prefetches the first or the second half of a page's first lines: as many as arrive while the
 * engine has other work than hashing, and no more at a time than are taken. */
__attribute__((always_inline)) static inline void share_fetch_start(const unsigned char *page,
                                                                    unsigned half)
{
    const size_t nbytes = SHARE_FETCH_START_LINES * SHARE_LINE_NBYTES;
    _Pragma("GCC unroll 8") for (size_t at = 0; at < nbytes; at += SHARE_LINE_NBYTES)
        __builtin_prefetch(page + half * nbytes + at);
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
