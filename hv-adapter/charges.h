/* SPDX-License-Identifier: MIT */
/*
 * What things cost in virtual time, in ticks. A tick is one instruction.
 *
 * The orders of magnitude are those of a hardware guest on a shadow-paging hypervisor, where an
 * exit takes about a microsecond; they are a model and are printed with results. What is not here
 * is free.
 */
#ifndef HV_CHARGES_H
#define HV_CHARGES_H

#include <stdint.h>

#define HV_TICKS_PER_SECOND UINT64_C(100000000) /* 100 million instructions a virtual second */
#define HV_TIME_HZ          UINT64_C(10000000)  /* the time CSR counts these */

enum hv_charge {
    HV_CHARGE_TLB_FILL = 30,     /* a TLB miss that the S-PT answers: a three-step walk */
    HV_CHARGE_SHADOW_FILL = 400, /* guest walk, physmap, new S-PT entry */
    HV_CHARGE_PT_WRITE = 600,    /* a trapped write to a guest page table */
    HV_CHARGE_FIRST_TOUCH = 500, /* a machine page is found and cleared */
    HV_CHARGE_COW_BREAK = 1500,  /* copy of a page, remap */
    HV_CHARGE_SATP_WRITE = 200,  /* address-space switch */
    HV_CHARGE_SFENCE = 100,
    HV_CHARGE_ECALL = 200,    /* an SBI call or a hypercall */
    HV_CHARGE_PT_UPDATE = 30, /* an entry that a hypercall checks and writes */
    HV_CHARGE_MMIO = 500,
    HV_CHARGE_SAMPLE_PAGE = 300,  /* its S-PT entries and its TLB entry go */
    HV_CHARGE_BALLOON_PAGE = 400, /* S-PT entries, physmap and machine page of one PPN go */
};

/* Not charged: the guest may do something else meanwhile, and waits for it if it has nothing. */
enum hv_latency {
    HV_LATENCY_DISK = 10000,    /* a request: 100 microseconds, a flash disk's */
    HV_LATENCY_DISK_PAGE = 400, /* and each 4 KiB of it: 1 GB/s */
};

#endif
