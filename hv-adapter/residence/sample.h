/* SPDX-License-Identifier: MIT */
/*
 * Statistical sampling of a VM's working set.
 *
 * At the start of each period of the VM's time HV_SAMPLE_PAGES random pages that are not in its
 * balloon lose every S-PT and TLB entry (HV_REASON_SAMPLING); the first access to one faults,
 * counts and gets its entry back. Time in which a VM stands still is not its time; time in which
 * it waits for an interrupt is: else an idle VM would not look idle.
 *
 * A census does the same with all pages, without a charge: the truth, for experiments that judge
 * the estimate. Only what the guest's own instructions touch counts: neither devices nor walks.
 *
 * Cost of a period, in the VM's time: for each page of the sample that was mapped
 * HV_CHARGE_SAMPLE_PAGE, and an S-PT fill if it is touched: at most 70,000 ticks, 0.07 % of a busy
 * second.
 * Threads: the VM's lock owns it.
 * Source: Waldspurger 2002, 5.3.
 */
#ifndef HV_SAMPLE_H
#define HV_SAMPLE_H

#include <stdbool.h>
#include <stdint.h>

#include "memory/physmap.h"
#include "residence/estimate.h"

struct hv_vm;

enum { HV_SAMPLE_PAGES = 100 };

struct hv_sample {
    uint64_t period_ticks;  /* 0: not sampled */
    uint64_t elapsed_ticks; /* of this period */
    bool census;
    uint64_t random;
    uint32_t ppn[HV_SAMPLE_PAGES];           /* the sample: offsets into the VM's memory */
    unsigned drawn, touched;                 /* of this period */
    uint64_t population, population_touched; /* of this period: pages not in the balloon */
    struct hv_estimate estimate;
    uint64_t periods;    /* that ended */
    double last;         /* touched / drawn of the last period */
    double truth;        /* of the last period by census; negative: none */
    uint64_t cost_ticks; /* charged for sampling, ever */
};

/* The VM gets its sample, which is off. False: out of host memory. */
bool hv_sample_init(struct hv_vm *vm);
void hv_sample_fini(struct hv_vm *vm);

/* Between turns: the VM ran so many ticks of its time. */
void hv_sample_turn(struct hv_vm *vm, uint64_t ticks);
/* With the VM's lock: the guest accesses a page that has HV_REASON_SAMPLING. */
void hv_sample_touched(struct hv_vm *vm, struct hv_physmap_entry *page);

#endif
