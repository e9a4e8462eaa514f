/* SPDX-License-Identifier: MIT */
/* Runs pageshare and the exact counter as their users do, and looks at what they print. */
#ifndef TEST_TOOL_RUN_H
#define TEST_TOOL_RUN_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a program did. Owned by the test: run_free. */
struct run {
    int exit_code;   /* 128 + signal if one ended it */
    char *out, *err; /* what it printed, a NUL behind it */
    size_t out_nbytes, err_nbytes;
    uint64_t disk_nbytes; /* that it had read from disk */
    uint64_t rss_nbytes;  /* resident at most */
};

struct run_how {
    const char *stdin_path; /* NULL: /dev/null */
    const char *preload;    /* a library for LD_PRELOAD, or NULL */
    unsigned uid;           /* run as this user, if not 0 */
    const char *cgroup;     /* the folder of a control group to run in, or NULL */
};

/* argv[0] is the program's path; NULL ends it. `how` may be NULL. */
struct run run_program(const char *const *argv, const struct run_how *how);
void run_free(struct run *run);

/* `program` (PAGESHARE or EXACT) with options, then sources, NULL after each list; what it printed,
 * parsed. Fails the test unless it succeeds with nothing on stderr. */
json_t *run_json(const char *program, const char *const *options, const char *const *sources);

/* Fails the test unless `actual` has every key and array item of `expected`, with equal values.
 * Key paths like "sources[].name" that are in `except` (NULL-terminated, or NULL) do not matter. */
void check_same(const json_t *expected, const json_t *actual, const char *const *except);

/* Fails the test unless all keys of a measurement are there, and its figures add up. */
void check_measured(const json_t *measured);

/* A number: root[group][key]. */
json_int_t number(const json_t *root, const char *group, const char *key);

/* Measures the sources with 1 and 2 threads, alone and isolated, and fails the test unless every
 * figure is what the exact counter says. Returns the exact figures, owned by the caller. */
json_t *check_exact(const char *const *options, const char *const *sources);

#endif
