/* SPDX-License-Identifier: MIT */
/*
 * Filling: one level rises for all claims until the memory is handed out.
 *
 * Idea: a claim is counted in slivers of a page, whole numbers, whose sum depends on no order. The
 * highest level that still fits is found by bisection down to neighbouring numbers; at the next one
 * it would be too much, so that less than a sliver a claim is left over. Then each claim is cut to
 * whole pages: what is cut off one claim never makes another larger than its part.
 */
#include "overcommit/policy/fill.h"

#include <float.h>

#define SLIVERS 65536.0 /* a page: a thousand claims are off by a 64th of a page at most */

/* In slivers. */
static uint64_t at_level(const struct hv_policy_claim *claim, double level)
{
    double room = (double)(claim->high - claim->base), grown = level * claim->rate;
    if (grown >= room)
        return claim->high * (uint64_t)SLIVERS;
    uint64_t slivers = claim->base * (uint64_t)SLIVERS + (uint64_t)(grown * SLIVERS);
    uint64_t least = claim->low * (uint64_t)SLIVERS;
    return slivers < least ? least : slivers;
}

struct fill {
    unsigned count;
    void (*claim)(const void *ctx, unsigned i, struct hv_policy_claim *out);
    const void *ctx;
};

static uint64_t sum_at(const struct fill *fill, double level)
{
    struct hv_policy_claim claim;
    uint64_t sum = 0;
    for (unsigned i = 0; i < fill->count; i++) {
        fill->claim(fill->ctx, i, &claim);
        sum += at_level(&claim, level);
    }
    return sum;
}

/* Above this level every claim has what it can have. */
static double top_level(const struct fill *fill)
{
    struct hv_policy_claim claim;
    double top = 1;
    for (unsigned i = 0; i < fill->count; i++) {
        fill->claim(fill->ctx, i, &claim);
        double full = claim.high > claim.base && claim.rate > 0
                          ? (double)(claim.high - claim.base) / claim.rate
                          : 0;
        top = full > top ? full : top;
    }
    return top * (1 + 4 * DBL_EPSILON);
}

void hv_policy_fill(unsigned count, uint64_t available,
                    void (*claim)(const void *ctx, unsigned i, struct hv_policy_claim *out),
                    const void *ctx, uint64_t *pages)
{
    struct fill fill = {count, claim, ctx};
    double fits = 0, over = top_level(&fill);
    uint64_t slivers = available * (uint64_t)SLIVERS;
    if (sum_at(&fill, over) <= slivers)
        fits = over;
    while (fits < over) {
        double middle = fits + (over - fits) / 2;
        if (middle <= fits || middle >= over)
            break;
        if (sum_at(&fill, middle) <= slivers)
            fits = middle;
        else
            over = middle;
    }
    for (unsigned i = 0; i < count; i++) {
        struct hv_policy_claim one;
        claim(ctx, i, &one);
        pages[i] = at_level(&one, fits) / (uint64_t)SLIVERS;
    }
}
