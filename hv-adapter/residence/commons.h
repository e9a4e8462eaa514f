/* SPDX-License-Identifier: MIT */
/*
 * What the VMs of one world have in common: machine memory, the paging file, the sharing engine.
 *
 * Threads: `share`, `machine` and `swap` have their own rules; the rest changes between turns.
 */
#ifndef HV_COMMONS_H
#define HV_COMMONS_H

#include <share.h>

#include "hv.h"
#include "memory/machine.h"
#include "memory/swap.h"

struct hv_commons {
    struct hv_machine machine;
    struct hv_swap swap;
    struct hv_code_pool *code;         /* owned: decoded code of all harts */
    struct share *share;               /* owned; NULL without sharing */
    uint64_t reserve_pages;            /* that guests leave to the VMM; 0: nobody reclaims, and a VM
                                          that finds no machine memory fails */
    share_group groups[HV_GROUPS_MAX]; /* [i]: the engine's number of group i, if i < count */
    unsigned groups_count;
    struct hv_vm *by_share[SHARE_VMS_MAX + 1];           /* NULL: not (any more) in the engine */
    void (*saw)(void *ctx, const struct hv_page_op *op); /* NULL: nobody watches */
    void *saw_ctx;
};

#endif
