/* SPDX-License-Identifier: MIT */
/*
 * Whole-page compares, six pairs abreast.
 *
 * One page of a pair was read a moment ago; the other lies anywhere in memory, and reading one such
 * page after the other waits for each one's page walk and first lines. Going over some pairs line
 * by line keeps as many streams in flight, each by load instructions of its own, which is what a
 * prefetcher tells streams apart by: 210 ns a page instead of 470 where this was written, with 150
 * for pages in sequence. The fewer instructions a line, the more lines are in flight: on Zen 5 310
 * ns with two vectors a line and 275 with one (`share-bench --benchmark_filter=compare`; there,
 * both pages lie anywhere). Pairs are not left as soon as they differ: after equal hashes they
 * hardly ever do.
 *
 * The next pairs' page walks and first lines would be waited for again: so they are prefetched, if
 * the caller says where they are, a line for each line that is compared. A prefetch waits for its
 * page walk, and holds up what follows it: only among loads like these is that hidden. With it, six
 * pairs are 2 % of a pass faster than eight, and without it as fast.
 *
 * Pages are protected, so that bytes that compare equal stay equal. But a writer that has just won
 * against the merge may store meanwhile: then the answer may be anything and is thrown away, and
 * all that matters is that each load is a load. C11 has no atomic vectors, so they are plain ones;
 * the thread sanitizer gets to see relaxed atomic bytes.
 */
#include "compare.h"
#include "invariant.h"
#include "mem.h"
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define BLOCK_NBYTES 1024u /* after each of these, is any pair still equal? */
#define NEXT_BLOCK   2u    /* while this one is compared, the first of the next pairs is fetched */

/* The widest that compilers split well where a machine has less. */
typedef uint64_t words __attribute__((vector_size(32), aligned(1), may_alias));

#ifndef __has_feature
#define __has_feature(feature) 0
#endif
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define COMPARE_ATOMIC 1
#else
#define COMPARE_ATOMIC 0
#endif

/* Pairs in work. */
struct work {
    unsigned count;
    const unsigned char *a[SHARE_COMPARE_MAX], *b[SHARE_COMPARE_MAX];
    const unsigned char *next[SHARE_COMPARE_MAX]; /* b, if there is none: that is in the cache */
    bool differs[SHARE_COMPARE_MAX];
};

/* Compares the block at `start` of all pairs, and notes which differ. */
typedef void (*block_fn)(struct work *work, size_t start);

/* The same for so many pairs, a number that is known where it is inlined: each pair has a register,
 * and load instructions of its own. */
typedef void (*pairs_fn)(struct work *work, size_t start, unsigned count);
#define INLINE              __attribute__((always_inline)) static inline
#define EACH_PAIR(i, count) _Pragma("GCC unroll 6") for (unsigned i = 0; i < (count); i++)

INLINE void by_count(struct work *work, size_t start, pairs_fn pairs)
{
    _Static_assert(SHARE_COMPARE_MAX == 6, "a case each");
    switch (work->count) {
    case 1:
        pairs(work, start, 1);
        break;
    case 2:
        pairs(work, start, 2);
        break;
    case 3:
        pairs(work, start, 3);
        break;
    case 4:
        pairs(work, start, 4);
        break;
    case 5:
        pairs(work, start, 5);
        break;
    default:
        pairs(work, start, 6);
    }
}

/* At `at`, in the block at `start`: a line of the next pairs' i-th page, if it is time. */
INLINE void fetch_next(const struct work *work, unsigned i, size_t start, size_t at)
{
    if (start == NEXT_BLOCK * BLOCK_NBYTES)
        __builtin_prefetch(work->next[i] + (at - start), 0, 2);
}

static inline void load(words *to, const unsigned char *at)
{
    if (!COMPARE_ATOMIC)
        *to = *(const words *)at;
    else
        for (size_t i = 0; i < sizeof *to; i++) /* bytes: a page may lie at any address */
            ((unsigned char *)to)[i] = __atomic_load_n(&at[i], __ATOMIC_RELAXED);
}

static inline bool is_any(const words *some)
{
    return ((*some)[0] | (*some)[1] | (*some)[2] | (*some)[3]) != 0;
}

INLINE void pairs_base(struct work *work, size_t start, unsigned count)
{
    words differ[SHARE_COMPARE_MAX] = {{0}}, x, y;
    for (size_t at = start; at < start + BLOCK_NBYTES; at += SHARE_LINE_NBYTES)
        EACH_PAIR (i, count) {
            fetch_next(work, i, start, at);
            for (size_t half = at; half < at + SHARE_LINE_NBYTES; half += sizeof x) {
                load(&x, work->a[i] + half);
                load(&y, work->b[i] + half);
                differ[i] |= x ^ y;
            }
        }
    EACH_PAIR (i, count)
        work->differs[i] |= is_any(&differ[i]);
}

