/* SPDX-License-Identifier: MIT */
/* What every TLB miss has in common. See fault.h. */
#include "residence/fault.h"

#include "cpu/access_kind.h"
#include "memory/guest_map.h"
#include "residence/residence.h"
#include "residence/share_glue.h"
#include "vm/tables.h"

enum hv_step hv_miss_nothing(const struct hv_miss *miss, struct hv_tlb_fill *out)
{
    out->cause = hv_access_fault(miss->access);
    return HV_STEP_FAULT;
}

enum hv_step hv_miss_no_memory(const struct hv_miss *miss, uint64_t gpa, struct hv_tlb_fill *out)
{
    out->gpa = gpa;
    return hv_is_device(gpa) ? HV_STEP_MMIO : hv_miss_nothing(miss, out);
}

enum hv_fill hv_miss_fill(struct hv_vm *vm, uint64_t va, enum hv_access access, hv_look *look,
                          struct hv_tlb_fill *out)
{
    static const enum hv_fill answers[] = {
        [HV_STEP_PAGE] = HV_FILL_PAGE,  [HV_STEP_WATCHED] = HV_FILL_WATCHED,
        [HV_STEP_MMIO] = HV_FILL_MMIO,  [HV_STEP_FAULT] = HV_FILL_FAULT,
        [HV_STEP_BREAK] = HV_FILL_STOP, [HV_STEP_STOP] = HV_FILL_STOP};
    struct hv_miss miss = {.vm = vm,
                           .mmu = hv_hart_mmu(vm->hart),
                           .va = va,
                           .access = access,
                           .store = hv_access_stores(access)};
    enum hv_step step;
    do {
        pthread_mutex_lock(&vm->lock);
        step = look(&miss, out);
        pthread_mutex_unlock(&vm->lock);
    } while (step == HV_STEP_AGAIN);
    if (step == HV_STEP_BREAK && !hv_vm_starves(vm))
        (void)hv_share_break(vm, miss.ppn); /* pauses the hart: the instruction starts over */
    return answers[step];
}

/* The S-PT follows the guest's tables write by write, and para tables are written by us: only the
 * TLB needs to obey, and it has. */
void hv_fault_sfence(void *ctx, bool has_va, uint64_t va, bool has_asid, uint64_t asid)
{
    struct hv_vm *vm = ctx;
    (void)va, (void)has_asid, (void)asid;
    vm->counts.sfences++;
    hv_vm_charge(vm, HV_CHARGE_SFENCE);
    pthread_mutex_lock(&vm->lock);
    if (!has_va)
        *hv_tables_untracked(vm) = false;
    pthread_mutex_unlock(&vm->lock);
}
