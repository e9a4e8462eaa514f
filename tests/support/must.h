/* SPDX-License-Identifier: MIT */
/*
 * MUST(condition): ends the program with file, line and note if it does not hold. For programs that
 * are no cmocka tests, for code that runs inside ops, and for fuzz targets (a crash is a finding).
 */
#ifndef MUST_H
#define MUST_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define MUST(condition)                                \
    do {                                               \
        if (!(condition))                              \
            must_fail(#condition, __FILE__, __LINE__); \
    } while (0)

/* Printed with a failure: how to have it again. Set by the program; may be NULL. */
extern const char *must_note;

_Noreturn void must_fail(const char *condition, const char *file, int line);

#endif
