/* SPDX-License-Identifier: MIT */
/*
 * Sources that a test makes up, in place of the readers: a program that links this file does not
 * get those. A page is a letter; the spec "N" is fakes[N].
 *
 * Looks hold callers to their word: one at a time of a sequential source, indexes ascending, and
 * bytes that are gone with the next call, or with the look.
 */
#ifndef TEST_TOOL_FAKE_SOURCE_H
#define TEST_TOOL_FAKE_SOURCE_H

#include "source.h"

enum { FAKES = 200 };

struct fake {
    const char *pages; /* a letter each: '0' zero, with bytes; 'z' known to be zero; '.' absent */
    bool sequential;
    bool stays; /* what a look gave stays */
    /* From the second time on that index `changes` is asked for, it is this letter (0: never). */
    uint64_t changes;
    char into;
    bool replaced;  /* ds_source_check says so */
    bool shrinks;   /* the second look at it fails */
    unsigned looks; /* that were begun */
    unsigned asked; /* how often index `changes` was */
};

extern struct fake fakes[FAKES];

/* Forgets all. */
void fakes_reset(void);

#endif
