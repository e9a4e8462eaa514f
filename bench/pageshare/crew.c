/* SPDX-License-Identifier: MIT */
/* See crew.h. */
#include "crew.h"
#include "guard.h"
#include "helpers.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static unsigned at_least(unsigned least, unsigned value)
{
    return value < least ? least : value;
}

/* Half of the descriptors are for others, if there are few. */
static void share_out_looks(struct crew *crew)
{
    struct rlimit limit;
    unsigned all = CREW_LOOKS;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur / 2 < all)
        all = (unsigned)limit.rlim_cur / 2;
    unsigned each = at_least(1, all / EYES / crew->workers);
    crew->sets = at_least(1, each / CREW_WAYS);
    crew->ways = each < CREW_WAYS ? each : CREW_WAYS;
}

bool crew_init(struct crew *crew, struct set *set, unsigned workers)
{
    *crew = (struct crew){.set = set, .workers = workers};
    pthread_mutex_init(&crew->mutex, NULL);
    share_out_looks(crew);
    crew->worker = calloc(workers, sizeof *crew->worker);
    bool ok = crew->worker != NULL;
    for (unsigned w = 0; ok && w < workers; w++) {
        crew->worker[w] = (struct worker){.crew = crew, .number = w};
        for (unsigned eye = 0; eye < EYES; eye++) {
            crew->worker[w].looks[eye] = calloc(crew->sets * crew->ways, sizeof(struct open_look));
            ok &= crew->worker[w].looks[eye] != NULL;
        }
    }
    return ok;
}

/* What is mapped takes time to be given back: workers begin at either end, and meet. */
static void close_looks(struct worker *worker, void *ctx)
{
    const unsigned all = worker->crew->sets * worker->crew->ways;
    (void)ctx;
    for (unsigned eye = 0; eye < EYES; eye++)
        for (unsigned i = 0; i < all; i++) {
            struct open_look *open = &worker->looks[eye][worker->number % 2 ? all - 1 - i : i];
            if (open->look)
                ds_look_idle(open->look);
            ds_look_free(open->look);
            *open = (struct open_look){0};
        }
}

void crew_close_all(struct crew *crew)
{
    crew_run(crew, close_looks, NULL);
    for (unsigned w = 0; w < crew->workers; w++) /* one may not have got its thread */
        close_looks(&crew->worker[w], NULL);
}

void crew_fini(struct crew *crew)
{
    for (unsigned w = 0; crew->worker && w < crew->workers; w++)
        for (unsigned eye = 0; eye < EYES; eye++)
            free(crew->worker[w].looks[eye]);
    free(crew->worker);
    pthread_mutex_destroy(&crew->mutex);
    *crew = (struct crew){0};
}

struct run {
    struct crew *crew;
    void (*work)(struct worker *worker, void *ctx);
    void *ctx;
    atomic_uint next; /* worker without a thread */
};

static void *run_one(void *arg)
{
    struct run *run = arg;
    unsigned number = atomic_fetch_add(&run->next, 1);
    run->work(&run->crew->worker[number], run->ctx);
    guard_forget();
    return NULL;
}

void crew_run(struct crew *crew, void (*work)(struct worker *worker, void *ctx), void *ctx)
{
    struct run run = {crew, work, ctx, 1};
    struct helpers helpers;
    helpers_start(&helpers, crew->workers - 1, run_one, &run);
    work(&crew->worker[0], ctx);
    helpers_join(&helpers);
    guard_forget();
}

void crew_fail(struct crew *crew, const struct ds_error *error)
{
    pthread_mutex_lock(&crew->mutex);
    if (!atomic_load(&crew->failed))
        crew->error = *error;
    atomic_store(&crew->failed, true);
    pthread_mutex_unlock(&crew->mutex);
}

void crew_fail_with(struct crew *crew, const char *text)
{
    struct ds_error error;
    snprintf(error.text, sizeof error.text, "%s", text);
    crew_fail(crew, &error);
}

/* The source's look, or else the place that it gets. */
static struct open_look *place_of(struct worker *worker, enum eye eye, size_t source)
{
    const struct crew *crew = worker->crew;
    struct open_look *looks = worker->looks[eye] + source % crew->sets * crew->ways;
    struct open_look *oldest = looks;
    for (unsigned i = 0; i < crew->ways; i++) {
        if (looks[i].look && looks[i].source == source)
            return &looks[i];
        if (looks[i].used < oldest->used)
            oldest = &looks[i];
    }
    return oldest;
}

struct ds_look *crew_look(struct worker *worker, enum eye eye, size_t source)
{
    struct open_look *open = place_of(worker, eye, source);
    open->used = ++worker->now;
    if (open->look && open->source == source)
        return open->look;
    struct ds_error error;
    worker->closed += open->look != NULL;
    ds_look_free(open->look);
    open->source = source;
    open->look = ds_look_new(worker->crew->set->source[source].source, &error);
    if (!open->look)
        crew_fail(worker->crew, &error);
    return open->look;
}

bool crew_read(struct worker *worker, enum eye eye, size_t source, uint64_t index, size_t pages,
               struct ds_run *run)
{
    struct ds_error error;
    struct ds_look *look = crew_look(worker, eye, source);
    const struct ds_info *info = worker->crew->set->source[source].info;
    if (!look)
        return false;
    guard_open(info->spec);
    if (!ds_look_at(look, index, pages, run, &error)) {
        crew_fail(worker->crew, &error);
        return false;
    }
    guard_run(eye, info->spec, run->bytes, run->pages * DS_PAGE_SIZE);
    return true;
}

void crew_fail_gone(struct crew *crew, size_t source, uint64_t index)
{
    struct ds_error error;
    snprintf(error.text, sizeof error.text, "%.300s: changed while it was read: page %llu is gone",
             crew->set->source[source].info->spec, (unsigned long long)index);
    crew_fail(crew, &error);
}

const uint8_t *crew_page(struct worker *worker, enum eye eye, size_t source, uint64_t index)
{
    struct ds_run run;
    if (!crew_read(worker, eye, source, index, 1, &run))
        return NULL;
    if (run.pages)
        return run.bytes;
    crew_fail_gone(worker->crew, source, index);
    return NULL;
}

void crew_close(struct worker *worker, enum eye eye, size_t source)
{
    struct open_look *open = place_of(worker, eye, source);
    if (open->look && open->source == source) {
        ds_look_free(open->look);
        *open = (struct open_look){0};
    }
}

void crew_idle(struct worker *worker, enum eye eye)
{
    for (unsigned i = 0; i < worker->crew->sets * worker->crew->ways; i++)
        if (worker->looks[eye][i].look)
            ds_look_idle(worker->looks[eye][i].look);
}
