/* SPDX-License-Identifier: MIT */
/*
 * Random operations on an installed library: threads that do whatever share.h permits, and ops that
 * answer whatever it permits. Nothing here knows more of the engine than that header.
 *
 *     keepers   have guests: they write by mappings and as devices, map and unmap pages, and add,
 *               clone, regroup and remove VMs; they declare sharing
 *     scanners  scan in all orders
 *     callers   call for pages of whatever VM there is, going or not
 *     auditors  let the engine check itself
 *
 * What must hold, at any time: a page reads as its keeper wrote it; no page can be written that
 * another one maps; a page is only mapped elsewhere if the bytes are the same there; no machine
 * page is given back that is mapped or read, nor twice, nor one of a store as one of ours; no op
 * names a VM that has gone. In the end: share_check, references as they were told, no machine page
 * left, no metadata left.
 *
 * test_random [--seed N] [--seconds N]; `run` builds it.
 */
#include "chance.h"
#include "events.h"
#include "keeper.h"
#include "machine.h"
#include "must.h"
#include "ops.h"
#include "others.h"
#include <string.h>
#include <time.h>

#define KEEPERS 3u

_Thread_local uint64_t chance_state;
_Thread_local bool chance_honest;

static _Atomic bool stop;

struct worker {
    const char *name;
    void (*step)(void);   /* or NULL: */
    struct keeper keeper; /* its step */
    uint64_t random, steps;
    pthread_t thread;
};

static struct worker workers[] = {
    {.name = "keeper", .keeper = {&guests[0], 2}}, {.name = "keeper", .keeper = {&guests[2], 2}},
    {.name = "keeper", .keeper = {&guests[4], 2}}, {.name = "scanner", .step = others_scan},
    {.name = "scanner", .step = others_scan},      {.name = "caller", .step = others_call},
    {.name = "auditor", .step = others_audit},
};
enum { WORKERS = sizeof workers / sizeof *workers };

static void *work(void *arg)
{
    struct worker *worker = arg;
    chance_state = worker->random;
    for (; !atomic_load(&stop); worker->steps++)
        worker->step ? worker->step() : keeper_step(&worker->keeper);
    for (unsigned i = 0; i < worker->keeper.guests; i++)
        for (unsigned slot = 0; slot < GUEST_PAGES; slot++)
            if (worker->keeper.guest[i].page[slot].armed)
                guest_device_writes(&worker->keeper.guest[i], slot, 1);
    return NULL;
}

static void begin(uint64_t seed)
{
    const struct share_config config = {.struct_size = sizeof config,
                                        .ops = &guest_ops,
                                        .alloc = &guest_alloc,
                                        .observer = &events_observer,
                                        .salt = seed,
                                        .order_seed = seed,
                                        .flags = SHARE_SALT_GIVEN};
    chance_state = seed;
    chance_honest = true;
    guests_begin(chance_to(200), chance_one_in(2) ? 1 : 100000);
    MUST(share_new(&config, &guests_share) == SHARE_OK);
    MUST(share_group_add(guests_share, true, &keeper_groups[1]) == SHARE_OK);
    MUST(share_group_add(guests_share, false, &keeper_groups[2]) == SHARE_OK);
}

static void run_threads(uint64_t seed, double seconds)
{
    for (unsigned i = 0; i < WORKERS; i++) {
        workers[i].random = seed * 1000 + i;
        MUST(pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0);
    }
    nanosleep(
        &(struct timespec){(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)},
        NULL);
    atomic_store(&stop, true);
    for (unsigned i = 0; i < WORKERS; i++) {
        pthread_join(workers[i].thread, NULL);
        printf("%s: %llu steps\n", workers[i].name, (unsigned long long)workers[i].steps);
    }
}

/* All threads have ended, and all ops tell the truth. */
static void end_pages(void)
{
    struct share_check_report report;
    MUST(share_now(guests_share, 16, NULL) == SHARE_OK);
    MUST(share_check(guests_share, &report) == SHARE_OK);
    for (unsigned g = 0; g < GUESTS; g++)
        for (unsigned slot = 0; slot < GUEST_PAGES; slot++) {
            if (!atomic_load(&guests[g].live) || !guests[g].page[slot].present)
                continue;
            guest_must_read(&guests[g], slot);
            events_must_agree(guests[g].vm, guest_ppn(slot));
        }
    for (unsigned g = 0; g < GUESTS; g++)
        if (atomic_load(&guests[g].live))
            keeper_remove(&guests[g], true);
}

static void end(void)
{
    struct share_check_report report;
    struct share_stats stats;
    end_pages();
    machine_end_abandoned();
    MUST(machine_used() == 0 && "a machine page is lost");
    MUST(share_check(guests_share, &report) == SHARE_OK);
    share_stats(guests_share, &stats);
    MUST(stats.frames == 0 && stats.framed_pages == 0 && stats.hints == 0 && stats.vms == 0);
    MUST(stats.metadata_bytes == guest_alloc_nbytes());
    MUST(stats.op_errors == 0);
    share_free(guests_share);
    MUST(guest_alloc_nbytes() == 0);
}

/* A run in which something never happened has shown nothing of it. */
static void show(void)
{
    struct share_stats stats;
    share_stats(guests_share, &stats);
    const struct {
        const char *name;
        uint64_t count;
    } counts[] = {
        {"promoted", stats.outcomes[SHARE_PROMOTED]},
        {"joined", stats.outcomes[SHARE_JOINED]},
        {"zero", stats.outcomes[SHARE_ZERO]},
        {"busy", stats.outcomes[SHARE_BUSY]},
        {"error", stats.outcomes[SHARE_ERROR]},
        {"breaks with a copy", stats.breaks_copied},
        {"breaks of the last page", stats.breaks_last},
        {"breaks that won against a merge", stats.breaks_abandoned},
        {"forgets of shared pages", stats.forgets},
        {"pages adopted", events_count(SHARE_EVENT_ADOPT)},
        {"pairs declared", atomic_load(&declared_pairs)},
        {"joins declared", atomic_load(&declared_joins)},
        {"clones", atomic_load(&declared_clones)},
        {"memory unplugged", atomic_load(&keeper_unplugged)},
    };
    for (unsigned i = 0; i < sizeof counts / sizeof *counts; i++) {
        printf("%s: %llu\n", counts[i].name, (unsigned long long)counts[i].count);
        MUST(counts[i].count > 0);
    }
}

int main(int argc, char **argv)
{
    static char note[60];
    uint64_t seed = 1;
    double seconds = 4;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--seconds") == 0)
            seconds = strtod(argv[i + 1], NULL);
        if (strcmp(argv[i], "--seed") == 0)
            seed = strtoull(argv[i + 1], NULL, 0);
    }
    snprintf(note, sizeof note, "--seed %llu --seconds %g", (unsigned long long)seed, seconds);
    must_note = note;
    puts(note);
    fflush(stdout);
    begin(seed);
    run_threads(seed, seconds);
    show();
    end();
    return 0;
}
