/* SPDX-License-Identifier: MIT */
/* What the kernel and its programs agree on: system calls (a7 the number, a0 the result), and how
 * the programs' image begins. */
#ifndef MINI_USER_CALLS_H
#define MINI_USER_CALLS_H

#include <stdint.h>

enum call {
    CALL_EXIT,  /* code */
    CALL_FORK,  /* 0 in the child, the child's pid in the parent; -1: no room */
    CALL_SPAWN, /* program, argument: pid; -1: no room */
    CALL_WAIT,  /* a1 becomes the code; a child's pid; -1: no children */
    CALL_WRITE, /* bytes, count */
    CALL_SLEEP, /* until this time */
    CALL_PARAM, /* enum param: its value */
    CALL_OFF,
    CALL_PLAN, /* milliseconds since the boot: KiB that HV_PLAN wants in use then */
};

enum param {
    PARAM_WORKLOAD, /* enum workload */
    PARAM_SEED,
    PARAM_ROUNDS,
    PARAM_TOUCH_KIB,
    PARAM_POWER_OFF, /* at the end */
    PARAM_SENDER,    /* workload signal: this VM sends */
    PARAM_PERIOD_MS, /* workload signal: of a round */
    PARAM_UPDATES,   /* entries of page tables set so far */
    PARAM_FORKS,
    PARAM_SWITCHES,
};

enum workload {
    WORK_IDLE,
    WORK_TOUCH,
    WORK_FORKS,
    WORK_COMPUTE,
    WORK_MIX,
    WORK_SIGNAL,
    WORK_SWEEP
};

enum program {
    PROGRAM_INIT,
    PROGRAM_TOUCH,
    PROGRAM_FORKS,
    PROGRAM_COMPUTE,
    PROGRAM_SIGNAL,
    PROGRAM_SWEEP
};

/* Pages of code and constants, then pages of data; bss is not in the image. */
struct image_header {
    uint64_t text_pages;
    uint64_t data_pages;
    uint64_t entry;
};

#endif
