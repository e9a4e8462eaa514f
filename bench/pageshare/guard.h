/* SPDX-License-Identifier: MIT */
/*
 * A dump that somebody truncates while it is read through a mapping ends the program with exit code
 * 1 and a line that names it: SIGBUS says so, and each thread knows what it reads. Nothing was
 * printed by then.
 */
#ifndef MEASURE_GUARD_H
#define MEASURE_GUARD_H

#include <stddef.h>
#include <stdint.h>

enum { GUARD_EYES = 2, GUARD_RUNS = 8 }; /* a thread reads so many runs of each at a time */

/* From now on, in every thread. */
void guard_start(void);

/* This thread opens, or looks for pages of, a source; the string stays. */
void guard_open(const char *spec);

/* It reads these bytes of a source, and those of the last GUARD_RUNS calls with this `eye`. */
void guard_run(unsigned eye, const char *spec, const uint8_t *bytes, size_t nbytes);

/* It reads nothing any more. */
void guard_forget(void);

#endif
