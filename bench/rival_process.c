/* SPDX-License-Identifier: MIT */
/* libshare over memory of this process. */
#include "process.h"
#include "rival.h"

static void *process_open(const struct pages *pages, const struct suite *suite)
{
    return process_new(pages, suite->alloc);
}

static double process_share(void *rival, double *cpu_s)
{
    struct process *process = rival;
    return rival_share(process->share, process->pages->copies, cpu_s);
}

static double process_pass(void *rival)
{
    struct process *process = rival;
    return rival_scan_pass(process->share, process->pages->count);
}

static uint64_t frames(void *rival)
{
    return process_frames(rival);
}

static uint64_t process_metadata(void *rival)
{
    struct share_stats stats;
    share_stats(((struct process *)rival)->share, &stats);
    return stats.metadata_peak_bytes;
}

static bool process_write(void *rival, uint64_t page, uint64_t word, uint64_t value)
{
    volatile uint64_t *guest = (uint64_t *)(void *)((struct process *)rival)->guest;
    guest[page * (SHARE_PAGE_SIZE / sizeof *guest) + word] = value;
    return true;
}

static void process_close(void *rival)
{
    process_free(rival);
}

const struct rival_kind rival_process = {.name = "process",
                                         .open = process_open,
                                         .share = process_share,
                                         .pass = process_pass,
                                         .frames = frames,
                                         .metadata_bytes = process_metadata,
                                         .write = process_write,
                                         .close = process_close};
