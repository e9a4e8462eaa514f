/* SPDX-License-Identifier: MIT */
/*
 * A hart whose translation a test controls page by page, and just enough of an assembler.
 *
 * Virtual page i (address i * 4096) is `map[i]`: a host page and what is allowed, or a fault, or a
 * device. Host pages are mmap'ed one by one, so that a test can take one away for good.
 */
#ifndef TESTS_CPU_RIG_H
#define TESTS_CPU_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "cpu/hart.h"

enum { RIG_PAGES = 128, RIG_CODE = 1, RIG_TRAP = 2, RIG_DATA = 16 };

struct rig_page {
    void *host;     /* NULL: page fault */
    unsigned allow; /* HV_ALLOW_* */
    bool mmio;
    bool stop; /* fill answers HV_FILL_STOP */
};

struct rig {
    struct hv_hart *hart;
    struct rig_page map[RIG_PAGES];
    void *pages[RIG_PAGES]; /* owned */
    unsigned fills[RIG_PAGES];
    void (*on_fill)(struct rig *rig, uint64_t va);
    void (*on_ecall)(struct rig *rig);
    enum hv_ecall ecall_answer;
    bool refuse_satp;
    bool mmio_works;
    uint64_t mmio_gpa, mmio_value; /* the last access; what loads read */
    unsigned mmio_nbytes;
    uint64_t time;
};

static inline enum hv_fill rig_fill(void *ctx, uint64_t va, enum hv_access access,
                                    struct hv_tlb_fill *out)
{
    static const enum hv_cause causes[] = {HV_CAUSE_FETCH_PAGE, HV_CAUSE_LOAD_PAGE,
                                           HV_CAUSE_STORE_PAGE, HV_CAUSE_STORE_PAGE};
    static const unsigned needed[] = {HV_ALLOW_EXEC, HV_ALLOW_READ, HV_ALLOW_WRITE, HV_ALLOW_WRITE};
    struct rig *rig = ctx;
    out->cause = causes[access];
    if (va >= (uint64_t)RIG_PAGES << 12)
        return HV_FILL_FAULT;
    const struct rig_page *page = &rig->map[va >> 12];
    rig->fills[va >> 12]++;
    if (rig->on_fill)
        rig->on_fill(rig, va);
    if (page->stop)
        return HV_FILL_STOP;
    out->gpa = va;
    if (page->mmio)
        return HV_FILL_MMIO;
    if (!page->host || !(page->allow & needed[access]))
        return HV_FILL_FAULT;
    out->page = page->host;
    out->allow = (uint8_t)page->allow;
    return HV_FILL_PAGE;
}

static inline bool rig_mmio_load(void *ctx, uint64_t gpa, unsigned nbytes, uint64_t *value)
{
    struct rig *rig = ctx;
    rig->mmio_gpa = gpa;
    rig->mmio_nbytes = nbytes;
    *value = rig->mmio_value;
    return rig->mmio_works;
}

static inline bool rig_mmio_store(void *ctx, uint64_t gpa, unsigned nbytes, uint64_t value)
{
    struct rig *rig = ctx;
    rig->mmio_gpa = gpa;
    rig->mmio_nbytes = nbytes;
    rig->mmio_value = value;
    return rig->mmio_works;
}

static inline enum hv_ecall rig_ecall(void *ctx)
{
    struct rig *rig = ctx;
    if (rig->on_ecall)
        rig->on_ecall(rig);
    return rig->ecall_answer;
}

static inline bool rig_satp_write(void *ctx, uint64_t satp)
{
    (void)satp;
    return !((struct rig *)ctx)->refuse_satp;
}

static inline void rig_sfence(void *ctx, bool has_va, uint64_t va, bool has_asid, uint64_t asid)
{
    (void)ctx, (void)has_va, (void)va, (void)has_asid, (void)asid;
}

static inline uint64_t rig_time(void *ctx)
{
    return ((struct rig *)ctx)->time;
}

static inline void *rig_new_page(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(page != MAP_FAILED);
    return page;
}

/* Code at pages RIG_CODE and RIG_TRAP, data from RIG_DATA: all allowed; pc at the code, stvec at
 * the trap page, which holds an ecall. The ecall stops. */
static inline void rig_init_with(struct rig *rig, struct hv_code_pool *pool,
                                 unsigned code_pages_max)
{
    static const struct hv_hart_ops ops = {rig_fill,       rig_mmio_load, rig_mmio_store, rig_ecall,
                                           rig_satp_write, rig_sfence,    rig_time,       NULL};
    *rig = (struct rig){.ecall_answer = HV_ECALL_STOP, .mmio_works = true};
    rig->hart = hv_hart_new(&ops, rig, pool, code_pages_max);
    assert_non_null(rig->hart);
    for (unsigned i = 1; i < RIG_PAGES; i++) {
        rig->pages[i] = rig_new_page();
        rig->map[i].host = rig->pages[i];
        rig->map[i].allow = HV_ALLOW_READ | HV_ALLOW_WRITE | HV_ALLOW_EXEC;
    }
    memcpy(rig->pages[RIG_TRAP], &(uint32_t){0x00000073}, 4);
    hv_hart_csr_write(rig->hart, 0x105, (uint64_t)RIG_TRAP << 12);
    hv_hart_set_pc(rig->hart, (uint64_t)RIG_CODE << 12);
}

