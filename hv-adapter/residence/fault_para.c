/* SPDX-License-Identifier: MIT */
/*
 * A TLB miss of a paravirtualized guest: the hardware walks the guest's own tables.
 *
 *     windows, no root yet:  the answer is fixed
 *     else:                  Sv39 walk over machine memory -> TLB
 *     a leaf that is not valid because its page is absent or sampled: it comes back, and again
 *     a store where COW stands for W: share_break, and again
 *
 * The walk is the one of the CPU, its root an MPN: every entry was written by the VMM.
 */
#include "cpu/access.h"
#include "cpu/access_kind.h"
#include "memory/guest_map.h"
#include "residence/fault.h"
#include "residence/residence.h"
#include "vm/vm.h"

#define SATP_SV39 (UINT64_C(8) << 60)

static uint8_t *machine_at(const struct hv_vm *vm, uint64_t machine_address)
{
    hv_mpn mpn = {machine_address >> HV_PAGE_SHIFT};
    return mpn.n < vm->machine->pages
               ? hv_machine_page(vm->machine, mpn) + hv_page_offset(machine_address)
               : NULL;
}

static bool walk_read(void *ctx, uint64_t machine_address, uint64_t *pte)
{
    const uint8_t *at = machine_at(((struct hv_miss *)ctx)->vm, machine_address);
    if (at)
        *pte = hv_mem_load(at, 8);
    return at != NULL;
}

/* The lock is held and nobody else writes tables: what was read is still there. */
static bool walk_update(void *ctx, uint64_t machine_address, uint64_t *expected, uint64_t desired)
{
    uint8_t *at = machine_at(((struct hv_miss *)ctx)->vm, machine_address);
    if (at && hv_mem_load(at, 8) == *expected)
        hv_mem_store(at, 8, desired);
    return at != NULL;
}

/* The guest's PPN -> MPN table, read-only, and the devices. */
static enum hv_step in_window(const struct hv_miss *miss, struct hv_tlb_fill *out)
{
    const struct hv_p2m *p2m = &miss->vm->para->p2m;
    uint64_t offset = miss->va - HV_PARA_P2M_VA;
    if (miss->mmu.priv != HV_PRIV_S)
        return hv_miss_nothing(miss, out);
    if (miss->va < HV_PARA_P2M_VA)
        return hv_miss_no_memory(miss, miss->va - HV_PARA_DEVICES_VA, out);
    if (offset >= p2m->nbytes || miss->access != HV_ACCESS_LOAD)
        return hv_miss_nothing(miss, out);
    out->page = (uint8_t *)p2m->mpn + (offset & ~(HV_PAGE_BYTES - 1));
    out->allow = HV_ALLOW_READ;
    return HV_STEP_PAGE;
}

/* Before the first SwitchPT addresses are guest-physical. What is stored to is in no entry. */
static enum hv_step untranslated(struct hv_miss *miss, struct hv_tlb_fill *out)
{
    struct hv_vm *vm = miss->vm;
    hv_ppn ppn = hv_ppn_of(miss->va);
    struct hv_physmap_entry *page = hv_physmap_at(&vm->map, ppn);
    if (!page)
        return hv_miss_no_memory(miss, miss->va, out);
    out->gpa = miss->va;
    if (miss->store && (page->reasons & HV_REASON_PARA_TABLE))
        return hv_miss_nothing(miss, out);
    if (!hv_page_access(vm, ppn))
        return HV_STEP_STOP;
    if (miss->store && page->reasons) {
        miss->ppn = ppn;
        return HV_STEP_BREAK;
    }
    vm->para->writes_untracked |= miss->store;
    out->page = hv_machine_page(vm->machine, (hv_mpn){page->mpn});
    out->allow = HV_ALLOW_READ | HV_ALLOW_EXEC | (miss->store ? HV_ALLOW_WRITE : 0);
    return HV_STEP_PAGE;
}

/* The walk ended in a page fault. It is the VMM's own if the guest's entry allows the access and
 * only the page is not ready for it; else the guest's. */
static enum hv_step not_ready(struct hv_miss *miss, const struct hv_sv39_walk *walk)
{
    struct hv_vm *vm = miss->vm;
    struct hv_para_path path = hv_para_path(vm->para, miss->va);
    if (!path.mapped || walk->steps != HV_SV39_LEVELS)
        return HV_STEP_FAULT;
    uint64_t leaf = walk->pte[HV_SV39_LEVELS - 1];
    uint64_t wanted = leaf | HV_PTE_V | (leaf & HV_PARA_COW ? HV_PTE_W : 0);
    unsigned needs = hv_access_needs(miss->access);
    struct hv_physmap_entry *page = hv_physmap_at(&vm->map, path.ppn);
    if (wanted == leaf || (hv_sv39_permitted(wanted, &miss->mmu) & needs) != needs)
        return HV_STEP_FAULT;
    if (!hv_page_access(vm, path.ppn))
        return HV_STEP_STOP;
    if (!(leaf & HV_PTE_V))
        return HV_STEP_AGAIN;
    miss->ppn = path.ppn;
    return page->reasons & HV_REASON_SHARING ? HV_STEP_BREAK : HV_STEP_FAULT;
}

static enum hv_step look(struct hv_miss *miss, struct hv_tlb_fill *out)
{
    static const struct hv_sv39_ops ops = {walk_read, walk_update};
    struct hv_para *para = miss->vm->para;
    struct hv_sv39_walk walk;
    if (miss->va >= HV_PARA_DEVICES_VA)
        return in_window(miss, out);
    if (para->root == HV_PARA_NONE)
        return untranslated(miss, out);
    hv_vm_charge(miss->vm, HV_CHARGE_TLB_FILL);
    miss->mmu.satp = SATP_SV39 | para->tables[para->root]->mpn.n;
    unsigned cause = hv_sv39_walk(&ops, miss, &miss->mmu, miss->va, miss->access, &walk);
    if (cause) {
        out->cause = (enum hv_cause)cause;
        return not_ready(miss, &walk);
    }
    out->page = machine_at(miss->vm, walk.gpa & ~(HV_PAGE_BYTES - 1));
    out->allow = walk.allow;
    return HV_STEP_PAGE;
}

enum hv_fill hv_para_fill(void *ctx, uint64_t va, enum hv_access access, struct hv_tlb_fill *out)
{
    return hv_miss_fill(ctx, va, access, look, out);
}

/* SwitchPT is the way. */
bool hv_para_satp(void *ctx, uint64_t satp)
{
    (void)ctx, (void)satp;
    return false;
}
