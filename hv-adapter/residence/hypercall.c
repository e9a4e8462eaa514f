/* SPDX-License-Identifier: MIT */
/*
 * Hypercalls: what a paravirtualized guest asks for, checked and done. See guest/hypercall.h.
 *
 * All that comes from the guest is copied once, and the copy is checked and used. A check that
 * fails leaves everything as it was. What passes here is what the hardware walks: hence no entry
 * names a machine page that is not behind the page that it was said to be behind, at this moment,
 * under the lock that every move of a page takes.
 */
#include "residence/hypercall.h"

#include "residence/guest_mem.h"
#include "residence/residence.h"
#include "residence/sample.h"
#include "residence/share_glue.h"
#include "vm/ending.h"
#include "vm/tables.h"

enum { REG_A0 = 10 };

#define ROOT_LEVEL (HV_SV39_LEVELS - 1)
#define GUEST_FLAGS                                                                          \
    (HV_PTE_V | HV_PTE_R | HV_PTE_W | HV_PTE_X | HV_PTE_U | HV_PTE_G | HV_PTE_A | HV_PTE_D | \
     1u << 9)
#define ENTRY_FLAGS (UINT64_C(1023) | UINT64_MAX << 54)

static uint64_t arg(const struct hv_vm *vm, unsigned i)
{
    return hv_hart_reg(vm->hart, REG_A0 + i);
}

/* One look at the page that is to become a table, with the lock. BUSY + `shared`: break it first.
 */
static enum hv_para_result try_create(struct hv_vm *vm, hv_ppn ppn, unsigned level, bool *shared)
{
    struct hv_physmap_entry *page = hv_physmap_at(&vm->map, ppn);
    uint64_t writable;
    *shared = false;
    if (page->reasons & HV_REASON_PARA_TABLE)
        return HV_PARA_INVALID;
    if (page->pins)
        return HV_PARA_RETRY;
    if (!hv_page_arrive(vm, ppn))
        return HV_PARA_NOMEM;
    if (page->reasons & HV_REASON_SAMPLING)
        hv_sample_touched(vm, page);
    *shared = page->reasons != 0;
    if (*shared)
        return HV_PARA_BUSY;
    hv_para_count(vm->para, ppn, &writable); /* those that the guest wants writable have W now */
    if (writable)
        return HV_PARA_BUSY;
    if (!hv_para_table_new(vm->para, ppn, level))
        return HV_PARA_NOMEM;
    /* No translation of before, by whatever address space, may write what is walked from now on. */
    hv_hart_tlb_drop_host_page(vm->hart, hv_machine_page(vm->machine, (hv_mpn){page->mpn}));
    return HV_PARA_OK;
}

static enum hv_para_result create_pt(struct hv_vm *vm, hv_ppn ppn, uint64_t level)
{
    if (level > ROOT_LEVEL)
        return HV_PARA_INVALID;
    if (!hv_physmap_at(&vm->map, ppn))
        return HV_PARA_ADDRESS;
    for (;;) {
        bool shared;
        pthread_mutex_lock(&vm->lock);
        enum hv_para_result result = try_create(vm, ppn, (unsigned)level, &shared);
        pthread_mutex_unlock(&vm->lock);
        if (shared && !hv_share_break(vm, ppn))
            return HV_PARA_NOMEM;
        if (shared)
            continue;
        if (result == HV_PARA_OK && !hv_share_forget(vm, ppn))
            hv_vm_fail(vm, "a page table was on a shared frame");
        return result;
    }
}

/* Whether an MPN in an entry is the page's of now. */
static enum hv_para_result check_mpn(const struct hv_vm *vm, const struct hv_physmap_entry *page,
                                     uint64_t mpn)
{
    if (mpn == (page->mpn == HV_MPN_NONE ? HV_PARA_ABSENT : page->mpn))
        return HV_PARA_OK;
    return mpn == HV_PARA_ABSENT || hv_p2m_was(&vm->para->p2m, mpn) ? HV_PARA_RETRY
                                                                    : HV_PARA_DENIED;
}

static enum hv_para_result check_leaf(const struct hv_vm *vm, const struct hv_physmap_entry *page,
                                      uint64_t entry)
{
    if (!hv_sv39_is_leaf(entry, 0))
        return HV_PARA_INVALID;
    if ((entry & HV_PTE_W) && (page->reasons & HV_REASON_PARA_TABLE))
        return HV_PARA_DENIED;
    if (vm->para->leaves[page - vm->map.entries] >= HV_PARA_MAPS_MAX)
        return HV_PARA_NOMEM;
    return HV_PARA_OK;
}

static enum hv_para_result check_branch(const struct hv_vm *vm, const struct hv_para_table *table,
                                        unsigned slot, uint64_t entry, hv_ppn ppn)
{
    const struct hv_para_table *child = hv_para_table_at(vm->para, ppn);
    if ((entry & ENTRY_FLAGS) != HV_PTE_V || !child || child->level + 1 != table->level)
        return HV_PARA_INVALID;
    if (table->level == ROOT_LEVEL && slot >= HV_PARA_WINDOW_SLOT)
        return HV_PARA_DENIED;
    return HV_PARA_OK;
}

