/* SPDX-License-Identifier: MIT */
/* Reading pages for the cache alone. */
#include "fetch.h"

/* Loads, each by an instruction of its own: eight pages line by line are eight streams in flight,
 * and prefetchers tell streams apart by the instruction. Guests may write meanwhile, and nothing
 * comes of what is read: the thread sanitizer need not see it. */
__attribute__((no_sanitize("thread"), noinline)) void share_fetch_now(
    const unsigned char *const *pages, unsigned count)
{
    const unsigned char *page[SHARE_FETCH_PAGES];
    for (unsigned i = 0; i < SHARE_FETCH_PAGES;
         i++) /* the last one fills up: it is there by then */
        page[i] = pages[i < count ? i : count - 1];
    for (size_t at = 0; at < SHARE_PAGE_SIZE; at += SHARE_LINE_NBYTES)
        _Pragma("GCC unroll 8") for (unsigned i = 0; i < SHARE_FETCH_PAGES; i++)(void) *
            (const volatile unsigned char *)(page[i] + at);
}
