/* SPDX-License-Identifier: MIT */
/* Real Linux guests for tests: 64 MiB each, the built kernel and userland, a workload by name. */
#ifndef TESTS_HV_LINUX_H
#define TESTS_HV_LINUX_H

#include "rig.h"

enum { LINUX_VMS_MAX = 10, LINUX_SKIP = 77 };

/* What a VM printed. */
struct linux_log {
    char text[1 << 16];
    size_t nbytes;
};

struct linux_setup {
    unsigned vms; /* at most LINUX_VMS_MAX */
    const char *workload;
    bool sharing, same_seed, scattered;
    uint64_t scan_rate;
    unsigned rounds;
    uint32_t shadow_nodes;
    unsigned threads;
};

/* Whether the guest is built; if not, a line says why the test is skipped. */
bool linux_is_built(void);
/* logs: one a VM, borrowed while the world lives. */
struct hv_world *linux_boot(const struct linux_setup *setup, struct linux_log *logs);
/* Runs until every VM says that its workload is done. */
void linux_run(struct hv_world *world, struct linux_log *logs, unsigned vms);

#endif
