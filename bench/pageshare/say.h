/* SPDX-License-Identifier: MIT */
/*
 * What pageshare says of itself: errors on stderr, and whether all output arrived.
 */
#ifndef MEASURE_SAY_H
#define MEASURE_SAY_H

#include <stdbool.h>

/* Exit codes beside 0. */
enum { EXIT_SOURCE = 1 /* a source, the picture or the output failed */, EXIT_USAGE = 2 };

/* One line on stderr. */
void say(const char *text);

/* Wrong usage: one line that names what was wrong, and `value` unless it is NULL. EXIT_USAGE. */
int say_usage(const char *what, const char *value);

/* Call it when all was printed, errno being 0 before the first byte. False, and one line on stderr:
 * not `ok`, or what was printed did not arrive. */
bool say_end(bool ok);

#endif
