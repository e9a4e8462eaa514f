/* SPDX-License-Identifier: MIT */
/*
 * Feeding a set through the engine.
 */
#ifndef MEASURE_MEASURE_H
#define MEASURE_MEASURE_H

#include "figures.h"
#include "progress.h"

struct measure_options {
    unsigned threads;          /* 1 or more */
    bool isolate;              /* also measure with each source in a group of its own */
    struct progress *progress; /* or NULL */
};

/* Measures a finished set. False: one line in `error`. */
bool measure_set(struct set *set, const struct measure_options *options, struct figures *figures,
                 struct ds_error *error);

#endif
