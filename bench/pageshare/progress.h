/* SPDX-License-Identifier: MIT */
/*
 * A progress bar with rate and time left, on stderr if that is a terminal.
 */
#ifndef MEASURE_PROGRESS_H
#define MEASURE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    bool shown; /* stderr is a terminal */
    const char *what;
    uint64_t total_nbytes; /* 0: unknown */
    double started_s, drawn_s;
};

/* A new bar, at zero. */
void progress_start(struct progress *progress, const char *what, uint64_t total_nbytes);

/* So much is done in all. Draws a few times a second. One thread at a time. */
void progress_at(struct progress *progress, uint64_t done_nbytes);

/* Wipes the bar. */
void progress_end(struct progress *progress);

#endif
