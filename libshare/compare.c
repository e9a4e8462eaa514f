/* SPDX-License-Identifier: MIT */
/*
 * Whole-page compares, eight pairs abreast.
 *
 * One page of a pair was read a moment ago; the other lies anywhere in memory, and reading one such
 * page after the other waits for each one's first lines. Going over eight pairs line by line keeps
 * eight streams in flight, each by load instructions of its own, which is what a prefetcher tells
 * streams apart by: 210 ns a page instead of 470 where this was written, with 150 for pages in
 * sequence. Pairs are not left as soon as they differ: after equal hashes they hardly ever do.
 *
 * Pages are protected, so that bytes that compare equal stay equal. But a writer that has just won
 * against the merge may store meanwhile: then the answer may be anything and is thrown away, and
 * all that matters is that each load is a load, once. C11 has no atomic vectors; volatile ones are
 * as fast as plain ones, while relaxed atomic words, which the thread sanitizer gets to see, take a
 * third longer.
 */
#include "compare.h"
#include <string.h>

#define LINE_NBYTES 64u
#define STOP_NBYTES 1024u /* after each of these, is any pair still equal? */

/* As wide as AVX2's; compilers split it where a machine has less. */
typedef uint64_t words __attribute__((vector_size(32), aligned(1), may_alias));

#ifndef __has_feature
#define __has_feature(feature) 0
#endif

__attribute__((always_inline)) static inline void load(words *to, const unsigned char *at)
{
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
    for (size_t i = 0; i < sizeof *to; i++) /* bytes: a page may lie at any address */
        ((unsigned char *)to)[i] = __atomic_load_n(&at[i], __ATOMIC_RELAXED);
#else
    *to = *(const volatile words *)at;
#endif
}

/* Notes in *differ where the words at x and y differ. */
__attribute__((always_inline)) static inline void compare_words(words *differ,
                                                                const unsigned char *x,
                                                                const unsigned char *y)
{
    words a, b;
    load(&a, x);
    load(&b, y);
    *differ |= a ^ b;
}

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
                const unsigned char *x = a[i] + at, *y = b[i] + at;
                compare_words(&differ[i], x, y);
                compare_words(&differ[i], x + sizeof(words), y + sizeof(words));
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

bool share_page_is_zero(const void *page)
{
    const unsigned char *bytes = page;
    words any = {0}, some;
    for (size_t at = 0; at < SHARE_PAGE_SIZE; at += sizeof any) {
        load(&some, bytes + at);
        any |= some;
    }
    return (any[0] | any[1] | any[2] | any[3]) == 0;
}
