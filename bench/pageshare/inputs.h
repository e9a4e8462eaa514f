/* SPDX-License-Identifier: MIT */
/*
 * The sources that the command line names, opened before anything is measured, so that a bad one is
 * known early: those of the arguments, then those of --files-from.
 */
#ifndef MEASURE_INPUTS_H
#define MEASURE_INPUTS_H

#include "options.h"
#include "progress.h"
#include "set.h"

/* Opens all sources into `set`, which is zeroed. False: the run must end, and stderr says why. With
 * keep_going a source that fails is noted in the set, and the others are opened. Call inputs_close
 * in any case. */
bool inputs_open(struct set *set, struct options *options, struct progress *progress);

/* Frees the set; false if a source had failed. */
bool inputs_close(struct set *set);

#endif
