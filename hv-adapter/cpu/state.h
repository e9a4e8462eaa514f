/* SPDX-License-Identifier: MIT */
/*
 * What a hart is, and what its files offer each other. Internal to hv-adapter/cpu.
 *
 * exec.c runs decoded instructions and keeps pc and ticks in locals; before it calls anything that
 * may raise an exception or call the VMM, it writes them back to `pc` and `ticks_left` as they were
 * before the instruction. Whoever then changes the course of things (an exception, a stop) changes
 * the hart and returns HV_REDIRECTED, and exec.c starts over from the hart.
 */
#ifndef HV_CPU_STATE_H
#define HV_CPU_STATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "code.h"
#include "hart.h"
#include "insn.h"
#include "tlb.h"

#define HV_LIKELY(condition)   __builtin_expect(!!(condition), 1)
#define HV_UNLIKELY(condition) __builtin_expect(!!(condition), 0)

enum hv_result {
    HV_DONE,       /* go on with the instruction */
    HV_REDIRECTED, /* it raised an exception or stopped the run: pc and ticks_left say where */
};

/* Bits of hv_hart.attention: why the next taken branch must look up. */
enum {
    HV_ATTEND_KICK = 1,
    HV_ATTEND_IRQ = 2,
    HV_ATTEND_FETCH = 4, /* a fetch translation was dropped: the page at hand may be gone */
};

/* sstatus (volume II, 4.1.1). FS: 0 off, 1 initial, 2 clean, 3 dirty. */
#define HV_SSTATUS_SIE  (UINT64_C(1) << 1)
#define HV_SSTATUS_SPIE (UINT64_C(1) << 5)
#define HV_SSTATUS_SPP  (UINT64_C(1) << 8)
#define HV_SSTATUS_FS   (UINT64_C(3) << 13)
#define HV_SSTATUS_SUM  (UINT64_C(1) << 18)
#define HV_SSTATUS_MXR  (UINT64_C(1) << 19)

struct hv_csrs {
    uint64_t sstatus; /* the bits above; UXL and SD are added when read */
    uint64_t sie;
    uint64_t stvec;
    uint64_t scounteren;
    uint64_t sscratch;
    uint64_t sepc;
    uint64_t scause;
    uint64_t stval;
    uint64_t satp;
    uint32_t fflags;
    uint32_t frm; /* 5 to 7 are no modes, and may be here */
};

struct hv_reservation {
    uint64_t va;
    uint64_t value;  /* what lr loaded */
    unsigned nbytes; /* 0: none */
};

#define HV_RUNNING (-1)

struct hv_hart {
    uint64_t x[HV_REGS];
    uint64_t f[32]; /* singles are boxed: upper half all ones */
    uint64_t pc;
    int64_t ticks_left;       /* of the budget, before the instruction at pc */
    uint64_t ticks_end;       /* ticks when the budget is used up: ticks = ticks_end - ticks_left */
    uint64_t code_va;         /* virtual address of the page that exec.c is in */
    uint64_t loaded;          /* result of hv_load_slow */
    struct hv_tlb_bank *bank; /* the one of enum hv_priv and SUM of now */
    _Atomic uint32_t attention;
    _Atomic uint32_t irq; /* sip: the lines, and SSIP */
    int stop;             /* HV_RUNNING or enum hv_stop */
    enum hv_priv priv;
    bool has_fp; /* F and D; without them sstatus.FS is always 0 */
    struct hv_csrs csr;
    struct hv_reservation reservation;
    uint64_t exceptions;
    uint64_t interrupts;
    uint64_t tlb_misses;
    uint64_t code_decodes;
    const struct hv_hart_ops *ops; /* borrowed */
    void *ctx;                     /* the VMM's */
    struct hv_code_cache code;
    struct hv_code_pool *own_pool; /* owned; NULL: the pool is others' */
    struct hv_tlb tlb;
    struct hv_code_page step; /* one instruction at a time, see fetch.c */
    unsigned step_slot;       /* where in step it is; HV_CODE_SLOTS: none yet */
    uint32_t step_bits;       /* what it was decoded from */
};

static inline uint64_t hv_ticks(const struct hv_hart *hart)
{
    return hart->ticks_end - (uint64_t)hart->ticks_left;
}

static inline uint32_t hv_attention(struct hv_hart *hart)
{
    return atomic_load_explicit(&hart->attention, memory_order_relaxed);
}

/* exec.c: runs until hart->stop is set. */
void hv_execute(struct hv_hart *hart);

/* trap.c */
/* The instruction at pc raises an exception: one tick, and on with the handler. */
enum hv_result hv_raise(struct hv_hart *hart, enum hv_cause cause, uint64_t tval);
/* Clears hart->attention and acts on it: stops, or takes an interrupt before the instruction. */
void hv_attend(struct hv_hart *hart);
/* Enters the handler if an interrupt is pending and enabled. */
void hv_take_interrupt(struct hv_hart *hart);
void hv_sret(struct hv_hart *hart);
/* To be called after any change of priv or sstatus.SUM. */
void hv_select_bank(struct hv_hart *hart);

/* csr.c */
bool hv_csr_read(const struct hv_hart *hart, unsigned csr, uint64_t *value);
bool hv_csr_write(struct hv_hart *hart, unsigned csr, uint64_t value);

/* system.c: executes the SYSTEM or fence.i instruction at pc; pc and ticks_left are then behind it.
 */
void hv_system(struct hv_hart *hart, uint32_t bits);

/* memory.c: loads and stores that miss the TLB, are misaligned or go to a device. */
enum hv_result hv_load_slow(struct hv_hart *hart, uint64_t va, unsigned nbytes);
enum hv_result hv_store_slow(struct hv_hart *hart, uint64_t va, unsigned nbytes, uint64_t value);
/* Asks the VMM about va and acts on faults and stops; HV_DONE: *kind is HV_FILL_PAGE, put into the
 * TLB, HV_FILL_WATCHED or HV_FILL_MMIO. */
enum hv_result hv_fill(struct hv_hart *hart, uint64_t va, enum hv_access access,
                       struct hv_tlb_fill *out, enum hv_fill *kind);
/* Where an access goes. */
struct hv_place {
    void *host;   /* va's host address; NULL for MMIO */
    uint64_t gpa; /* if MMIO or watched */
    bool watched; /* call hv_wrote after the write */
};
/* As a TLB lookup, with a fill if needed. HV_DONE: *place is set. */
enum hv_result hv_translate(struct hv_hart *hart, uint64_t va, enum hv_access access,
                            struct hv_place *place);
/* Tells the VMM of a write to a place if it wants to know. */
static inline void hv_wrote(struct hv_hart *hart, const struct hv_place *place, unsigned nbytes)
{
    if (HV_UNLIKELY(place->watched))
        hart->ops->wrote(hart->ctx, place->gpa, nbytes);
}

/* amo.c */
enum hv_result hv_amo(struct hv_hart *hart, const struct hv_insn *insn);

/* fp.c: what F and D compute, FS not being off. False: no rounding mode, the instruction is
 * illegal. */
bool hv_fp(struct hv_hart *hart, const struct hv_insn *insn);

/* fetch.c */
/* Makes the code at hart->pc known to the TLB. */
enum hv_result hv_fetch_fill(struct hv_hart *hart);
/* Puts the one instruction at hart->pc into hart->step, at its own slot. */
enum hv_result hv_fetch_step(struct hv_hart *hart);
/* The bits that the decoded instruction at a slot of a page came from; 16 if compressed. */
uint32_t hv_fetch_bits(const struct hv_hart *hart, struct hv_code_page *page, unsigned slot);

#endif