static inline void rig_init(struct rig *rig, unsigned code_pages_max)
{
    rig_init_with(rig, NULL, code_pages_max);
}

static inline void rig_fini(struct rig *rig)
{
    hv_hart_free(rig->hart);
    for (unsigned i = 1; i < RIG_PAGES; i++)
        munmap(rig->pages[i], 4096);
}

static inline uint64_t rig_csr(const struct rig *rig, unsigned csr)
{
    uint64_t value = 0;
    assert_true(hv_hart_csr_read(rig->hart, csr, &value));
    return value;
}

/* The trap that brought the hart to the trap page's ecall. */
static inline void rig_expect_trap(struct rig *rig, uint64_t cause, uint64_t sepc, uint64_t stval)
{
    assert_int_equal(hv_hart_run(rig->hart, 1000), HV_STOP_ECALL);
    assert_int_equal(rig_csr(rig, 0x142), cause);
    assert_int_equal(rig_csr(rig, 0x141), sepc);
    assert_int_equal(rig_csr(rig, 0x143), stval);
}

/* Copies 32-bit instructions to an address; any alignment. */
#define RIG_PUT(rig, va, ...)                         \
    rig_put(rig, va, (const uint32_t[]){__VA_ARGS__}, \
            sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

static inline void rig_put(struct rig *rig, uint64_t va, const uint32_t *words, size_t count)
{
    for (size_t i = 0; i < count * 4; i++, va++)
        ((uint8_t *)rig->pages[va >> 12])[va & 4095] = (uint8_t)(words[i / 4] >> (i % 4 * 8));
}

/* Encoders, named as the instructions; registers are numbers. */
static inline uint32_t addi(unsigned rd, unsigned rs1, int imm)
{
    return (uint32_t)imm << 20 | rs1 << 15 | rd << 7 | 0x13;
}

static inline uint32_t add(unsigned rd, unsigned rs1, unsigned rs2)
{
    return rs2 << 20 | rs1 << 15 | rd << 7 | 0x33;
}

static inline uint32_t and (unsigned rd, unsigned rs1, unsigned rs2)
{
    return rs2 << 20 | rs1 << 15 | 7 << 12 | rd << 7 | 0x33;
}

static inline uint32_t lui(unsigned rd, uint32_t upper)
{
    return upper << 12 | rd << 7 | 0x37;
}

static inline uint32_t auipc(unsigned rd, uint32_t upper)
{
    return upper << 12 | rd << 7 | 0x17;
}

static inline uint32_t load(unsigned funct3, unsigned rd, int imm, unsigned rs1)
{
    return (uint32_t)imm << 20 | rs1 << 15 | funct3 << 12 | rd << 7 | 0x03;
}

static inline uint32_t store(unsigned funct3, unsigned rs2, int imm, unsigned rs1)
{
    uint32_t bits = (uint32_t)imm;
    return (bits >> 5 & 127) << 25 | rs2 << 20 | rs1 << 15 | funct3 << 12 | (bits & 31) << 7 | 0x23;
}

static inline uint32_t branch(unsigned funct3, unsigned rs1, unsigned rs2, int offset)
{
    uint32_t bits = (uint32_t)offset;
    return (bits >> 12 & 1) << 31 | (bits >> 5 & 63) << 25 | rs2 << 20 | rs1 << 15 | funct3 << 12 |
           (bits >> 1 & 15) << 8 | (bits >> 11 & 1) << 7 | 0x63;
}

static inline uint32_t jal(unsigned rd, int offset)
{
    uint32_t bits = (uint32_t)offset;
    return (bits >> 20 & 1) << 31 | (bits >> 1 & 1023) << 21 | (bits >> 11 & 1) << 20 |
           (bits >> 12 & 255) << 12 | rd << 7 | 0x6f;
}

static inline uint32_t csrrw(unsigned rd, unsigned csr, unsigned rs1)
{
    return csr << 20 | rs1 << 15 | 1 << 12 | rd << 7 | 0x73;
}

static inline uint32_t csrr(unsigned rd, unsigned csr)
{
    return csr << 20 | 2 << 12 | rd << 7 | 0x73;
}

static inline uint32_t amo(unsigned funct5, unsigned funct3, unsigned rd, unsigned rs2,
                           unsigned rs1)
{
    return funct5 << 27 | rs2 << 20 | rs1 << 15 | funct3 << 12 | rd << 7 | 0x2f;
}

enum { LB, LH, LW, LD, LBU, LHU, LWU };
enum { SB, SH, SW, SD };
enum { BEQ, BNE, BLT = 4, BGE };
enum { AMOADD, AMOSWAP, LR, SC };
enum { ECALL = 0x73, WFI = 0x10500073, FENCE_I = 0x100f, NOP = 0x13 };

#define CODE_VA ((uint64_t)RIG_CODE << 12)
#define DATA_VA ((uint64_t)RIG_DATA << 12)

#endif
