/* SPDX-License-Identifier: MIT */
/*
 * A run of a scenario: its VMs, what was seen of them over time, and how that is shown.
 *
 * overcommit_run.c goes through time, overcommit_vms.c has VMs come and go, overcommit_report.c and
 * overcommit_plot.c show.
 */
#ifndef HVRUN_OVERCOMMIT_RUN_H
#define HVRUN_OVERCOMMIT_RUN_H

#include <stdio.h>

#include "hv.h"
#include "hvrun.h"
#include "overcommit/overcommit.h"
#include "scenario.h"
#include "screen.h"

enum run_state {
    RUN_ABSENT,  /* it has not come yet */
    RUN_REFUSED, /* and never will */
    RUN_PRESENT,
    RUN_ENDED, /* its memory is given back, as of the next one */
    RUN_FAILED,
};

/* A VM of the scenario. */
struct run_vm {
    enum run_state state;
    struct hv_vm *vm;            /* borrowed: the world's; NULL before it came */
    char why[256];               /* refused, ended, failed: the reason */
    uint64_t rounds;             /* of its workload, since it booted */
    uint64_t longest_wait_ticks; /* for memory, more than a second; 0: none was */
    char waited_for[256];        /* why, the last time that it was found so */
    char line[32];               /* what it prints: the beginning of the line of now */
    unsigned line_length;
    FILE *log; /* what it prints; NULL: not kept */
};

/* A VM at the end of a period, before it changes anything. */
struct sight_vm {
    enum run_state state;
    bool stopped; /* and not for want of memory */
    struct hv_overcommit_vm found;
    struct hv_figures figures;
    uint64_t rounds;
    uint64_t sampling_ticks; /* charged to it for sampling, since it booted */
};

struct sight {
    double seconds;
    double tax;
    enum hv_memory_state memory;
    uint64_t free_pages;
    struct sight_vm *vms; /* owned: one for each VM of the scenario */
};

struct overcommit_run {
    struct scenario scenario;
    uint64_t machine_pages;
    struct run_vm *vms;   /* owned: as many as the scenario has */
    struct sight *sights; /* owned */
    size_t count, room;
};

/* Who waits for memory so long says so. */
#define OVERCOMMIT_WAITS_TICKS HV_TICKS_PER_SECOND

struct runner {
    struct overcommit_run run;
    struct hvrun_options options;
    struct hvrun_screen screen;
    bool live; /* the table is drawn over the one before */
    struct hv_world *world;
    struct hv_overcommit *overcommit;
    struct hvrun_control *control; /* NULL without --control */
    double started;                /* wall */
    double tax;                    /* of now */
    unsigned happened;             /* events */
};

static inline double overcommit_seconds(const struct runner *runner)
{
    return (double)hv_world_ticks(runner->world) / (double)HV_TICKS_PER_SECOND;
}

/* overcommit_vms.c */
/* Has a VM of the scenario come. False, after a message: it is refused, or cannot be made. */
bool overcommit_arrive(struct runner *runner, unsigned vm);
/* Ends it, if it is there. */
void overcommit_leave(struct runner *runner, unsigned vm);
/* VMs that have ended or failed give everything back, and are told of; the others go on. Whether
 * any is left. */
bool overcommit_collect(struct runner *runner);
/* Notes who waits for memory, and why. */
void overcommit_note_waits(struct runner *runner);
/* What is worth an exit code: 0, 1 a VM failed or was refused, 3 one waited long for memory. Tells
 * of the latter. */
int overcommit_verdict(const struct runner *runner);

/* overcommit_report.c */
/* What was seen last; drawn over what was drawn before. */
void overcommit_table(FILE *stream, const struct overcommit_run *run);
void overcommit_draw(struct hvrun_screen *screen, const struct overcommit_run *run);
void overcommit_csv(FILE *stream, const struct overcommit_run *run);
void overcommit_json(FILE *stream, const struct overcommit_run *run);
/* Four panes over time: allocated, ballooned, shared, active estimate. A file ending in .png or
 * .svg. False after a message on stderr. */
bool overcommit_plot(const char *path, const struct overcommit_run *run);

#endif
