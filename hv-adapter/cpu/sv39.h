/* SPDX-License-Identifier: MIT */
/*
 * Walks a guest's Sv39 page table: one virtual address, at most three steps, no state.
 *
 * Page-table memory is reached through two callbacks on guest-physical addresses, so the walker
 * works on any view of guest memory, and a hostile table can at worst name an address that the
 * callbacks refuse. It sets A and D in the leaf by compare-and-set, as hardware does: what was
 * checked is what was changed, even when another vCPU edits the table meanwhile.
 *
 * Source: volume II, 4.3.2 (algorithm), 4.4 (Sv39). Without Svnapot and Svpbmt: their bits and all
 * reserved bits must be 0.
 */
#ifndef HV_CPU_SV39_H
#define HV_CPU_SV39_H

#include <stdbool.h>
#include <stdint.h>

#include "hart.h"

enum { HV_SV39_LEVELS = 3 };

enum {
    HV_PTE_V = 1,
    HV_PTE_R = 2,
    HV_PTE_W = 4,
    HV_PTE_X = 8,
    HV_PTE_U = 16,
    HV_PTE_G = 32,
    HV_PTE_A = 64,
    HV_PTE_D = 128,
};

struct hv_sv39_ops {
    /* gpa is a multiple of 8. False if there is no memory: the walk ends in an access fault. */
    bool (*read_pte)(void *ctx, uint64_t gpa, uint64_t *pte);
    /* If *gpa is *expected: makes it desired. Else *expected becomes what it is. False if there is
     * no memory that may be written. */
    bool (*update_pte)(void *ctx, uint64_t gpa, uint64_t *expected, uint64_t desired);
};

struct hv_sv39_walk {
    uint64_t gpa;  /* of the byte at va */
    uint8_t allow; /* HV_ALLOW_* that a TLB may keep for this mmu: what the leaf and the context
                      permit; write only if D is set by now */
    uint8_t level; /* of the leaf: 0, 1, 2 map 4 KiB, 2 MiB, 1 GiB */
    uint8_t steps; /* entries read: 1..3; 0 in Bare mode */
    uint64_t pte_gpa[HV_SV39_LEVELS]; /* [i]: address of the entry read in step i, root first */
    uint64_t pte[HV_SV39_LEVELS];     /* [i]: its value, the leaf's with A and D */
};

/* log2 of the bytes that a leaf of this level maps, as struct hv_tlb_fill wants them. */
static inline unsigned hv_sv39_span_bits(unsigned level)
{
    return 12 + 9 * level;
}

/* Whether an entry found at this level is a valid leaf. */
bool hv_sv39_is_leaf(uint64_t pte, unsigned level);
/* The HV_ALLOW_* that a leaf's R, W, X and U give this context; A and D are not looked at. */
unsigned hv_sv39_permitted(uint64_t pte, const struct hv_mmu *mmu);
/* The page number in an entry. */
uint64_t hv_sv39_ppn(uint64_t pte);

/*
 * Translates va for an access of this kind. 0, or the cause of the exception to raise; `walk` is
 * filled up to the step that decided, also then. With satp's mode Bare, gpa = va and all is
 * allowed.
 */
unsigned hv_sv39_walk(const struct hv_sv39_ops *ops, void *ctx, const struct hv_mmu *mmu,
                      uint64_t va, enum hv_access access, struct hv_sv39_walk *walk);

#endif
