/* SPDX-License-Identifier: MIT */
/*
 * The workloads of the guest's init. One round does its work and returns a checksum over every byte
 * it produced. The checksum depends on the seed and the round alone, never on time, so that a guest
 * whose pages are shared must print what a guest whose pages are not prints.
 */
#ifndef WORKLOADS_H
#define WORKLOADS_H

#include <stdint.h>

struct work {
    uint64_t seed;      /* of this VM: what differs between VMs comes from here */
    uint64_t round;     /* counted from 1 */
    uint64_t touch_kib; /* touch, sweep, reads: how much memory */
    const char *plan;   /* sweep, reads: how much when; "" if always touch_kib */
};

uint64_t work_idle(const struct work *work);
uint64_t work_files(const struct work *work);
uint64_t work_compute(const struct work *work);
uint64_t work_touch(const struct work *work);
uint64_t work_forks(const struct work *work);
/* Their checksums depend on when they ran, too. */
uint64_t work_sweep(const struct work *work);
uint64_t work_reads(const struct work *work);

#endif
