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
#include "tables/para.h"

#include "cpu/access.h"
#include "cpu/access_kind.h"
#include "residence/guest_mem.h"
#include "world/vm_state.h"

#define SATP_SV39 (UINT64_C(8) << 60)

enum step { STEP_PAGE, STEP_MMIO, STEP_FAULT, STEP_AGAIN, STEP_BREAK, STEP_STOP };

struct miss {
    struct hv_vm *vm;
    struct hv_mmu mmu;
    uint64_t va;
    enum hv_access access;
    hv_ppn ppn; /* STEP_BREAK: whose sharing stands in the way */
};

static uint8_t *machine_at(const struct hv_vm *vm, uint64_t machine_address)
{
    hv_mpn mpn = {machine_address >> HV_PAGE_SHIFT};
    return mpn.n < vm->world->machine.pages
               ? hv_machine_page(&vm->world->machine, mpn) + hv_page_offset(machine_address)
               : NULL;
}

static bool walk_read(void *ctx, uint64_t machine_address, uint64_t *pte)
{
    const uint8_t *at = machine_at(((struct miss *)ctx)->vm, machine_address);
    if (at)
        *pte = hv_mem_load(at, 8);
    return at != NULL;
}

/* The lock is held and nobody else writes tables: what was read is still there. */
static bool walk_update(void *ctx, uint64_t machine_address, uint64_t *expected, uint64_t desired)
{
    uint8_t *at = machine_at(((struct miss *)ctx)->vm, machine_address);
    if (at && hv_mem_load(at, 8) == *expected)
        hv_mem_store(at, 8, desired);
    return at != NULL;
}

static enum step fault(const struct miss *miss, struct hv_tlb_fill *out)
{
    out->cause = hv_access_fault(miss->access);
    return STEP_FAULT;
}

/* The guest's PPN -> MPN table, read-only, and the devices. */
static enum step in_window(const struct miss *miss, struct hv_tlb_fill *out)
{
    const struct hv_p2m *p2m = &miss->vm->para->p2m;
    uint64_t offset = miss->va - HV_PARA_P2M_VA;
    if (miss->mmu.priv != HV_PRIV_S)
        return fault(miss, out);
    if (miss->va < HV_PARA_P2M_VA) {
        out->gpa = miss->va - HV_PARA_DEVICES_VA;
        return hv_is_device(out->gpa) ? STEP_MMIO : fault(miss, out);
    }
    if (offset >= p2m->nbytes || miss->access != HV_ACCESS_LOAD)
        return fault(miss, out);
    out->page = (uint8_t *)p2m->mpn + (offset & ~(HV_PAGE_BYTES - 1));
    out->allow = HV_ALLOW_READ;
    return STEP_PAGE;
}

/* Before the first SwitchPT addresses are guest-physical. What is stored to is in no entry. */
static enum step untranslated(struct miss *miss, struct hv_tlb_fill *out)
{
    struct hv_vm *vm = miss->vm;
    bool store = hv_access_stores(miss->access);
    hv_ppn ppn = hv_ppn_of(miss->va);
    struct hv_physmap_entry *page = hv_physmap_at(&vm->map, ppn);
    out->gpa = miss->va;
    if (!page)
        return hv_is_device(miss->va) ? STEP_MMIO : fault(miss, out);
    if (store && (page->reasons & HV_REASON_PARA_TABLE))
        return fault(miss, out);
    if (!hv_guest_touch(vm, ppn))
        return STEP_STOP;
    if (page->reasons & HV_REASON_SAMPLING)
        hv_sample_touched(vm, page);
    if (store && page->reasons) {
        miss->ppn = ppn;
        return STEP_BREAK;
    }
    vm->para->writes_untracked |= store;
    out->page = hv_machine_page(&vm->world->machine, (hv_mpn){page->mpn});
    out->allow = HV_ALLOW_READ | HV_ALLOW_EXEC | (store ? HV_ALLOW_WRITE : 0);
    return STEP_PAGE;
}

/* The walk ended in a page fault. It is the VMM's own if the guest's entry allows the access and
 * only the page is not ready for it; else the guest's. */
static enum step not_ready(struct miss *miss, const struct hv_sv39_walk *walk)
{
    struct hv_vm *vm = miss->vm;
    struct hv_para_path path = hv_para_path(vm->para, miss->va);
    if (!path.mapped || walk->steps != HV_SV39_LEVELS)
        return STEP_FAULT;
    uint64_t leaf = walk->pte[HV_SV39_LEVELS - 1];
    uint64_t wanted = leaf | HV_PTE_V | (leaf & HV_PARA_COW ? HV_PTE_W : 0);
    unsigned needs = hv_access_needs(miss->access);
    struct hv_physmap_entry *page = hv_physmap_at(&vm->map, path.ppn);
    if (wanted == leaf || (hv_sv39_permitted(wanted, &miss->mmu) & needs) != needs)
        return STEP_FAULT;
    if (page->mpn == HV_MPN_NONE && (hv_vm_starves(vm) || !hv_guest_touch(vm, path.ppn)))
        return STEP_STOP;
    if (page->reasons & HV_REASON_SAMPLING)
        hv_sample_touched(vm, page);
    if (!(leaf & HV_PTE_V))
        return STEP_AGAIN;
    miss->ppn = path.ppn;
    return page->reasons & HV_REASON_SHARING ? STEP_BREAK : STEP_FAULT;
}

static enum step look(struct miss *miss, struct hv_tlb_fill *out)
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
    return STEP_PAGE;
}

enum hv_fill hv_para_fill(void *ctx, uint64_t va, enum hv_access access, struct hv_tlb_fill *out)
{
    struct hv_vm *vm = ctx;
    struct miss miss = {.vm = vm, .mmu = hv_hart_mmu(vm->hart), .va = va, .access = access};
    for (;;) {
        pthread_mutex_lock(&vm->lock);
        enum step step = look(&miss, out);
        pthread_mutex_unlock(&vm->lock);
        switch (step) {
        case STEP_PAGE:
            return HV_FILL_PAGE;
        case STEP_MMIO:
            return HV_FILL_MMIO;
        case STEP_FAULT:
            return HV_FILL_FAULT;
        case STEP_AGAIN:
            break;
        case STEP_BREAK: /* the hart was paused: the instruction starts over */
            if (!hv_vm_starves(vm))
                (void)hv_share_break(vm, miss.ppn);
            return HV_FILL_STOP;
        case STEP_STOP:
            return HV_FILL_STOP;
        }
    }
}

/* SwitchPT is the way. */
bool hv_para_satp(void *ctx, uint64_t satp)
{
    (void)ctx, (void)satp;
    return false;
}
