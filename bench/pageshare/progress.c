/* SPDX-License-Identifier: MIT */
/* The progress bar. */
#include "progress.h"
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define BAR_COLUMNS 30
#define REDRAW_S    0.1

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void progress_start(struct progress *progress, const char *what, uint64_t total_nbytes)
{
    progress->shown = isatty(STDERR_FILENO);
    progress->what = what;
    progress->total_nbytes = total_nbytes;
    progress->started_s = progress->drawn_s = now_s();
}

static void draw(struct progress *progress, uint64_t done_nbytes, double elapsed_s)
{
    char bar[BAR_COLUMNS + 1];
    double part = progress->total_nbytes ? (double)done_nbytes / (double)progress->total_nbytes : 0;
    double rate = elapsed_s > 0 ? (double)done_nbytes / elapsed_s : 0;
    for (int i = 0; i < BAR_COLUMNS; i++)
        bar[i] = i < part * BAR_COLUMNS ? '#' : '.';
    bar[BAR_COLUMNS] = 0;
    fprintf(stderr, "\r%s [%s] %3.0f %%  %.2f GB/s", progress->what, bar, part * 100, rate / 1e9);
    if (part > 0)
        fprintf(stderr, "  %.0f s left ", elapsed_s / part - elapsed_s);
    fprintf(stderr, "\033[K");
    fflush(stderr);
    progress->drawn = true;
}

void progress_at(struct progress *progress, uint64_t done_nbytes)
{
    if (!progress->shown)
        return;
    double now = now_s();
    if (now - progress->drawn_s < REDRAW_S)
        return;
    progress->drawn_s = now;
    draw(progress, done_nbytes, now - progress->started_s);
}

void progress_count(struct progress *progress, const char *what, uint64_t count)
{
    double now = now_s();
    bool first = progress->counted_s == 0;
    if (!first && now - progress->counted_s < REDRAW_S)
        return;
    progress->counted_s = now;
    if (first || !isatty(STDERR_FILENO))
        return;
    fprintf(stderr, "\r%s %llu\033[K", what, (unsigned long long)count);
    fflush(stderr);
    progress->drawn = true;
}

void progress_end(struct progress *progress)
{
    if (progress->drawn)
        fprintf(stderr, "\r\033[K");
    progress->drawn = false;
}
