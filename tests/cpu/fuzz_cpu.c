/* SPDX-License-Identifier: MIT */
/*
 * Random bytes as a machine's memory: code, page tables, everything. Whatever they do, the hart
 * must neither crash nor touch anything but that memory, its budget must be exact, and its memory
 * bounded.
 *
 * Input: a byte of options, two bytes of start offset, eight bytes of a1; the rest is memory from
 * RAM_BASE on, repeated to fill it. Options: bit 0 Sv39 with the root at the start of memory, bit 1
 * U mode, bit 2 SUM, bit 3 MXR, bit 4 pending interrupts, bit 5 small slices, bit 6 the VMM drops
 * pages at will.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/access.h"
#include "cpu/hart.h"
#include "cpu/sv39.h"

enum { RAM_PAGES = 16, RAM_NBYTES = RAM_PAGES * 4096, TICKS = 20000 };
enum { HEADER_NBYTES = 11, PATTERN = 0x5a };
enum { SV39 = 1, USER = 2, SUM = 4, MXR = 8, INTERRUPTS = 16, SLICES = 32, DROPS = 64 };
#define RAM_BASE UINT64_C(0x80000000)

struct machine {
    struct hv_hart *hart;
    uint8_t *ram; /* between two guard pages, which must keep their pattern */
    unsigned options;
    unsigned calls;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What the property is about; abort is a fuzzer's way to say that it failed. */
static void require(bool holds)
{
    if (!holds)
        abort();
}

static uint8_t *ram_at(struct machine *machine, uint64_t gpa)
{
    uint64_t offset = gpa - RAM_BASE;
    return gpa >= RAM_BASE && offset < RAM_NBYTES ? machine->ram + offset : NULL;
}

static bool read_pte(void *ctx, uint64_t gpa, uint64_t *pte)
{
    uint8_t *at = ram_at(ctx, gpa);
    require(gpa % 8 == 0);
    if (at)
        *pte = hv_mem_load(at, 8);
    return at != NULL;
}

static bool update_pte(void *ctx, uint64_t gpa, uint64_t *expected, uint64_t desired)
{
    uint8_t *at = ram_at(ctx, gpa);
    if (!at)
        return false;
    if (hv_mem_load(at, 8) == *expected)
        hv_mem_store(at, 8, desired);
    else
        *expected = hv_mem_load(at, 8);
    return true;
}

/* Every so often the VMM takes something back. */
static void meddle(struct machine *machine, uint64_t va)
{
    machine->calls++;
    if (!(machine->options & DROPS))
        return;
    if (machine->calls % 3 == 0)
        hv_hart_tlb_drop_host_page(machine->hart, machine->ram + machine->calls % RAM_PAGES * 4096);
    if (machine->calls % 7 == 0)
        hv_hart_tlb_flush_page(machine->hart, va ^ 0x1000);
    if (machine->calls % 31 == 0)
        hv_hart_tlb_flush(machine->hart);
}

static enum hv_fill fill(void *ctx, uint64_t va, enum hv_access access, struct hv_tlb_fill *out)
{
    static const struct hv_sv39_ops ops = {read_pte, update_pte};
    static const enum hv_cause faults[] = {HV_CAUSE_FETCH_ACCESS, HV_CAUSE_LOAD_ACCESS,
                                           HV_CAUSE_STORE_ACCESS, HV_CAUSE_STORE_ACCESS};
    struct machine *machine = ctx;
    struct hv_mmu mmu = hv_hart_mmu(machine->hart);
    struct hv_sv39_walk walk;
    meddle(machine, va);
    out->cause = (enum hv_cause)hv_sv39_walk(&ops, machine, &mmu, va, access, &walk);
    require(walk.steps <= HV_SV39_LEVELS);
    if (out->cause)
        return HV_FILL_FAULT;
    require(walk.gpa % 4096 == va % 4096);
    out->gpa = walk.gpa;
    out->page = ram_at(machine, walk.gpa & ~UINT64_C(4095));
    out->allow = walk.allow;
    out->span_bits = (uint8_t)hv_sv39_span_bits(walk.level);
    out->cause = faults[access];
    if (out->page)
        return HV_FILL_PAGE;
    return walk.gpa < RAM_BASE ? HV_FILL_MMIO : HV_FILL_FAULT;
}

static bool mmio_load(void *ctx, uint64_t gpa, unsigned nbytes, uint64_t *value)
{
    (void)ctx;
    require(gpa % nbytes == 0 && gpa < RAM_BASE);
    *value = gpa * 0x0101010101010101;
    return gpa & 0x1000;
}

