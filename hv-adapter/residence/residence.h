/* SPDX-License-Identifier: MIT */
/*
 * The one door of a page: how it comes to have a machine page, and how it loses it.
 *
 *     arrives   first touch: a page of zeros          from the paging file: its bytes
 *               out of the balloon, by a touch: zeros (the driver's deflate only lifts the mark)
 *     departs   into the balloon                      to the paging file
 *               reported free, dropped                VM exit
 *
 * Everything about a page changes here together: physmap, entries of tables, TLBs, what the engine
 * knows, its slot in the paging file, its marks and their counts. Merges and breaks do not pass:
 * there a page stays and changes its machine page (share_glue.c).
 *
 * A page that is pinned, or a page table of a paravirtualized guest, does not depart.
 */
#ifndef HV_RESIDENCE_H
#define HV_RESIDENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memory/pages.h"

struct hv_vm;

/* With the VM's lock: the page has a machine page, if need be a new one. False: the VM has failed.
 */
bool hv_page_arrive(struct hv_vm *vm, hv_ppn ppn);
/* The same for an access of the guest itself, which a sample counts, and which waits for the next
 * turn while machine memory is short. False: the VM has failed, or waits. */
bool hv_page_access(struct hv_vm *vm, hv_ppn ppn);

enum hv_departure {
    HV_DEPART_FREE,      /* its content is needed no more */
    HV_DEPART_BALLOON,   /* that, and the balloon's driver holds it */
    HV_DEPART_PAGED_OUT, /* its content goes to the paging file; only if it has a machine page */
};
/* No lock held. The page leaves physmap, tables and TLB, then the engine, then the machine. A page
 * that is absent gets the balloon's mark, or loses its slot. False: the page stays as it was: it is
 * pinned or a page table; or, to be paged out, it is absent or the paging file failed. */
bool hv_page_depart(struct hv_vm *vm, hv_ppn ppn, enum hv_departure how);
/* The driver takes the page out of the balloon. Whether it was there. */
bool hv_page_deflate(struct hv_vm *vm, hv_ppn ppn);
/* The VM ends: every page departs, and the engine knows the VM no more. No lock held. */
void hv_pages_leave(struct hv_vm *vm);

/* With the VM's lock; the page is paged out: reads its bytes and leaves it there. */
bool hv_page_peek_paged(const struct hv_vm *vm, hv_ppn ppn, size_t offset, void *bytes,
                        size_t nbytes);

/* Whether machine memory is so short that this VM must wait for the next turn to get some. */
bool hv_vm_starves(struct hv_vm *vm);

#endif
