/* SPDX-License-Identifier: MIT */
/*
 * The interrupt controller (SiFive's PLIC, one context: S mode of hart 0).
 * Source: RISC-V Platform-Level Interrupt Controller Specification 1.0.
 */
#ifndef HV_PLATFORM_PLIC_H
#define HV_PLATFORM_PLIC_H

#include <stdbool.h>
#include <stdint.h>

enum { HV_PLIC_SOURCES = 32 }; /* 1..31; 0 is none */

struct hv_plic {
    uint32_t priority[HV_PLIC_SOURCES]; /* 0: never interrupts */
    uint32_t level;                     /* bit i: source i asserts now */
    uint32_t claimed;                   /* bit i: claimed, not completed */
    uint32_t enabled;
    uint32_t threshold;
};

void hv_plic_set(struct hv_plic *plic, unsigned source, bool level);
/* Whether the hart's external interrupt is asserted. */
bool hv_plic_asserts(const struct hv_plic *plic);
/* 32-bit registers at `offset`. Others read as 0 and ignore writes. */
uint32_t hv_plic_load(struct hv_plic *plic, uint64_t offset);
void hv_plic_store(struct hv_plic *plic, uint64_t offset, uint32_t value);

#endif
