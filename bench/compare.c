/* SPDX-License-Identifier: MIT */
/*
 * How fast is the deciding compare, beside memcmp?
 *
 * Sides in turn over the same pairs of pages: memcmp (the base), and each variant that this machine
 * can run, the fastest first, with as many pairs abreast as it takes and one by one.
 * `equal_cached`: the same few pairs again and again; `equal`: one page in sequence, the other
 * anywhere in memory, as a merge finds them; `equal_fetched`: so that the next group's pages are
 * fetched meanwhile; `early`: pairs that differ in the first line, as only a collision of hashes
 * does.
 *
 * Includes an internal header: share.h has no compare without a merge around it.
 */
#include "compare.h"
#include "pages.h"
#include "suite.h"
#include <stdlib.h>
#include <string.h>

enum { VARIANTS = 2, CACHED_PAIRS = SHARE_COMPARE_MAX };

enum kind { EQUAL_CACHED, EQUAL, EQUAL_FETCHED, EARLY, KINDS };

struct compare {
    const struct suite *suite;
    enum kind kind;
};

static struct {
    struct pages *pages;             /* of all benchmarks here, made at first use */
    struct share_pair *pairs[KINDS]; /* owned: each copy, and what it copies; of EARLY, what
                                        another one copies */
    uint64_t count;
} set;

static const unsigned char *bytes_of(uint64_t page)
{
    return set.pages->bytes + page * SHARE_PAGE_SIZE;
}

static void make_pairs(const struct suite *suite)
{
    set.pages = pages_new(UINT64_C(1) << (suite->quick ? 15 : 17), 50, 5);
    for (unsigned kind = 0; kind < KINDS; kind++)
        if (!(set.pairs[kind] = calloc(set.pages->copies, sizeof *set.pairs[kind])))
            exit(1);
    for (uint64_t page = 0; page < set.pages->count; page++)
        if (set.pages->original[page] != page)
            set.pairs[EQUAL][set.count++] =
                (struct share_pair){.a = bytes_of(page), .b = bytes_of(set.pages->original[page])};
    for (uint64_t i = 0; i < set.count; i++) {
        const struct share_pair *equal = &set.pairs[EQUAL][i];
        set.pairs[EQUAL_CACHED][i] = set.pairs[EQUAL][i % CACHED_PAIRS];
        set.pairs[EQUAL_FETCHED][i] = set.pairs[EARLY][i] = *equal;
        set.pairs[EQUAL_FETCHED][i].next = set.pairs[EQUAL][(i + SHARE_COMPARE_MAX) % set.count].b;
        set.pairs[EARLY][i].b = set.pairs[EQUAL][(i + 1) % set.count].b;
    }
}

static void compare_by_memcmp(struct share_pair *pairs, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        pairs[i].equal = memcmp(pairs[i].a, pairs[i].b, SHARE_PAGE_SIZE) == 0;
}

/* Every pair once, in groups of so many. */
static double pass(const struct compare *compare, share_compare_fn fn, unsigned abreast)
{
    uint64_t equal = 0;
    if (!set.pages)
        make_pairs(compare->suite);
    double start = bench_start();
    for (uint64_t i = 0; i < set.count; i += abreast) {
        struct share_pair *group = &set.pairs[compare->kind][i];
        unsigned count = set.count - i < abreast ? (unsigned)(set.count - i) : abreast;
        fn(group, count);
        for (unsigned j = 0; j < count; j++)
            equal += group[j].equal;
    }
    double seconds = bench_stop(start, set.count);
    return equal == (compare->kind == EARLY ? 0 : set.count) ? seconds : -1;
}

static double pass_memcmp(void *ctx)
{
    return pass(ctx, compare_by_memcmp, 1);
}

static double abreast_0(void *ctx)
{
    return pass(ctx, share_compare_variant(0), SHARE_COMPARE_MAX);
}

static double single_0(void *ctx)
{
    return pass(ctx, share_compare_variant(0), 1);
}

static double abreast_1(void *ctx)
{
    return pass(ctx, share_compare_variant(1), SHARE_COMPARE_MAX);
}

static double single_1(void *ctx)
{
    return pass(ctx, share_compare_variant(1), 1);
}

void suite_compare(const struct suite *suite)
{
    static const struct bench_side sides[2 * VARIANTS] = {{"variant_0_abreast", abreast_0},
                                                          {"variant_0_single", single_0},
                                                          {"variant_1_abreast", abreast_1},
                                                          {"variant_1_single", single_1}};
    static const char *const names[] = {"compare/equal_cached", "compare/equal",
                                        "compare/equal_fetched", "compare/early"};
    static struct compare compares[KINDS];
    size_t variants = 0;
    while (variants < VARIANTS && share_compare_variant((unsigned)variants))
        variants++;
    for (unsigned kind = EQUAL_CACHED; kind < KINDS; kind++) {
        compares[kind] = (struct compare){suite, (enum kind)kind};
        bench_pair(names[kind], (struct bench_side){"memcmp", pass_memcmp}, sides, 2 * variants,
                   &compares[kind], suite->quick ? 5 : 15);
    }
}
