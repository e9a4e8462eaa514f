/* SPDX-License-Identifier: MIT */
/*
 * A TLB miss: S-PT, else guest page table, physmap, and a new S-PT entry.
 *
 *     fill:  S-PT hit ------------------------------------------------> TLB
 *            else guest walk -> physmap (first touch: a machine page) -> S-PT -> TLB
 *            a store to a page on a shared frame: share_break, and again
 *            a store to a guest page table: done without a TLB entry, then applied to the S-PT
 *
 * A fetch does not ask for the right to write: what is only executed and read has no writable S-PT
 * entry, and is shared without COW marking even where the guest's kernel maps everything writable.
 */
#include "cpu/access_kind.h"
#include "residence/guest_mem.h"
#include "tables/tables.h"
#include "world/vm_state.h"

enum step {
    STEP_PAGE,
    STEP_WATCHED,
    STEP_MMIO,
    STEP_FAULT,
    STEP_BREAK, /* of `ppn`, then the instruction again */
    STEP_STOP,
};

struct miss {
    struct hv_vm *vm;
    struct hv_mmu mmu;
    uint64_t va;
    enum hv_access access;
    bool store;
    hv_ppn ppn; /* STEP_BREAK: whose sharing stands in the way */
    bool shared_table;
};

static bool walk_read(void *ctx, uint64_t gpa, uint64_t *pte)
{
    return hv_guest_read_pte(((struct miss *)ctx)->vm, gpa, pte);
}

static bool walk_update(void *ctx, uint64_t gpa, uint64_t *expected, uint64_t desired)
{
    struct miss *miss = ctx;
    enum hv_guest_update update = hv_guest_update_pte(miss->vm, gpa, expected, desired);
    if (update == HV_UPDATE_SHARED) {
        miss->shared_table = true;
        miss->ppn = hv_ppn_of(gpa);
    }
    return update == HV_UPDATE_DONE;
}

/* Whether the S-PT has the answer. */
static bool hit(const struct miss *miss, struct hv_tlb_fill *out)
{
    struct hv_vm *vm = miss->vm;
    struct hv_shadow_hit found = hv_shadow_lookup(&vm->shadow, &miss->mmu, miss->va);
    if ((found.allow & hv_access_needs(miss->access)) != hv_access_needs(miss->access))
        return false;
    out->page = hv_machine_page(&vm->world->machine, found.mpn);
    out->allow = found.allow;
    out->span_bits = found.span_bits;
    return true;
}

/* The guest's tables gave walk->gpa: memory, a device, or nothing. */
static enum step found(struct miss *miss, const struct hv_sv39_walk *walk, struct hv_tlb_fill *out)
{
    struct hv_vm *vm = miss->vm;
    struct hv_physmap_entry *page = hv_physmap_at(&vm->map, hv_ppn_of(walk->gpa));
    out->gpa = walk->gpa;
    out->cause = hv_access_fault(miss->access);
    if (!page)
        return hv_is_device(walk->gpa) ? STEP_MMIO : STEP_FAULT;
    if ((page->mpn == HV_MPN_NONE && hv_vm_starves(vm)) ||
        !hv_guest_touch(vm, hv_ppn_of(walk->gpa)))
        return STEP_STOP;
    if (page->reasons & HV_REASON_SAMPLING)
        hv_sample_touched(vm, page);
    if (miss->store && (page->reasons & HV_REASON_SHARING)) {
        miss->ppn = hv_ppn_of(walk->gpa);
        return STEP_BREAK;
    }
    if (!hv_shadow_install(&vm->shadow, miss->va, walk, miss->access != HV_ACCESS_FETCH)) {
        hv_vm_fail(vm, "the host has no memory for shadow page tables");
        return STEP_STOP;
    }
    hv_vm_charge(vm, HV_CHARGE_SHADOW_FILL);
    if (miss->store && (page->reasons & HV_REASON_TABLE)) {
        out->page = hv_machine_page(&vm->world->machine, (hv_mpn){page->mpn});
        vm->counts.pt_write_traps++;
        hv_vm_charge(vm, HV_CHARGE_PT_WRITE);
        return STEP_WATCHED;
    }
    if (hit(miss, out))
        return STEP_PAGE;
    hv_vm_fail(vm, "a shadow page table entry does not allow what the guest's does");
    return STEP_STOP;
}

static enum step look(struct miss *miss, struct hv_tlb_fill *out)
{
    static const struct hv_sv39_ops ops = {walk_read, walk_update};
    struct hv_sv39_walk walk;
    if (hit(miss, out)) {
        hv_vm_charge(miss->vm, HV_CHARGE_TLB_FILL);
        return STEP_PAGE;
    }
    miss->shared_table = false;
    unsigned cause = hv_sv39_walk(&ops, miss, &miss->mmu, miss->va, miss->access, &walk);
    if (miss->shared_table)
        return STEP_BREAK;
    if (cause) {
        out->cause = (enum hv_cause)cause;
        return STEP_FAULT;
    }
    return found(miss, &walk, out);
}

enum hv_fill hv_fault_fill(void *ctx, uint64_t va, enum hv_access access, struct hv_tlb_fill *out)
{
    struct hv_vm *vm = ctx;
    struct miss miss = {.vm = vm,
                        .mmu = hv_hart_mmu(vm->hart),
                        .va = va,
                        .access = access,
                        .store = hv_access_stores(access)};
    pthread_mutex_lock(&vm->lock);
    enum step step = look(&miss, out);
    pthread_mutex_unlock(&vm->lock);
    switch (step) {
    case STEP_PAGE:
        return HV_FILL_PAGE;
    case STEP_WATCHED:
        return HV_FILL_WATCHED;
    case STEP_MMIO:
        return HV_FILL_MMIO;
    case STEP_FAULT:
        return HV_FILL_FAULT;
    case STEP_BREAK: /* the hart was paused: the instruction starts over */
        if (!hv_vm_starves(vm))
            (void)hv_share_break(vm, miss.ppn);
        return HV_FILL_STOP;
    case STEP_STOP:
        break;
    }
    return HV_FILL_STOP;
}

void hv_fault_wrote(void *ctx, uint64_t gpa, unsigned nbytes)
{
    struct hv_vm *vm = ctx;
    pthread_mutex_lock(&vm->lock);
    hv_shadow_written(&vm->shadow, gpa, nbytes, true);
    pthread_mutex_unlock(&vm->lock);
}

bool hv_fault_satp(void *ctx, uint64_t satp)
{
    struct hv_vm *vm = ctx;
    vm->counts.satp_writes++;
    hv_vm_charge(vm, HV_CHARGE_SATP_WRITE);
    pthread_mutex_lock(&vm->lock);
    hv_shadow_switch(&vm->shadow, satp);
    vm->shadow.writes_untracked = false; /* the TLB is empty */
    pthread_mutex_unlock(&vm->lock);
    return true;
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
