/* SPDX-License-Identifier: MIT */
/*
 * The smallest machine around a hart: flat memory, the Sv39 walker, a console, a timer.
 *
 * It runs the test guests. A privileged guest sees SBI (console putchar, timer, shutdown); a user
 * guest sees Linux's write and exit, served by an S-mode trampoline of two instructions.
 */
#ifndef TESTS_CPU_BOARD_H
#define TESTS_CPU_BOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cpu/hart.h"

struct board {
    struct hv_hart *hart; /* owned */
    uint8_t *ram;         /* owned, page-aligned */
    uint64_t ram_base;    /* guest-physical address of ram[0] */
    uint64_t ram_nbytes;
    char *output; /* owned: what the guest printed */
    size_t output_nbytes, output_room;
    uint64_t timer;      /* time at which STIP rises; UINT64_MAX: never */
    uint64_t skipped;    /* ticks of time that wfi jumped over */
    const char *failure; /* why the guest cannot go on; NULL: it may */
    bool user;           /* Linux user guest rather than SBI guest */
    bool ended;          /* the guest asked for its end */
    int exit_code;
};

/* False, with a message on stderr, if out of memory. */
bool board_init(struct board *board, uint64_t ram_base, uint64_t ram_nbytes);
void board_fini(struct board *board);

/* Loads an ELF file's segments at their physical (user guests: virtual) addresses and points the
 * hart at its entry. False, with a message on stderr, if that cannot be. */
bool board_load(struct board *board, const char *path, bool user);

/* Runs until the guest ends, fails, or has used ticks_max. Whether it ended. */
bool board_run(struct board *board, uint64_t ticks_max);

#endif
