/* SPDX-License-Identifier: MIT */
/*
 * The one door to guest bytes: everything that the VMM itself reads or writes of a guest's memory
 * (device rings, loader, console, accessed and dirty bits) goes through here.
 *
 * Every address is checked. A write first takes the page from its shared frame, pins it while it is
 * written, and tells the shadow page tables if the page is one of the guest's. Callers copy in
 * once, check the copy and use the copy.
 */
#ifndef HV_GUEST_MEM_H
#define HV_GUEST_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memory/pages.h"

struct hv_vm;

/* Without the VM's lock. False if not all of it is the VM's memory (then nothing is done), or the
 * VM has failed for want of machine memory, or a page table of a paravirtualized guest was to be
 * written (what lies before it is done). Pages never touched read as zero and stay absent. */
bool hv_guest_read(struct hv_vm *vm, uint64_t gpa, void *bytes, size_t nbytes);
bool hv_guest_write(struct hv_vm *vm, uint64_t gpa, const void *bytes, size_t nbytes);

/* With the VM's lock, for the walker. gpa is a multiple of 8. */
bool hv_guest_read_pte(struct hv_vm *vm, uint64_t gpa, uint64_t *pte);
enum hv_guest_update {
    HV_UPDATE_DONE,   /* *expected is what was there; if it was as expected, it is now desired */
    HV_UPDATE_SHARED, /* break the sharing of this page first */
    HV_UPDATE_NONE,   /* no memory there */
};
enum hv_guest_update hv_guest_update_pte(struct hv_vm *vm, uint64_t gpa, uint64_t *expected,
                                         uint64_t desired);

/* Whether all these bytes are the VM's memory. */
bool hv_guest_has(const struct hv_vm *vm, uint64_t gpa, uint64_t nbytes);

#endif
