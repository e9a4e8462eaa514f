/* SPDX-License-Identifier: MIT */
/*
 * A text that is drawn over itself at the end of a terminal: the live table.
 *
 * Lines are cut to the terminal's width, and no more are drawn than it has; both may change between
 * two drawings.
 */
#ifndef HVRUN_SCREEN_H
#define HVRUN_SCREEN_H

#include <stdbool.h>
#include <stdio.h>

struct hvrun_screen {
    FILE *terminal;   /* borrowed */
    unsigned lines;   /* that are drawn now; 0: nothing is */
    unsigned *length; /* owned: of each of them */
    unsigned room;    /* for lengths */
};

void hvrun_screen_init(struct hvrun_screen *screen, FILE *terminal);
void hvrun_screen_fini(struct hvrun_screen *screen);
/* In place of what was drawn before. */
void hvrun_screen_draw(struct hvrun_screen *screen, const char *text);
/* What was drawn stays: other text follows it. */
void hvrun_screen_leave(struct hvrun_screen *screen);

#endif
