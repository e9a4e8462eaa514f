/* SPDX-License-Identifier: MIT */
/*
 * Whoever makes equal pages one: Linux KSM, and libshare over two kinds of memory. All are given
 * the same page set and asked the same questions.
 *
 *   ksm       private anonymous memory, MADV_MERGEABLE (rival_ksm.c)
 *   machine   the tiny VMM's machine memory behind a software page table (rival_machine.c)
 *   process   memory of this process: a memfd pool, userfaultfd, mmap (rival_process.c)
 */
#ifndef BENCH_RIVAL_H
#define BENCH_RIVAL_H

#include "pages.h"
#include "suite.h"

struct rival_kind {
    const char *name;
    /* Puts the set in place, nothing shared yet. NULL if that cannot be done. */
    void *(*open)(const struct pages *pages, const struct suite *suite);
    /* Scans until everything is shared that it can share. Wall-clock seconds until the last page
     * was, and the scanner's CPU seconds until then in *cpu_s; negative if that is less than it
     * should be. */
    double (*share)(void *rival, double *cpu_s);
    /* One more whole pass. Its CPU seconds; negative if it failed. */
    double (*pass)(void *rival);
    /* Physical pages that the set takes now. */
    uint64_t (*frames)(void *rival);
    /* All that it holds to know about pages. */
    uint64_t (*metadata_bytes)(void *rival);
    /* A write of one word (64 bits) of a page, by whatever stands for a guest. False: it failed. */
    bool (*write)(void *rival, uint64_t page, uint64_t word, uint64_t value);
    void (*close)(void *rival);
};

extern const struct rival_kind rival_ksm, rival_ksm_smart, rival_machine, rival_process;

/* Scans an engine until it has reclaimed so many pages. False if a whole pass finds nothing more
 * before that. */
bool rival_scan_until(struct share *share, uint64_t copies);

/* The same, as rival_kind.share. */
double rival_share(struct share *share, uint64_t copies, double *cpu_s);

/* One whole pass of an engine over so many pages. CPU seconds; negative if it failed. */
double rival_scan_pass(struct share *share, uint64_t pages);

/* CPU seconds that this process has used. */
double rival_own_cpu_s(void);

#endif
