/* SPDX-License-Identifier: MIT */
/*
 * Kernel settings that are put back whatever happens.
 *
 * A guard, a process of its own, is told what is there before anything changes. It waits for the
 * end of a socket, which comes when this program ends, in whatever way (SIGKILL, too), and then
 * puts everything back. A program that goes on lets the guard do the same: there is one way back.
 */
#ifndef BENCH_RESTORE_H
#define BENCH_RESTORE_H

#include <stdbool.h>

enum { RESTORE_SETTINGS_MAX = 12 };

/* Settings that change together are kept together. */
enum restore_topic { RESTORE_KSM, RESTORE_MAP_COUNT, RESTORE_TOPICS };

struct restore_setting {
    const char *name;  /* for the reader; "": the title says it; NULL: not shown */
    const char *path;  /* of its file; NULL: how nice a process is */
    long pid;          /* that process */
    char used[24];     /* what it is set to; "": it stays as it is */
    const char *value; /* what is written when it is put back; NULL: what was there */
    char old[24];      /* what was there */
};

/* They are changed in order, and put back in the opposite one. */
struct restore {
    enum restore_topic topic;
    const char *title; /* begins the line that shows them */
    struct restore_setting *settings;
    unsigned count; /* at most RESTORE_SETTINGS_MAX */
};

/* Starts the guard: early in main, so that it holds neither memory nor descriptors of ours. Without
 * it nothing can be changed. */
bool restore_start(void);

/* Reads all, tells the guard, then changes them. False if one cannot be changed: all is as it was.
 * A topic has to be put back before it is changed again. Waits while another program that uses this
 * file has changed the topic. */
bool restore_change(struct restore *restore);

/* One line on stderr: "TITLE: NAME OLD -> USED, ...", USED as the kernel shows it now. */
void restore_show(const struct restore *restore);

/* Returns when all is as it was. */
void restore_put_back(const struct restore *restore);

#endif