static void block_base(struct work *work, size_t start)
{
    by_count(work, start, pairs_base);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) INLINE void pairs_avx2(struct work *work, size_t start,
                                                       unsigned count)
{
    __m256i differ[SHARE_COMPARE_MAX];
    EACH_PAIR (i, count)
        differ[i] = _mm256_setzero_si256();
    for (size_t at = start; at < start + BLOCK_NBYTES; at += SHARE_LINE_NBYTES)
        EACH_PAIR (i, count) {
            const __m256i_u *x = (const __m256i_u *)(work->a[i] + at);
            const __m256i_u *y = (const __m256i_u *)(work->b[i] + at);
            fetch_next(work, i, start, at);
            differ[i] = _mm256_or_si256(differ[i], _mm256_xor_si256(x[0], y[0]));
            differ[i] = _mm256_or_si256(differ[i], _mm256_xor_si256(x[1], y[1]));
        }
    EACH_PAIR (i, count)
        work->differs[i] |= !_mm256_testz_si256(differ[i], differ[i]);
}

__attribute__((target("avx2"))) static void block_avx2(struct work *work, size_t start)
{
    by_count(work, start, pairs_avx2);
}

__attribute__((target("avx512f"))) INLINE void pairs_avx512(struct work *work, size_t start,
                                                            unsigned count)
{
    enum { OR_XOR = 0xf6 }; /* a | (b ^ c) as a truth table */
    __m512i differ[SHARE_COMPARE_MAX];
    EACH_PAIR (i, count)
        differ[i] = _mm512_setzero_si512();
    for (size_t at = start; at < start + BLOCK_NBYTES; at += SHARE_LINE_NBYTES)
        EACH_PAIR (i, count) {
            fetch_next(work, i, start, at);
            differ[i] = _mm512_ternarylogic_epi64(differ[i], _mm512_loadu_si512(work->a[i] + at),
                                                  _mm512_loadu_si512(work->b[i] + at), OR_XOR);
        }
    EACH_PAIR (i, count)
        work->differs[i] |= _mm512_test_epi64_mask(differ[i], differ[i]) != 0;
}

__attribute__((target("avx512f"))) static void block_avx512(struct work *work, size_t start)
{
    by_count(work, start, pairs_avx512);
}
#endif

static bool all_differ(const struct work *work)
{
    bool all = true;
    for (unsigned i = 0; i < work->count; i++)
        all &= work->differs[i];
    return all;
}

static void compare_blocks(struct share_pair *pairs, unsigned count, block_fn block)
{
    struct work work = {.count = count};
    share_assert(count <= SHARE_COMPARE_MAX);
    for (unsigned i = 0; i < count; i++) {
        work.a[i] = pairs[i].a;
        work.b[i] = pairs[i].b;
        work.next[i] = pairs[i].next ? pairs[i].next : pairs[i].b;
    }
    for (size_t start = 0; start < SHARE_PAGE_SIZE && !all_differ(&work); start += BLOCK_NBYTES)
        block(&work, start);
    for (unsigned i = 0; i < count; i++)
        pairs[i].equal = !work.differs[i];
}

static void compare_base(struct share_pair *pairs, unsigned count)
{
    compare_blocks(pairs, count, block_base);
}

#if defined(__x86_64__)
static void compare_avx2(struct share_pair *pairs, unsigned count)
{
    compare_blocks(pairs, count, block_avx2);
}

static void compare_avx512(struct share_pair *pairs, unsigned count)
{
    compare_blocks(pairs, count, block_avx512);
}
#endif

share_compare_fn share_compare_variant(unsigned i)
{
    share_compare_fn variant[4] = {NULL};
    unsigned variants = 0;
#if defined(__x86_64__)
    if (!COMPARE_ATOMIC && __builtin_cpu_supports("avx512f"))
        variant[variants++] = compare_avx512;
    if (!COMPARE_ATOMIC && __builtin_cpu_supports("avx2"))
        variant[variants++] = compare_avx2;
#endif
    variant[variants++] = compare_base;
    return i < variants ? variant[i] : NULL;
}

bool share_page_is_zero(const void *page)
{
    const unsigned char *bytes = page;
    words any = {0}, some;
    for (size_t at = 0; at < SHARE_PAGE_SIZE; at += sizeof any) {
        load(&some, bytes + at);
        any |= some;
    }
    return !is_any(&any);
}
