/* SPDX-License-Identifier: MIT */
/*
 * Whole-page compares, eight pairs abreast.
 *
 * One page of a pair was read a moment ago; the other lies anywhere in memory, and reading one such
 * page after the other waits for each one's first lines. Going over eight pairs line by line keeps
 * eight streams in flight, each by load instructions of its own, which is what a prefetcher tells
 * streams apart by: 210 ns a page instead of 470 where this was written, with 150 for pages in
 * sequence. Pairs are not left as soon as they differ: after equal hashes they hardly ever do.
 */
#include "compare.h"
#include <string.h>

#define LINE_NBYTES 64u
#define STOP_NBYTES 1024u /* after each of these, is any pair still equal? */

/* As wide as AVX2's; compilers split it where a machine has less. */
typedef uint64_t words __attribute__((vector_size(32), aligned(1), may_alias));

/* A group of fewer repeats its last pair, whose lines are in the cache by then. */
__attribute__((always_inline)) static inline void compare_abreast(struct share_pair *pairs,
                                                                  unsigned count)
{
    const unsigned char *a[SHARE_COMPARE_MAX], *b[SHARE_COMPARE_MAX];
    words differ[SHARE_COMPARE_MAX];
    bool any_equal = count > 0;
    for (unsigned i = 0; i < SHARE_COMPARE_MAX && any_equal; i++) {
        a[i] = pairs[i < count ? i : count - 1].a;
        b[i] = pairs[i < count ? i : count - 1].b;
        differ[i] = (words){0};
    }
    for (size_t start = 0; start < SHARE_PAGE_SIZE && any_equal; start += STOP_NBYTES) {
        for (size_t at = start; at < start + STOP_NBYTES; at += LINE_NBYTES)
            _Pragma("GCC unroll 8") for (unsigned i = 0; i < SHARE_COMPARE_MAX; i++)
            {
                const words *x = (const words *)(a[i] + at), *y = (const words *)(b[i] + at);
                differ[i] |= (x[0] ^ y[0]) | (x[1] ^ y[1]);
            }
        any_equal = false;
        for (unsigned i = 0; i < count; i++) {
            pairs[i].equal = (differ[i][0] | differ[i][1] | differ[i][2] | differ[i][3]) == 0;
            any_equal |= pairs[i].equal;
        }
    }
}

static void compare_base(struct share_pair *pairs, unsigned count)
{
    compare_abreast(pairs, count);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void compare_avx2(struct share_pair *pairs, unsigned count)
{
    compare_abreast(pairs, count);
}
#endif

share_compare_fn share_compare_variant(unsigned i)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2")) {
        if (i == 0)
            return compare_avx2;
        i--;
    }
#endif
    return i == 0 ? compare_base : NULL;
}

/* A page is zero if its first line is and it equals itself moved by that line. */
bool share_page_is_zero(const void *page)
{
    const unsigned char *bytes = page;
    static const unsigned char zero[LINE_NBYTES];
    return memcmp(bytes, zero, sizeof zero) == 0 &&
           memcmp(bytes, bytes + sizeof zero, SHARE_PAGE_SIZE - sizeof zero) == 0;
}
