/* SPDX-License-Identifier: MIT */
/*
 * A progress bar with rate and time left, or a count, on stderr if that is a terminal.
 */
#ifndef MEASURE_PROGRESS_H
#define MEASURE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    bool shown; /* stderr is a terminal */
    const char *what;
    uint64_t total_nbytes; /* 0: unknown */
    double started_s, drawn_s, counted_s;
    bool drawn; /* something stands in the line */
};

/* A new bar, at zero. */
void progress_start(struct progress *progress, const char *what, uint64_t total_nbytes);

/* So much is done in all. Draws a few times a second. One thread at a time. */
void progress_at(struct progress *progress, uint64_t done_nbytes);

/* So many things are done, of which nobody knows how many there are. */
void progress_count(struct progress *progress, const char *what, uint64_t count);

/* Wipes the line. */
void progress_end(struct progress *progress);

#endif
