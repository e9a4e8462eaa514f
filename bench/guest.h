/* SPDX-License-Identifier: MIT */
/*
 * A VM of the tiny VMM for benchmarks: 8 MiB, no kernel, programs of a few instructions that end
 * with wfi, page tables made for them.
 *
 * By the VMM's internal headers, as its tests use it: what is measured here lies between a hart and
 * its VMM.
 */
#ifndef BENCH_GUEST_H
#define BENCH_GUEST_H

#include "memory/guest_map.h"
#include "residence/guest_mem.h"
#include "vm/vm.h"

/* Pages of the VM: the program, a virtio driver's rings, page tables, and data, whose first word is
 * the page's number. */
enum {
    GUEST_CODE = 0,
    GUEST_ROOT = 60,
    GUEST_MIDDLE,
    GUEST_WINDOW,     /* a leaf table that the guest's program fills: guest_window_va */
    GUEST_LEAVES,     /* of all memory, where it lies: as many as it takes */
    GUEST_BATCH = 68, /* for hypercalls: three pages */
    GUEST_DATA = 72,
    GUEST_PAGES = 2048,
    GUEST_SLOTS = 512 /* entries of a table */
};

/* Registers by the names that the programs' comments use. */
enum {
    GUEST_T0 = 5,
    GUEST_T1,
    GUEST_T2,
    GUEST_S0,
    GUEST_S1,
    GUEST_A0,
    GUEST_A1,
    GUEST_A2,
    GUEST_A3,
    GUEST_A6 = 16,
    GUEST_A7,
    GUEST_S2,
    GUEST_S3,
    GUEST_S4,
    GUEST_S5,
    GUEST_S6,
    GUEST_T4 = 29,
    GUEST_T5
};

struct guest {
    struct hv_world *world; /* owned */
    struct hv_vm *vm;       /* of the world */
};

/* A VM with its page tables, in use: Sv39 under full virtualization, made by hypercalls under
 * paravirtualization. False: something of that failed. */
bool guest_init(struct guest *guest, bool para);
void guest_fini(struct guest *guest);

/* Puts a program where guest_run starts it. */
bool guest_load(const struct guest *guest, const uint32_t *code, size_t count);
void guest_set(const struct guest *guest, unsigned reg, uint64_t value);
uint64_t guest_get(const struct guest *guest, unsigned reg);
/* Runs the program to its wfi. False: the VM failed, or it took more than `ticks`. */
bool guest_run(const struct guest *guest, uint64_t ticks);

static inline uint64_t guest_gpa(uint64_t page)
{
    return HV_RAM_BASE + page * HV_PAGE_BYTES;
}

/* What entry `slot` of the window table maps. */
static inline uint64_t guest_window_va(unsigned slot)
{
    return guest_gpa(GUEST_PAGES + slot);
}

/* The sum of the first words of data pages [first, end), `step` pages apart. */
uint64_t guest_words(uint64_t first, uint64_t end, uint64_t step);

/* A call made from outside, its arguments as given. */
int64_t guest_hypercall(const struct guest *guest, uint64_t call, uint64_t a0, uint64_t a1);

/* A leaf entry for a page: what the guest writes, or asks for. */
uint64_t guest_entry(const struct guest *guest, uint64_t page);

#endif
