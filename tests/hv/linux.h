/* SPDX-License-Identifier: MIT */
/* Real Linux guests for tests, of the built kernel and userland: several of 64 MiB with a workload
 * by name, or one at a time as it is wanted. */
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
    unsigned panicking; /* the last so many find no init */
};

/* Whether the guest is built; if not, a line says why the test is skipped. */
bool linux_is_built(void);
/* logs: one a VM, borrowed while the world lives. */
struct hv_world *linux_boot(const struct linux_setup *setup, struct linux_log *logs);
/* Runs until every VM says that its workload is done. */
void linux_run(struct hv_world *world, struct linux_log *logs, unsigned vms);

/* One guest, alone in a world of the caller's. */
struct linux_guest {
    struct hv_vm *vm;
    struct linux_log log;
};
/* disk_mib 0: no disk. `words` are added to the kernel's command line: HV_WORKLOAD=... and so on.
 */
void linux_add(struct hv_world *world, struct linux_guest *guest, unsigned mib, unsigned disk_mib,
               const char *words);
/* Runs the world until the guest has printed this, at most so many virtual seconds. */
void linux_until(struct hv_world *world, struct linux_guest *guest, const char *text,
                 unsigned seconds);
void linux_run_ms(struct hv_world *world, unsigned ms);

#endif
