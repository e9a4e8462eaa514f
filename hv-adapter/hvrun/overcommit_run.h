/* SPDX-License-Identifier: MIT */
/* A run of a scenario: what was seen of it over time, and how that is shown. */
#ifndef HVRUN_OVERCOMMIT_RUN_H
#define HVRUN_OVERCOMMIT_RUN_H

#include <stdio.h>

#include "hv.h"
#include "overcommit/overcommit.h"
#include "scenario.h"

/* A VM at the end of a period, before it changes anything. */
struct sight_vm {
    struct hv_overcommit_vm found;
    struct hv_figures figures;
    uint64_t rounds;         /* of its workload, since it booted */
    uint64_t sampling_ticks; /* charged to it for sampling, since it booted */
    enum hv_state state;
};

struct sight {
    double seconds;
    double tax;
    enum hv_memory_state memory;
    uint64_t free_pages;
    struct sight_vm *vms; /* owned: one for each VM */
};

struct overcommit_run {
    struct scenario scenario;
    uint64_t machine_pages;
    struct sight *sights; /* owned */
    size_t count, room;
    bool live; /* the table is drawn over the one before */
};

/* overcommit_report.c */
void overcommit_live(FILE *stream, const struct overcommit_run *run);
void overcommit_csv(FILE *stream, const struct overcommit_run *run);
void overcommit_json(FILE *stream, const struct overcommit_run *run);
/* Four panes over time: allocated, ballooned, shared, active estimate. A file ending in .png or
 * .svg. False after a message on stderr. */
bool overcommit_plot(const char *path, const struct overcommit_run *run);

#endif
