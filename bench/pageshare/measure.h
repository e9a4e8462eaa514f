/* SPDX-License-Identifier: MIT */
/*
 * Hash, then look again: how a set is measured.
 *
 *   first look    every page is hashed as it is read; zero pages are only counted    first_look.h
 *   sort          by hash, where the records lie                                     sort.h
 *   groups        pages of equal hash; those that are alone are dropped              groups.h
 *   count         all figures, from the groups                                       figures.h
 *   second look   the pages of groups are read again, and every byte is compared     second_look.h
 *
 * Where bytes differ in spite of equal hashes, it is counted once more. With hashes alone, 128 bits
 * under a key that nobody knows, there is no second look, and the figures are an estimate.
 *
 * Memory: 16 bytes for each page that is not zero (24 with hashes alone), 0.1 KiB a source beside
 * what the source itself needs, 64 MiB at most for the rest.
 */
#ifndef MEASURE_MEASURE_H
#define MEASURE_MEASURE_H

#include "figures.h"
#include "page_hash.h"
#include "progress.h"

struct measure_options {
    unsigned threads;          /* 1 or more */
    bool isolate;              /* also say what is reclaimed if no source shares with another */
    bool hash_only;            /* no second look */
    struct progress *progress; /* or NULL */
    const char *root;          /* see memory.h */
    uint64_t hash_ignores;     /* bits of hashes, so that they meet: 0 outside of tests */
};

/* Measures a finished set. False: one line in `error`. */
bool measure_set(struct set *set, const struct measure_options *options, struct figures *figures,
                 struct ds_error *error);

#endif
