/* SPDX-License-Identifier: MIT */
/*
 * The guest CPU as a VMM sees it: one RV64IMAFDC hart with S and U mode, run by instruction
 * budgets.
 *
 * Idea: the hart knows instructions, CSRs, traps and a TLB, and nothing of machine memory. What a
 * virtual address means is asked from the VMM (ops->fill) on a TLB miss and then remembered until
 * the VMM or the guest drops it. There is no M mode: everything that a machine would delegate is
 * delegated, and an ecall from S mode goes to ops->ecall.
 *
 * Properties: no globals, any number of harts in a process; deterministic: the same memory, the
 * same answers from ops and the same budgets give the same state after the same ticks; budgets are
 * exact. A tick is one instruction retired or one exception raised.
 *
 * Threads: a hart belongs to one thread at a time, whose own floating-point environment is C's
 * default one (nearest even, subnormals kept). Only hv_hart_kick and hv_hart_set_irq may be
 * called by any thread at any time. A kick ends hv_hart_run at the next taken branch, system
 * instruction or page end, at most a page of instructions later; from then until the next call of
 * hv_hart_run the hart holds no translation but what its TLB holds, so that whoever waited for that
 * return may drop TLB entries and then free the pages they named.
 *
 * Source: The RISC-V Instruction Set Manual, volumes I (20191213) and II (20211203).
 */
#ifndef HV_CPU_HART_H
#define HV_CPU_HART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hv_hart;
struct hv_code_pool; /* code_pool.h */

enum hv_access { HV_ACCESS_FETCH, HV_ACCESS_LOAD, HV_ACCESS_STORE, HV_ACCESS_AMO };

enum hv_priv { HV_PRIV_U = 0, HV_PRIV_S = 1 };

/* Exception causes, as scause counts them. */
enum hv_cause {
    HV_CAUSE_FETCH_ACCESS = 1,
    HV_CAUSE_ILLEGAL = 2,
    HV_CAUSE_BREAKPOINT = 3,
    HV_CAUSE_LOAD_MISALIGNED = 4,
    HV_CAUSE_LOAD_ACCESS = 5,
    HV_CAUSE_STORE_MISALIGNED = 6,
    HV_CAUSE_STORE_ACCESS = 7,
    HV_CAUSE_ECALL_U = 8,
    HV_CAUSE_FETCH_PAGE = 12,
    HV_CAUSE_LOAD_PAGE = 13,
    HV_CAUSE_STORE_PAGE = 15,
};

/* Supervisor interrupts, as sip and sie number their bits. */
enum hv_irq { HV_IRQ_SOFT = 1, HV_IRQ_TIMER = 5, HV_IRQ_EXTERNAL = 9 };

/* What the address translation of this moment depends on. */
struct hv_mmu {
    uint64_t satp; /* mode 0 (Bare) or 8 (Sv39); the ASID is always 0 */
    enum hv_priv priv;
    bool sum; /* S mode may load from and store to U pages */
    bool mxr; /* loads may read execute-only pages */
};

enum { HV_ALLOW_READ = 1, HV_ALLOW_WRITE = 2, HV_ALLOW_EXEC = 4 };

enum hv_fill {
    HV_FILL_PAGE,    /* page, allow, span_bits are set */
    HV_FILL_WATCHED, /* as PAGE, for this one store or AMO: the hart keeps nothing, and tells
                        ops->wrote when it is done (the VMM's write-protected page tables) */
    HV_FILL_MMIO,    /* gpa is set; asked again for every access */
    HV_FILL_FAULT,   /* cause is set; stval will be the va that was asked for */
    HV_FILL_STOP,    /* the VMM cannot answer now: the instruction did not happen, run returns */
};

struct hv_tlb_fill {
    void *page;   /* host address of the 4 KiB page, aligned; borrowed until dropped */
    uint64_t gpa; /* guest-physical address of the byte at va */
    enum hv_cause cause;
    uint8_t allow;     /* HV_ALLOW_*: for hv_hart_mmu() of now; must include the access asked for */
    uint8_t span_bits; /* log2 of the bytes that the guest's leaf entry maps: 12, 21 or 30.
                          An sfence.vma of one address must reach all that its entry mapped. */
};

enum hv_ecall {
    HV_ECALL_DONE, /* go on behind the ecall */
    HV_ECALL_STOP, /* hv_hart_run returns HV_STOP_ECALL, pc behind the ecall */
};

/*
 * What a hart needs from its VMM. All functions must be set but wrote. They run on the hart's
 * thread inside hv_hart_run, may use every function of this header but hv_hart_run and
 * hv_hart_free, and see exact values of pc, ticks and registers as before the instruction at hand.
 */
