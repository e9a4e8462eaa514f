/* SPDX-License-Identifier: MIT */
/*
 * What does a neighbour feel while memory is being shared?
 *
 * The neighbour: on each processor a thread that serves small requests, one after the other, and
 * times each. Rounds take turns: KSM shares the whole set; the tiny VMM's machine memory and memory
 * of this process, which are ours, share the same set; nobody does (idle). The other rounds last as
 * long as KSM's just before, so all serve for the same time, and all sharers save the same.
 * Reported: median, p95 and p99 of requests in microseconds, each the median over rounds; and the
 * excess of p95 over the idle round, ours below KSM's or not.
 */
#include "ksm.h"
#include "process.h"
#include "rival.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COPY_PERCENT 37u

enum { THREADS_MAX = 8, REQUESTS_MAX = 1 << 20, LOOKUPS = 256, TABLE_WORDS = 1 << 17 /* 1 MiB */ };
/* In the order of their turns. */
enum { KSM, MACHINE, PROCESS, IDLE, SIDES };
static const struct {
    const char *name;
    const struct rival_kind *kind; /* NULL: nobody shares */
} sides[SIDES] = {[KSM] = {"ksm", &rival_ksm},
                  [MACHINE] = {"machine", &rival_machine},
                  [PROCESS] = {"process", &rival_process},
                  [IDLE] = {"idle", NULL}};

/* One of the neighbour's threads. */
struct server {
    pthread_t thread;
    _Atomic bool *stop;
    uint64_t *table; /* owned */
    float *us;       /* owned: of each request */
    size_t requests;
    uint64_t sum;
};

/* A request: looks words up, each telling where the next one is. */
static uint64_t serve(const uint64_t *table, uint64_t key)
{
    for (unsigned i = 0; i < LOOKUPS; i++)
        key = key * UINT64_C(0x9e3779b97f4a7c15) + table[key >> 47];
    return key;
}

static void *serve_all(void *arg)
{
    struct server *server = arg;
    while (!atomic_load_explicit(server->stop, memory_order_relaxed) &&
           server->requests < REQUESTS_MAX) {
        double start = bench_now_s();
        server->sum += serve(server->table, server->sum + server->requests);
        server->us[server->requests++] = (float)((bench_now_s() - start) * 1e6);
    }
    return NULL;
}

struct neighbour {
    struct server server[THREADS_MAX];
    unsigned servers;
    _Atomic bool stop;
    double *us; /* owned: a round's requests of all threads */
};

static bool neighbour_init(struct neighbour *neighbour)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    memset(neighbour, 0, sizeof *neighbour);
    neighbour->servers = processors < THREADS_MAX ? (unsigned)processors : THREADS_MAX;
    neighbour->us = malloc((size_t)neighbour->servers * REQUESTS_MAX * sizeof *neighbour->us);
    bool ok = neighbour->us != NULL;
    for (unsigned i = 0; i < neighbour->servers; i++) {
        struct server *server = &neighbour->server[i];
        server->stop = &neighbour->stop;
        server->table = calloc(TABLE_WORDS, sizeof *server->table);
        server->us = calloc(REQUESTS_MAX, sizeof *server->us);
        ok = ok && server->table && server->us;
        for (uint64_t word = 0; ok && word < TABLE_WORDS; word++)
            server->table[word] = word;
    }
    return ok;
}

static void neighbour_fini(struct neighbour *neighbour)
{
    for (unsigned i = 0; i < neighbour->servers; i++) {
        free(neighbour->server[i].table);
        free(neighbour->server[i].us);
    }
    free(neighbour->us);
}

static bool neighbour_start(struct neighbour *neighbour)
{
    bool ok = true;
    atomic_store(&neighbour->stop, false);
    for (unsigned i = 0; i < neighbour->servers && ok; i++) {
        neighbour->server[i].requests = 0;
        ok = pthread_create(&neighbour->server[i].thread, NULL, serve_all, &neighbour->server[i]) ==
             0;
    }
    return ok;
}

/* The requests of a round, in neighbour->us; how many. */
static size_t neighbour_stop(struct neighbour *neighbour)
{
    size_t count = 0;
    atomic_store(&neighbour->stop, true);
    for (unsigned i = 0; i < neighbour->servers; i++) {
        struct server *server = &neighbour->server[i];
        pthread_join(server->thread, NULL);
        for (size_t at = 0; at < server->requests; at++)
            neighbour->us[count++] = server->us[at];
    }
    return count;
}

struct figures {
    double p50[BENCH_ROUNDS_MAX], p95[BENCH_ROUNDS_MAX], p99[BENCH_ROUNDS_MAX];
};

