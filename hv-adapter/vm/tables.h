/* SPDX-License-Identifier: MIT */
/*
 * Every entry that names a PPN, whichever tables the hardware walks: the S-PT under full
 * virtualization, the guest's own under paravirtualization. With the VM's lock.
 */
#ifndef HV_VM_TABLES_H
#define HV_VM_TABLES_H

#include "vm/vm.h"

/* Takes away the right to write. Whether any entry had it. */
static inline bool hv_tables_write_protect(struct hv_vm *vm, hv_ppn ppn)
{
    return vm->para ? hv_para_write_protect(vm->para, ppn)
                    : hv_shadow_write_protect(&vm->shadow, ppn);
}

/* The page came, or its reasons changed: entries of a paravirtualized guest get what they may have
 * at once; an S-PT is filled by the next access. */
static inline void hv_tables_refresh(struct hv_vm *vm, hv_ppn ppn)
{
    if (vm->para)
        hv_para_remap(vm->para, ppn, (hv_mpn){hv_physmap_at(&vm->map, ppn)->mpn});
}

/* The page has HV_REASON_SAMPLING: the next access must fault. */
static inline void hv_tables_hide(struct hv_vm *vm, hv_ppn ppn)
{
    hv_tables_refresh(vm, ppn);
    if (!vm->para)
        hv_shadow_zap(&vm->shadow, ppn);
}

/* Entries name this MPN from now on. The caller has set the page's new reasons before. */
static inline void hv_tables_remap(struct hv_vm *vm, hv_ppn ppn, hv_mpn mpn)
{
    if (vm->para)
        hv_para_remap(vm->para, ppn, mpn);
    else
        hv_shadow_remap(&vm->shadow, ppn, mpn);
}

/* The page goes: S-PT entries too, and it stops being a table; a paravirtualized guest's entries
 * wait for it to come back. */
static inline void hv_tables_zap(struct hv_vm *vm, hv_ppn ppn)
{
    if (vm->para) {
        hv_para_remap(vm->para, ppn, (hv_mpn){HV_MPN_NONE});
        return;
    }
    hv_shadow_drop_table(&vm->shadow, ppn);
    hv_shadow_zap(&vm->shadow, ppn);
}

/* All tables go: the VM ends. */
static inline void hv_tables_flush(struct hv_vm *vm)
{
    if (vm->para)
        hv_para_flush(vm->para);
    else
        hv_shadow_flush(&vm->shadow);
}

static inline uint64_t hv_tables_count(const struct hv_vm *vm, hv_ppn ppn, uint64_t *writable)
{
    return vm->para ? hv_para_count(vm->para, ppn, writable)
                    : hv_shadow_count(&vm->shadow, ppn, writable);
}

/* Whether the TLB may hold a right to write that no entry shows any more. */
static inline bool *hv_tables_untracked(struct hv_vm *vm)
{
    return vm->para ? &vm->para->writes_untracked : &vm->shadow.writes_untracked;
}

/* Whether entries, reasons and physmap agree on this page. */
static inline bool hv_tables_page_is_valid(const struct hv_vm *vm, hv_ppn ppn)
{
    return hv_physmap_entry_is_valid(hv_physmap_at(&vm->map, ppn)) &&
           !(vm->para ? hv_para_page_fault(vm->para, ppn) : hv_shadow_page_fault(&vm->shadow, ppn));
}

static inline const char *hv_tables_check(const struct hv_vm *vm)
{
    const char *wrong = hv_physmap_check(&vm->map);
    if (wrong)
        return wrong;
    return vm->para ? hv_para_check(vm->para) : hv_shadow_check(&vm->shadow);
}

#endif