struct hv_hart_ops {
    /* A TLB miss at va. Sv39 is not yet applied: satp = 0 comes here, too. */
    enum hv_fill (*fill)(void *ctx, uint64_t va, enum hv_access access, struct hv_tlb_fill *out);
    /* Naturally aligned access of 1, 2, 4 or 8 bytes; false raises an access fault. A device that
     * wants the run to end calls hv_hart_kick. */
    bool (*mmio_load)(void *ctx, uint64_t gpa, unsigned nbytes, uint64_t *value);
    bool (*mmio_store)(void *ctx, uint64_t gpa, unsigned nbytes, uint64_t value);
    /* An ecall from S mode: arguments and results are in the registers. */
    enum hv_ecall (*ecall)(void *ctx);
    /* The guest writes satp (mode 0 or 8, ASID 0); the TLB is empty. False refuses: satp stays
     * as it was and the instruction is illegal. */
    bool (*satp_write)(void *ctx, uint64_t satp);
    /* The guest executed sfence.vma; the hart's own TLB has obeyed. */
    void (*sfence_vma)(void *ctx, bool has_va, uint64_t va, bool has_asid, uint64_t asid);
    /* The time CSR. */
    uint64_t (*time)(void *ctx);
    /* The store or AMO that fill answered WATCHED has written these bytes, which lie in one page.
     * Not called for an sc that failed. NULL if fill never answers so. */
    void (*wrote)(void *ctx, uint64_t gpa, unsigned nbytes);
};

enum hv_stop {
    HV_STOP_BUDGET, /* exactly the budget was used */
    HV_STOP_KICK,
    HV_STOP_WFI,   /* pc is behind the wfi; no enabled interrupt was pending */
    HV_STOP_ECALL, /* ops->ecall said so */
    HV_STOP_FILL,  /* ops->fill said so; the instruction at pc comes again with the next run */
};

/*
 * New hart: S mode, pc, satp and all registers 0, TLB empty. It decodes at most code_pages_max
 * (rounded up, at least 8) pages of code at a time, which it takes from the pool; NULL: one
 * of its own. ops and pool are borrowed for the hart's life, ctx is handed through. NULL if out of
 * memory.
 */
struct hv_hart *hv_hart_new(const struct hv_hart_ops *ops, void *ctx, struct hv_code_pool *code,
                            unsigned code_pages_max);
void hv_hart_free(struct hv_hart *hart);
/* Pages of decoded code that it has now, and gives back but for one: code is decoded again when it
 * is reached. */
size_t hv_hart_code_pages(const struct hv_hart *hart);
void hv_hart_drop_code(struct hv_hart *hart);
/* Whether the hart has F and D: a new one does. Without them sstatus.FS cannot be switched on, and
 * so their instructions and CSRs are illegal. Before the first run. */
void hv_hart_set_fp(struct hv_hart *hart, bool has_fp);

/* Runs until one of the reasons of enum hv_stop, at most budget ticks. */
enum hv_stop hv_hart_run(struct hv_hart *hart, uint64_t budget);

/* Any thread. The run ends soon; if none is under way, the next one ends at once. */
void hv_hart_kick(struct hv_hart *hart);
/* Any thread. Level of one interrupt line; sip.SSIP can also be changed by the guest. */
void hv_hart_set_irq(struct hv_hart *hart, enum hv_irq irq, bool level);
/* Whether an interrupt is pending that sie enables: what a wfi waits for. */
bool hv_hart_wakes(const struct hv_hart *hart);

/* General registers: i is 0..31; writes to register 0 are ignored. */
uint64_t hv_hart_reg(const struct hv_hart *hart, unsigned i);
void hv_hart_set_reg(struct hv_hart *hart, unsigned i, uint64_t value);
/* Floating-point registers: i is 0..31; singles are NaN-boxed. */
uint64_t hv_hart_freg(const struct hv_hart *hart, unsigned i);
void hv_hart_set_freg(struct hv_hart *hart, unsigned i, uint64_t value);
uint64_t hv_hart_pc(const struct hv_hart *hart);
/* Not from ops: the instruction at hand decides there. */
void hv_hart_set_pc(struct hv_hart *hart, uint64_t pc);
struct hv_mmu hv_hart_mmu(const struct hv_hart *hart);
/* A CSR as the hart's mode of now would read or write it; false if that is illegal. Calls ops->time
 * and, for satp, ops->satp_write. Writing is not for fill, mmio_load and mmio_store. */
bool hv_hart_csr_read(const struct hv_hart *hart, unsigned csr, uint64_t *value);
bool hv_hart_csr_write(struct hv_hart *hart, unsigned csr, uint64_t value);

/* The TLB. Dropping is idempotent and never fails; the next access asks ops->fill again. */
void hv_hart_tlb_flush(struct hv_hart *hart);
/* Drops va's page, and all that came from the same guest superpage. */
void hv_hart_tlb_flush_page(struct hv_hart *hart, uint64_t va);
/* Drops every entry that maps this host page. O(TLB). */
void hv_hart_tlb_drop_host_page(struct hv_hart *hart, const void *page);
/* As above, but only the right to write. */
void hv_hart_tlb_write_protect_host_page(struct hv_hart *hart, const void *page);
/* Whether any entry maps this host page. O(TLB). */
bool hv_hart_tlb_has_host_page(const struct hv_hart *hart, const void *page);
/* What fence.i does: later fetches see all earlier writes to code. */
void hv_hart_tlb_flush_code(struct hv_hart *hart);
/* The host page that an access to va would hit now, without a miss; NULL if none. */
const void *hv_hart_tlb_find(const struct hv_hart *hart, uint64_t va, enum hv_access access);

struct hv_hart_stats {
    uint64_t ticks;        /* = instructions + exceptions */
    uint64_t instructions; /* retired: the instret CSR */
    uint64_t exceptions;
    uint64_t interrupts;
    uint64_t tlb_misses;   /* calls of ops->fill, MMIO included */
    uint64_t code_decodes; /* code pages decoded afresh */
};
struct hv_hart_stats hv_hart_stats(const struct hv_hart *hart);

#endif
