/* SPDX-License-Identifier: MIT */
#include "must.h"

const char *must_note;

_Noreturn void must_fail(const char *condition, const char *file, int line)
{
    fflush(stdout);
    fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, condition);
    if (must_note)
        fprintf(stderr, "%s\n", must_note);
    abort();
}