static bool mmio_store(void *ctx, uint64_t gpa, unsigned nbytes, uint64_t value)
{
    struct machine *machine = ctx;
    require(gpa % nbytes == 0 && gpa < RAM_BASE);
    if (value == 1)
        hv_hart_kick(machine->hart);
    return gpa & 0x1000;
}

static enum hv_ecall ecall(void *ctx)
{
    struct machine *machine = ctx;
    meddle(machine, hv_hart_pc(machine->hart));
    hv_hart_set_reg(machine->hart, 10, machine->calls);
    return machine->calls & 1 ? HV_ECALL_DONE : HV_ECALL_STOP;
}

static bool satp_write(void *ctx, uint64_t satp)
{
    (void)ctx;
    require(satp >> 60 == 0 || satp >> 60 == 8);
    return satp != 0;
}

static void sfence_vma(void *ctx, bool has_va, uint64_t va, bool has_asid, uint64_t asid)
{
    (void)has_va, (void)has_asid, (void)asid;
    meddle(ctx, va);
}

static uint64_t get_time(void *ctx)
{
    struct machine *machine = ctx;
    return hv_hart_stats(machine->hart).ticks;
}

static void start(struct machine *machine, const uint8_t *data, size_t size)
{
    struct hv_hart *hart = machine->hart;
    uint64_t options = machine->options, offset = data[1] | (uint64_t)data[2] << 8;
    uint64_t entry = RAM_BASE + (offset & (RAM_NBYTES - 1));
    for (size_t i = 0; i < RAM_NBYTES; i++)
        machine->ram[i] = data[HEADER_NBYTES + i % (size - HEADER_NBYTES)];
    for (unsigned i = 1; i < 32; i++)
        hv_hart_set_reg(hart, i, RAM_BASE + i * 0x808);
    hv_hart_set_reg(hart, 11, hv_mem_load_bytes(data + 3, 8));
    hv_hart_csr_write(hart, 0x105, RAM_BASE + 0x4000);
    hv_hart_csr_write(hart, 0x106, 7);
    hv_hart_csr_write(hart, 0x141, entry);
    hv_hart_csr_write(hart, 0x100,
                      1 << 13 /* FS */ | (options & USER ? 0 : 1 << 8) |
                          (options & SUM ? 1 << 18 : 0) | (options & MXR ? 1 << 19 : 0) |
                          (options & INTERRUPTS ? 1 << 5 : 0));
    hv_hart_csr_write(hart, 0x104, 0x222);
    if (options & INTERRUPTS)
        hv_hart_set_irq(hart, HV_IRQ_EXTERNAL, true);
    if (options & SV39)
        hv_hart_csr_write(hart, 0x180, UINT64_C(8) << 60 | RAM_BASE >> 12);
    hv_hart_set_pc(hart, entry);
}

static void run(struct machine *machine)
{
    unsigned stops = 0;
    for (uint64_t used = 0; used < TICKS && stops < 1000; stops++) {
        uint64_t budget = machine->options & SLICES ? 1 + stops % 13 : TICKS - used;
        enum hv_stop stop = hv_hart_run(machine->hart, budget);
        uint64_t now = hv_hart_stats(machine->hart).ticks;
        require(now - used <= budget);
        require(stop != HV_STOP_BUDGET || now - used == budget);
        require(hv_hart_reg(machine->hart, 0) == 0);
        used = now;
        if (stop == HV_STOP_WFI)
            hv_hart_set_irq(machine->hart, HV_IRQ_TIMER, true);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct hv_hart_ops ops = {fill,       mmio_load,  mmio_store, ecall,
                                           satp_write, sfence_vma, get_time,   NULL};
    if (size <= HEADER_NBYTES)
        return 0;
    uint8_t *memory = aligned_alloc(4096, RAM_NBYTES + 2 * 4096);
    require(memory != NULL);
    memset(memory, PATTERN, RAM_NBYTES + 2 * 4096);
    struct machine machine = {.ram = memory + 4096, .options = data[0]};
    machine.hart = hv_hart_new(&ops, &machine, NULL, 8);
    require(machine.hart != NULL);
    start(&machine, data, size);
    run(&machine);
    for (size_t i = 0; i < 4096; i++)
        require(memory[i] == PATTERN && memory[4096 + RAM_NBYTES + i] == PATTERN);
    hv_hart_free(machine.hart);
    free(memory);
    return 0;
}
