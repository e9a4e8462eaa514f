/* SPDX-License-Identifier: MIT */
/*
 * A TLB miss under full virtualization: S-PT, else guest page table, physmap, and a new S-PT entry.
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
#include "residence/fault.h"
#include "residence/guest_mem.h"
#include "residence/residence.h"
#include "vm/ending.h"
#include "vm/tables.h"

/* A walk on its way. */
struct walk {
    struct hv_miss *miss;
    bool shared_table; /* a page table of the guest is on a shared frame: miss->ppn */
};

static bool walk_read(void *ctx, uint64_t gpa, uint64_t *pte)
{
    return hv_guest_read_pte(((struct walk *)ctx)->miss->vm, gpa, pte);
}

static bool walk_update(void *ctx, uint64_t gpa, uint64_t *expected, uint64_t desired)
{
    struct walk *walk = ctx;
    enum hv_guest_update update = hv_guest_update_pte(walk->miss->vm, gpa, expected, desired);
    if (update == HV_UPDATE_SHARED) {
        walk->shared_table = true;
        walk->miss->ppn = hv_ppn_of(gpa);
    }
    return update == HV_UPDATE_DONE;
}

/* Whether the S-PT has the answer. */
static bool hit(const struct hv_miss *miss, struct hv_tlb_fill *out)
{
    struct hv_vm *vm = miss->vm;
    struct hv_shadow_hit found = hv_shadow_lookup(&vm->shadow, &miss->mmu, miss->va);
    if ((found.allow & hv_access_needs(miss->access)) != hv_access_needs(miss->access))
        return false;
    out->page = hv_machine_page(vm->machine, found.mpn);
    out->allow = found.allow;
    out->span_bits = found.span_bits;
    return true;
}

/* The guest's tables gave walk->gpa: memory, a device, or nothing. */
static enum hv_step found(struct hv_miss *miss, const struct hv_sv39_walk *walk,
                          struct hv_tlb_fill *out)
{
    struct hv_vm *vm = miss->vm;
    struct hv_physmap_entry *page = hv_physmap_at(&vm->map, hv_ppn_of(walk->gpa));
    if (!page)
        return hv_miss_no_memory(miss, walk->gpa, out);
    out->gpa = walk->gpa;
    if (!hv_page_access(vm, hv_ppn_of(walk->gpa)))
        return HV_STEP_STOP;
    if (miss->store && (page->reasons & HV_REASON_SHARING)) {
        miss->ppn = hv_ppn_of(walk->gpa);
        return HV_STEP_BREAK;
    }
    if (!hv_shadow_install(&vm->shadow, miss->va, walk, miss->access != HV_ACCESS_FETCH)) {
        hv_vm_fail(vm, "the host has no memory for shadow page tables");
        return HV_STEP_STOP;
    }
    hv_vm_charge(vm, HV_CHARGE_SHADOW_FILL);
    if (miss->store && (page->reasons & HV_REASON_TABLE)) {
        out->page = hv_machine_page(vm->machine, (hv_mpn){page->mpn});
        vm->counts.pt_write_traps++;
        hv_vm_charge(vm, HV_CHARGE_PT_WRITE);
        return HV_STEP_WATCHED;
    }
    if (hit(miss, out))
        return HV_STEP_PAGE;
    hv_vm_fail(vm, "a shadow page table entry does not allow what the guest's does");
    return HV_STEP_STOP;
}

static enum hv_step look(struct hv_miss *miss, struct hv_tlb_fill *out)
{
    static const struct hv_sv39_ops ops = {walk_read, walk_update};
    struct walk walk = {.miss = miss};
    struct hv_sv39_walk found_at;
    if (hit(miss, out)) {
        hv_vm_charge(miss->vm, HV_CHARGE_TLB_FILL);
        return HV_STEP_PAGE;
    }
    unsigned cause = hv_sv39_walk(&ops, &walk, &miss->mmu, miss->va, miss->access, &found_at);
    if (walk.shared_table)
        return HV_STEP_BREAK;
    if (cause) {
        out->cause = (enum hv_cause)cause;
        return HV_STEP_FAULT;
    }
    return found(miss, &found_at, out);
}

enum hv_fill hv_full_fill(void *ctx, uint64_t va, enum hv_access access, struct hv_tlb_fill *out)
{
    return hv_miss_fill(ctx, va, access, look, out);
}

void hv_full_wrote(void *ctx, uint64_t gpa, unsigned nbytes)
{
    struct hv_vm *vm = ctx;
    pthread_mutex_lock(&vm->lock);
    hv_shadow_written(&vm->shadow, gpa, nbytes, true);
    pthread_mutex_unlock(&vm->lock);
}

bool hv_full_satp(void *ctx, uint64_t satp)
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
