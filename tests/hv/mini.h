/* SPDX-License-Identifier: MIT */
/* Our own guest kernel for tests, in either mode: built with the cross compiler, where it is. */
#ifndef TESTS_HV_MINI_H
#define TESTS_HV_MINI_H

#include "rig.h"

enum { MINI_VMS_MAX = 10, MINI_SKIP = 77 };

/* What a VM printed. */
struct mini_log {
    char text[4096];
    size_t nbytes;
};
extern struct mini_log mini_logs[MINI_VMS_MAX];

struct mini_setup {
    unsigned vms;
    const char *workload;
    bool para, sharing;
    unsigned rounds;
    uint64_t scan_rate;
    uint64_t memory_bytes;
    const char *append;
    unsigned threads; /* of the world; 0: one for everything */
    unsigned groups;  /* VM i is of group i % groups; 0: one */
};

/* Whether the kernels are there; if not, a line says why the test is skipped. */
bool mini_is_built(void);
struct hv_world *mini_boot(const struct mini_setup *setup);
/* Runs until every VM says that its workload is done. */
void mini_run(struct hv_world *world);
/* What the guests computed: from the workload's name to the last checksum. */
void mini_results(struct hv_world *world, char *text, size_t room);

#endif
