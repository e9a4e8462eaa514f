/* SPDX-License-Identifier: MIT */
/* Trials of both ways, and what is learnt from them. */
#include "tune.h"

#define FIRST_TRIALS 16u
#define CLEAR_TRIALS 4u /* of them, if it is clear by then which way is faster */
#define TURN_BITS    10 /* one turn of 2^10 is a trial, for each way */
#define CLOSE_TURNS  4u /* of them, if it is not clear which way is faster */

#define GOLDEN UINT32_C(2654435769) /* 2^32 / 1.618...: Knuth's multiplicative hash */

static uint32_t cost_of(struct share_tuner *tuner, enum share_fetch_way way)
{
    return atomic_load_explicit(&tuner->cost[way], memory_order_relaxed);
}

/* Runs are told apart by a hash of where they begin: counting them would be a write that all
 * threads share. */
static uint32_t turn_of(uint32_t first_page)
{
    return first_page * GOLDEN >> (32 - TURN_BITS);
}

/* One way takes more than half as long again as the other? */
static bool is_clear(uint32_t a, uint32_t b)
{
    return a && b && (a - a / 3 > b || b - b / 3 > a);
}

struct share_trial share_trial_start(struct share_tuner *tuner, uint32_t first_page)
{
    uint32_t turn = turn_of(first_page);
    uint32_t every = cost_of(tuner, SHARE_FETCH_EVERY), jumps = cost_of(tuner, SHARE_FETCH_JUMPS);
    enum share_fetch_way way = every <= jumps ? SHARE_FETCH_EVERY : SHARE_FETCH_JUMPS;
    bool clear = is_clear(every, jumps);
    uint32_t trials = atomic_load_explicit(&tuner->trials, memory_order_relaxed);
    uint32_t turns = (clear ? 1 : CLOSE_TURNS) * SHARE_FETCH_WAYS;
    if (!tuner->now_ns)
        return (struct share_trial){.way = way};
    if (trials < (clear ? CLEAR_TRIALS : FIRST_TRIALS) || turn < turns)
        way = (enum share_fetch_way)(turn % SHARE_FETCH_WAYS);
    else if (every && jumps)
        return (struct share_trial){.way = way};
    return (struct share_trial){way, true, tuner->now_ns(tuner->ctx)};
}

void share_trial_end(struct share_tuner *tuner, const struct share_trial *trial, unsigned pages)
{
    if (trial->is_timed && pages >= SHARE_TUNE_PAGES / 2)
        share_tuner_learn(tuner, trial->way,
                          (tuner->now_ns(tuner->ctx) - trial->start_ns) * SHARE_TUNE_PAGES / pages);
}

/* A run that was interrupted counts as one that took twice as long. Of the first runs, which may
 * have faulted in all of the engine's memory, the shortest counts; later on one that was short by
 * chance, with its pages in the cache, must not. */
void share_tuner_learn(struct share_tuner *tuner, enum share_fetch_way way, uint64_t cost)
{
    uint32_t trials = atomic_load_explicit(&tuner->trials, memory_order_relaxed);
    uint64_t known = cost_of(tuner, way);
    if (trials < FIRST_TRIALS)
        atomic_store_explicit(&tuner->trials, trials + 1, memory_order_relaxed);
    if (known && cost > 2 * known)
        cost = 2 * known;
    if (known && trials < CLEAR_TRIALS)
        cost = cost < known ? cost : known;
    else if (known)
        cost = (3 * known + cost) / 4;
    atomic_store_explicit(&tuner->cost[way], cost < UINT32_MAX ? (uint32_t)cost : UINT32_MAX,
                          memory_order_relaxed);
}
