/* SPDX-License-Identifier: MIT */
/*
 * A TLB miss, from the hart's question to its answer: what full virtualization (fault_full.c) and
 * paravirtualization (fault_para.c) have in common. Each brings a `look`: one look at its tables
 * with the VM's lock held.
 *
 * Threads: the one that runs the VM's hart.
 */
#ifndef HV_FAULT_H
#define HV_FAULT_H

#include <stdbool.h>
#include <stdint.h>

#include "cpu/hart.h"
#include "cpu/sv39.h"
#include "memory/pages.h"

struct hv_vm;

enum hv_step {
    HV_STEP_PAGE,    /* *out is the answer */
    HV_STEP_WATCHED, /* the same, and the store is to be told by `wrote` */
    HV_STEP_MMIO,
    HV_STEP_FAULT, /* the guest's own, with out->cause */
    HV_STEP_AGAIN, /* something has changed: look again */
    HV_STEP_BREAK, /* miss->ppn is shared: break it, then run the instruction again */
    HV_STEP_STOP,  /* the VM waits or has failed */
};

struct hv_miss {
    struct hv_vm *vm;
    struct hv_mmu mmu;
    uint64_t va;
    enum hv_access access;
    bool store;
    hv_ppn ppn; /* HV_STEP_BREAK: whose */
};

typedef enum hv_step hv_look(struct hv_miss *miss, struct hv_tlb_fill *out);

/* Looks until there is an answer. */
enum hv_fill hv_miss_fill(struct hv_vm *vm, uint64_t va, enum hv_access access, hv_look *look,
                          struct hv_tlb_fill *out);
/* For looks. Nothing is there, whatever the guest's tables say. */
enum hv_step hv_miss_nothing(const struct hv_miss *miss, struct hv_tlb_fill *out);
/* No memory of the VM: a device, or nothing. */
enum hv_step hv_miss_no_memory(const struct hv_miss *miss, uint64_t gpa, struct hv_tlb_fill *out);

/* The ops of a hart under full virtualization, and of a paravirtualized one. */
enum hv_fill hv_full_fill(void *ctx, uint64_t va, enum hv_access access, struct hv_tlb_fill *out);
void hv_full_wrote(void *ctx, uint64_t gpa, unsigned nbytes);
bool hv_full_satp(void *ctx, uint64_t satp);
enum hv_fill hv_para_fill(void *ctx, uint64_t va, enum hv_access access, struct hv_tlb_fill *out);
bool hv_para_satp(void *ctx, uint64_t satp);
/* Of both. */
void hv_fault_sfence(void *ctx, bool has_va, uint64_t va, bool has_asid, uint64_t asid);

#endif
