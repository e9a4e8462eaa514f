/* SPDX-License-Identifier: MIT */
/*
 * The questions of the suite; each file registers its benchmarks.
 */
#ifndef BENCH_SUITE_H
#define BENCH_SUITE_H

#include "share.h"
#include "shim/bench.h"

struct pages;

/* A set of real pages: --set NAME=SOURCE,SOURCE... */
struct suite_set {
    const char *name;
    const char *sources;
};
enum { SUITE_SETS_MAX = 8 };

/* --quick: a quarter of the memory, a third of the rounds. */
struct suite {
    bool quick;
    const struct share_alloc *alloc; /* for engines; NULL: the C library's */
    struct suite_set set[SUITE_SETS_MAX];
    unsigned sets;
};

void suite_cold_pass(const struct suite *suite);
void suite_hash(const struct suite *suite);
void suite_table(const struct suite *suite);
void suite_compare(const struct suite *suite);
void suite_steps(const struct suite *suite);
void suite_warm_pass(const struct suite *suite);
void suite_groups(const struct suite *suite);
void suite_check(const struct suite *suite);
void suite_vmm(const struct suite *suite);
void suite_pt_write(const struct suite *suite);
void suite_threads(const struct suite *suite);
void suite_metadata(const struct suite *suite);
void suite_learning(const struct suite *suite);
void suite_adopt(const struct suite *suite);
void suite_overcommit(const struct suite *suite);
void suite_measure(const struct suite *suite);
void suite_against_ksm(const struct suite *suite);
void suite_breaks(const struct suite *suite);
void suite_wait(const struct suite *suite);
void suite_neighbour(const struct suite *suite);

#endif