/* With the lock. */
static enum hv_para_result update(struct hv_vm *vm, const struct hv_para_update *u)
{
    struct hv_para_table *table = hv_para_table_at(vm->para, hv_ppn_of(u->at));
    unsigned slot = (unsigned)(hv_page_offset(u->at) / 8);
    hv_ppn ppn = {u->ppn};
    struct hv_physmap_entry *page = hv_physmap_at(&vm->map, ppn);
    if (!hv_guest_has(vm, u->at, 8))
        return HV_PARA_ADDRESS;
    if (!table || u->at % 8)
        return HV_PARA_INVALID;
    if (u->entry == 0) {
        hv_para_entry_set(vm->para, table, slot, 0, ppn);
        return HV_PARA_OK;
    }
    if (!page)
        return HV_PARA_ADDRESS;
    if (u->entry & ENTRY_FLAGS & ~(uint64_t)GUEST_FLAGS)
        return HV_PARA_INVALID;
    enum hv_para_result result = table->level ? check_branch(vm, table, slot, u->entry, ppn)
                                              : check_leaf(vm, page, u->entry);
    if (result == HV_PARA_OK)
        result = check_mpn(vm, page, hv_sv39_ppn(u->entry));
    if (result != HV_PARA_OK)
        return result;
    hv_para_entry_set(vm->para, table, slot, u->entry, ppn);
    return HV_PARA_OK;
}

static enum hv_para_result update_pt(struct hv_vm *vm, uint64_t gpa, uint64_t count, uint64_t *done)
{
    struct hv_para_update batch[HV_PARA_BATCH_MAX];
    enum hv_para_result result = HV_PARA_OK;
    *done = 0;
    if (count > HV_PARA_BATCH_MAX || gpa % 8)
        return HV_PARA_INVALID;
    if (!hv_guest_read(vm, gpa, batch, count * sizeof *batch))
        return HV_PARA_ADDRESS;
    pthread_mutex_lock(&vm->lock);
    while (*done < count && result == HV_PARA_OK) {
        result = update(vm, &batch[*done]);
        *done += result == HV_PARA_OK;
    }
    pthread_mutex_unlock(&vm->lock);
    vm->para->stats.updates += *done;
    vm->charged += *done * (uint64_t)HV_CHARGE_PT_UPDATE;
    return result;
}

static enum hv_para_result switch_pt(struct hv_vm *vm, hv_ppn ppn)
{
    if (!hv_physmap_at(&vm->map, ppn))
        return HV_PARA_ADDRESS;
    pthread_mutex_lock(&vm->lock);
    const struct hv_para_table *table = hv_para_table_at(vm->para, ppn);
    bool root = table && table->level == ROOT_LEVEL;
    if (root) {
        vm->para->root = vm->para->table_of[ppn.n - vm->map.begin.n];
        hv_hart_tlb_flush(vm->hart);
        vm->para->writes_untracked = false; /* the TLB is empty */
    }
    pthread_mutex_unlock(&vm->lock);
    return root ? HV_PARA_OK : HV_PARA_INVALID;
}

static enum hv_para_result destroy_pt(struct hv_vm *vm, hv_ppn ppn)
{
    enum hv_para_result result = HV_PARA_OK;
    if (!hv_physmap_at(&vm->map, ppn))
        return HV_PARA_ADDRESS;
    pthread_mutex_lock(&vm->lock);
    struct hv_para_table *table = hv_para_table_at(vm->para, ppn);
    if (!table)
        result = HV_PARA_INVALID;
    else if (table->parents || vm->para->root == vm->para->table_of[ppn.n - vm->map.begin.n])
        result = HV_PARA_BUSY;
    else
        hv_para_table_free(vm->para, table);
    pthread_mutex_unlock(&vm->lock);
    return result;
}

/* The TLB has no more pages than this: one by one is not cheaper. */
static void flush_tlb(struct hv_vm *vm, uint64_t va, uint64_t pages)
{
    enum { ONE_BY_ONE_MAX = 64 };
    bool all = pages == 0 || pages > ONE_BY_ONE_MAX;
    pthread_mutex_lock(&vm->lock);
    for (uint64_t i = 0; !all && i < pages; i++)
        hv_hart_tlb_flush_page(vm->hart, va + i * HV_PAGE_BYTES);
    if (all) {
        hv_hart_tlb_flush(vm->hart);
        vm->para->writes_untracked = false;
    }
    pthread_mutex_unlock(&vm->lock);
}

static struct hv_hypercall_answer call(struct hv_vm *vm, uint64_t number)
{
    struct hv_hypercall_answer answer = {HV_PARA_OK, 0};
    switch (number) {
    case HV_PARA_CREATE_PT:
        answer.error = create_pt(vm, (hv_ppn){arg(vm, 0)}, arg(vm, 1));
        break;
    case HV_PARA_UPDATE_PT:
        answer.error = update_pt(vm, arg(vm, 0), arg(vm, 1), &answer.value);
        break;
    case HV_PARA_SWITCH_PT:
        answer.error = switch_pt(vm, (hv_ppn){arg(vm, 0)});
        break;
    case HV_PARA_DESTROY_PT:
        answer.error = destroy_pt(vm, (hv_ppn){arg(vm, 0)});
        break;
    case HV_PARA_FLUSH_TLB:
        flush_tlb(vm, arg(vm, 0), arg(vm, 1));
        break;
    default:
        answer.error = HV_PARA_UNKNOWN;
    }
    return answer;
}

struct hv_hypercall_answer hv_hypercall(struct hv_vm *vm, uint64_t number)
{
    struct hv_hypercall_answer answer = call(vm, number);
    vm->para->stats.hypercalls++;
    if (answer.error == HV_PARA_RETRY)
        vm->para->stats.retries++;
    else if (answer.error != HV_PARA_OK)
        vm->para->stats.refused++;
    return answer;
}
