/* SPDX-License-Identifier: MIT */
/* What the programs of our guest kernel share. */
#ifndef MINI_USER_H
#define MINI_USER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "calls.h"

#define PAGE_BYTES 4096
#define HEAP       ((uint64_t *)0x200000) /* pages of zeros when they are touched */
#define HEAP_KIB   ((0x4000000 - 0x200000) / 1024)

/* ---- lib.c */
uint64_t call(enum call number, uint64_t a0, uint64_t a1);
/* A child's pid, and what it exited with; -1: none. */
int64_t wait(uint64_t *code);
uint64_t param(enum param which);
uint64_t time_now(void);
void say(const char *text);
void say_number(uint64_t value);
void say_hex(uint64_t value);
uint64_t random_next(uint64_t *state); /* SplitMix64 */
uint64_t mix(uint64_t sum, uint64_t value);
void *memset(void *to, int byte, size_t nbytes);
void *memcpy(void *to, const void *from, size_t nbytes);

/* ---- programs: what they return is the exit code */
uint64_t init_main(uint64_t argument);
uint64_t touch_main(uint64_t seed);
uint64_t forks_main(uint64_t seed);
uint64_t compute_main(uint64_t seed);
uint64_t signal_main(uint64_t sender);
uint64_t sweep_main(uint64_t seed);

uint64_t user_main(uint64_t program, uint64_t argument);

#endif
