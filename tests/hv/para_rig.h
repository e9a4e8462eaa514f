/* SPDX-License-Identifier: MIT */
/* A paravirtualized VM without a kernel: hypercalls made by hand, and a small address space. */
#ifndef TESTS_HV_PARA_RIG_H
#define TESTS_HV_PARA_RIG_H

#include "rig.h"

#include "inside.h"

#define RIG_PPN   (HV_RAM_BASE >> HV_PAGE_SHIFT)
#define RIG_PAGES UINT64_C(2048)

/* Where things lie: a batch, three tables, then what the tests map. */
enum { RIG_BATCH = 7, RIG_ROOT, RIG_MIDDLE, RIG_LEAF, RIG_DATA = 32 };

#define RIG_READ  (HV_PTE_V | HV_PTE_R | HV_PTE_A)
#define RIG_WRITE (RIG_READ | HV_PTE_W | HV_PTE_D)
#define RIG_CODE  (RIG_READ | HV_PTE_X)

static inline uint64_t rig_gpa(uint64_t page)
{
    return (RIG_PPN + page) << HV_PAGE_SHIFT;
}

static inline struct hv_vm *rig_para_vm(struct hv_world *world, uint32_t tables)
{
    struct hv_error error = {""};
    struct hv_vm_config config = {
        .memory_bytes = 8 << 20, .seed = 1, .para = true, .para_tables = tables};
    struct hv_vm *vm = hv_vm_new(world, &config, &error);
    if (!vm)
        fail_msg("%s", error.text);
    return vm;
}

/* The registers are as before. */
static inline struct hv_hypercall_answer rig_call(struct hv_vm *vm, uint64_t call, uint64_t a0,
                                                  uint64_t a1)
{
    const uint64_t saved[2] = {hv_hart_reg(vm->hart, 10), hv_hart_reg(vm->hart, 11)};
    hv_hart_set_reg(vm->hart, 10, a0);
    hv_hart_set_reg(vm->hart, 11, a1);
    struct hv_hypercall_answer answer = hv_hypercall(vm, call);
    hv_hart_set_reg(vm->hart, 10, saved[0]);
    hv_hart_set_reg(vm->hart, 11, saved[1]);
    return answer;
}

/* What the guest reads in its window. */
static inline uint64_t rig_mpn(const struct hv_vm *vm, uint64_t page)
{
    return vm->para->p2m.mpn[page];
}

/* One entry, its number as given. */
static inline int64_t rig_put(struct hv_vm *vm, uint64_t table, unsigned slot, uint64_t mpn,
                              uint64_t flags, uint64_t page)
{
    struct hv_para_update one = {rig_gpa(table) + slot * 8, flags ? mpn << 10 | flags : 0,
                                 RIG_PPN + page};
    if (!hv_guest_write(vm, rig_gpa(RIG_BATCH), &one, sizeof one))
        return HV_PARA_NOMEM;
    return rig_call(vm, HV_PARA_UPDATE_PT, rig_gpa(RIG_BATCH), 1).error;
}

/* As an honest guest does it. */
static inline int64_t rig_map(struct hv_vm *vm, uint64_t table, unsigned slot, uint64_t page,
                              uint64_t flags)
{
    return rig_put(vm, table, slot, rig_mpn(vm, page), flags, page);
}

static inline int64_t rig_create(struct hv_vm *vm, uint64_t page, uint64_t level)
{
    return rig_call(vm, HV_PARA_CREATE_PT, RIG_PPN + page, level).error;
}

static inline int64_t rig_destroy(struct hv_vm *vm, uint64_t page)
{
    return rig_call(vm, HV_PARA_DESTROY_PT, RIG_PPN + page, 0).error;
}

/* The VA that slot `slot` of RIG_LEAF maps: where RAM lies, so that code may run across SwitchPT.
 */
static inline uint64_t rig_va(unsigned slot)
{
    return HV_RAM_BASE + slot * HV_PAGE_BYTES;
}

/* Root, middle and leaf table, in use; nothing mapped yet. */
static inline void rig_tables(struct hv_vm *vm)
{
    assert_int_equal(rig_create(vm, RIG_ROOT, 2), HV_PARA_OK);
    assert_int_equal(rig_create(vm, RIG_MIDDLE, 1), HV_PARA_OK);
    assert_int_equal(rig_create(vm, RIG_LEAF, 0), HV_PARA_OK);
    assert_int_equal(rig_map(vm, RIG_ROOT, 2, RIG_MIDDLE, HV_PTE_V), HV_PARA_OK);
    assert_int_equal(rig_map(vm, RIG_MIDDLE, 0, RIG_LEAF, HV_PTE_V), HV_PARA_OK);
    assert_int_equal(rig_call(vm, HV_PARA_SWITCH_PT, RIG_PPN + RIG_ROOT, 0).error, HV_PARA_OK);
}

/* A TLB miss, again while the VMM says that it was busy with the page (HV_FILL_STOP). */
static inline enum hv_fill rig_miss(struct hv_vm *vm, uint64_t va, enum hv_access access,
                                    struct hv_tlb_fill *fill)
{
    enum hv_fill kind = HV_FILL_STOP;
    for (unsigned tries = 0; kind == HV_FILL_STOP && tries < 4; tries++) {
        *fill = (struct hv_tlb_fill){.span_bits = HV_PAGE_SHIFT};
        kind = hv_para_fill(vm, va, access, fill);
    }
    return kind;
}

/* An entry as the hardware sees it. */
static inline uint64_t rig_entry(struct hv_vm *vm, uint64_t table, unsigned slot)
{
    uint64_t entry = 0;
    assert_true(hv_guest_read(vm, rig_gpa(table) + slot * 8, &entry, sizeof entry));
    return entry;
}

/* A page of this VM with one byte throughout. */
static inline void rig_fill(struct hv_vm *vm, uint64_t page, uint8_t byte)
{
    uint8_t bytes[HV_PAGE_BYTES];
    memset(bytes, byte, sizeof bytes);
    assert_true(hv_guest_write(vm, rig_gpa(page), bytes, sizeof bytes));
}

static inline enum share_outcome rig_offer(struct hv_vm *vm, uint64_t page)
{
    enum share_outcome outcome;
    assert_int_equal(
        share_offer(vm->commons->share, vm->share, &(share_ppn){RIG_PPN + page}, 1, &outcome),
        SHARE_OK);
    return outcome;
}

/* All that a VM has, to be compared later: pages never touched count as zeros. */
static inline uint8_t *rig_copy(struct hv_vm *vm)
{
    uint8_t *bytes = malloc(RIG_PAGES * HV_PAGE_BYTES);
    assert_non_null(bytes);
    assert_true(hv_guest_read(vm, HV_RAM_BASE, bytes, RIG_PAGES * HV_PAGE_BYTES));
    return bytes;
}

static inline void rig_same(struct hv_vm *vm, uint8_t *before)
{
    uint8_t *after = rig_copy(vm);
    if (memcmp(before, after, RIG_PAGES * HV_PAGE_BYTES) != 0)
        fail_msg("memory of VM %u changed", vm->index);
    free(after);
    free(before);
}

#endif
