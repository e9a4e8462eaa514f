/* SPDX-License-Identifier: MIT */
/*
 * What a VM's hart is soldered to: interrupt controller, console, timer, and a bus on which devices
 * claim their registers.
 *
 * Threads: the one that runs the VM, or between turns.
 */
#ifndef HV_PLATFORM_BOARD_H
#define HV_PLATFORM_BOARD_H

#include <stdbool.h>
#include <stdint.h>

#include "cpu/hart.h"
#include "hv.h"
#include "memory/guest_map.h"
#include "platform/console.h"
#include "platform/plic.h"

/* Registers of a device, at an offset into its range. False: no such register, or not in this size;
 * the guest gets an access fault. */
struct hv_mmio_ops {
    bool (*load)(void *ctx, uint64_t offset, unsigned nbytes, uint64_t *value);
    bool (*store)(void *ctx, uint64_t offset, unsigned nbytes, uint64_t value);
};

struct hv_mmio_range {
    uint64_t base, nbytes;
    const struct hv_mmio_ops *ops;
    void *ctx; /* borrowed */
};

enum { HV_MMIO_RANGES = 1 + HV_VIRTIO_SLOTS }; /* the PLIC's, and the slots' */

struct hv_board {
    struct hv_console console;
    struct hv_plic plic;
    struct hv_mmio_range range[HV_MMIO_RANGES]; /* disjoint */
    unsigned ranges;
    uint64_t timer;  /* tick at which the timer interrupt comes; UINT64_MAX: never */
    uint64_t random; /* state of the guest's random numbers */
};

/* The VM gets its board; its hart is there already. False: out of host memory. */
bool hv_board_init(struct hv_vm *vm, const struct hv_vm_config *config);
void hv_board_fini(struct hv_vm *vm);

/* A device takes a range that nobody has; at most HV_MMIO_RANGES. */
void hv_board_claim(struct hv_vm *vm, const struct hv_mmio_range *range);
/* A device's interrupt line. */
void hv_board_set_irq(struct hv_vm *vm, unsigned source, bool level);
/* Raises the timer's interrupt if its time has come. When it will; UINT64_MAX: not, or raised. */
uint64_t hv_board_turn(struct hv_vm *vm, uint64_t now);

/* mmio.c, as the hart's ops */
bool hv_mmio_load(void *ctx, uint64_t gpa, unsigned nbytes, uint64_t *value);
bool hv_mmio_store(void *ctx, uint64_t gpa, unsigned nbytes, uint64_t value);
/* sbi.c */
enum hv_ecall hv_sbi_ecall(void *ctx);

/* loader.c: kernel, initramfs and device tree into the VM's memory, its hart at the entry. */
bool hv_platform_load(struct hv_vm *vm, const struct hv_vm_config *config, struct hv_error *error);

#endif