struct trial {
    const struct suite *suite;
    struct pages *pages; /* owned */
    struct neighbour neighbour;
    struct figures side[SIDES];
    bool takes_part[SIDES];
    unsigned rounds;
    double seconds; /* of KSM's last round */
};

/* Shares, or does nothing, while the neighbour serves. */
static bool run_side(struct trial *trial, unsigned side, unsigned round)
{
    const struct rival_kind *kind = sides[side].kind;
    uint64_t distinct = trial->pages->count - trial->pages->copies;
    void *rival = kind ? kind->open(trial->pages, trial->suite) : NULL;
    if (kind && !rival)
        return false;
    bool ok = neighbour_start(&trial->neighbour);
    double start = bench_now_s(), cpu_s;
    if (rival)
        ok = kind->share(rival, &cpu_s) >= 0 && ok;
    if (side == KSM)
        trial->seconds = bench_now_s() - start;
    double left = start + trial->seconds - bench_now_s();
    if (left > 0)
        usleep((useconds_t)(left * 1e6));
    size_t requests = neighbour_stop(&trial->neighbour);
    if (rival) {
        ok = ok && kind->frames(rival) == distinct;
        kind->close(rival);
    }
    struct figures *figures = &trial->side[side];
    figures->p50[round] = bench_quantile(trial->neighbour.us, requests, 0.50);
    figures->p95[round] = bench_quantile(trial->neighbour.us, requests, 0.95);
    figures->p99[round] = bench_quantile(trial->neighbour.us, requests, 0.99);
    return ok && requests;
}

static bool run_rounds(struct trial *trial)
{
    bool ok = true;
    for (unsigned round = 0; round < trial->rounds && ok; round++)
        for (unsigned side = 0; side < SIDES && ok; side++)
            ok = !trial->takes_part[side] || run_side(trial, side, round);
    return ok;
}

static void report_requests(struct bench *bench, const struct trial *trial, unsigned side)
{
    const struct figures *figures = &trial->side[side];
    const double *values[] = {figures->p50, figures->p95, figures->p99};
    static const char *const what[] = {"p50", "p95", "p99"};
    char name[64];
    for (unsigned i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%s_%s_us", sides[side].name, what[i]);
        bench_median(bench, name, values[i], trial->rounds);
    }
}

/* Over idle; and in how many rounds that is not above KSM's. */
static void report_excess(struct bench *bench, const struct trial *trial, unsigned side)
{
    const struct figures *figures = &trial->side[side];
    double excess[BENCH_ROUNDS_MAX];
    unsigned not_above = 0;
    char name[64];
    for (unsigned round = 0; round < trial->rounds; round++) {
        excess[round] = figures->p95[round] - trial->side[IDLE].p95[round];
        not_above += figures->p95[round] <= trial->side[KSM].p95[round];
    }
    snprintf(name, sizeof name, "%s_p95_excess_us", sides[side].name);
    bench_median(bench, name, excess, trial->rounds);
    snprintf(name, sizeof name, "%s_rounds_not_above_ksm", sides[side].name);
    if (side != KSM)
        bench_counter(bench, name, not_above);
}

static void report(struct bench *bench, const struct trial *trial)
{
    bench_counter(bench, "rounds", trial->rounds);
    for (unsigned side = 0; side < SIDES; side++) {
        if (!trial->takes_part[side])
            continue;
        report_requests(bench, trial, side);
        if (side != IDLE)
            report_excess(bench, trial, side);
    }
}

static struct trial *trial_new(const struct suite *suite)
{
    struct trial *trial = calloc(1, sizeof *trial);
    if (!trial)
        return NULL;
    trial->suite = suite;
    trial->rounds = suite->quick ? 3 : 11;
    for (unsigned side = 0; side < SIDES; side++)
        trial->takes_part[side] = side != PROCESS || !process_refusal();
    trial->pages = pages_new(UINT64_C(1) << (suite->quick ? 14 : 16), COPY_PERCENT, 5);
    return trial;
}

static void trial_free(struct trial *trial)
{
    neighbour_fini(&trial->neighbour);
    pages_free(trial->pages);
    free(trial);
}

static void neighbour_rounds(struct bench *bench, void *ctx)
{
    struct trial *trial = trial_new(ctx);
    bool ok = trial && neighbour_init(&trial->neighbour);
    while (bench_next(bench))
        ok = ok && run_rounds(trial);
    if (ok)
        report(bench, trial);
    else
        bench_fail(bench, "not everything was shared, or no memory");
    if (trial)
        trial_free(trial);
}

void suite_neighbour(const struct suite *suite)
{
    if (!ksm_refusal())
        bench_register_once("ksm/neighbour", neighbour_rounds, (void *)suite);
}
