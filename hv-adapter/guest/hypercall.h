/* SPDX-License-Identifier: MIT */
/*
 * The hypercalls of a paravirtualized guest: all that it and the VMM agree on. Included by both.
 *
 * The guest's page tables are Sv39 tables that hold machine page numbers, and what the hardware
 * walks. The guest may read them and never writes them: it asks for each change. It knows its own
 * PPN -> MPN from a table that the VMM keeps up to date in a window of every address space.
 *
 * Calls are ecalls from S mode: a7 the extension, a6 the call, a0.. the arguments; a0 comes back as
 * enum hv_para_result, a1 as a value. At boot there is no translation (an address is
 * guest-physical) until the first SwitchPT; satp stays 0 for ever, writing it is illegal.
 *
 * The top two gigabytes of every address space are the VMM's windows, for S mode alone:
 *   HV_PARA_P2M_VA      read-only: 64-bit word i is the MPN of the i-th page of RAM
 *   HV_PARA_DEVICES_VA  + guest-physical address: the devices
 */
#ifndef HV_HYPERCALL_H
#define HV_HYPERCALL_H

#include <stdint.h>

#define HV_PARA_EXTENSION  0x08000000u /* the first of SBI's experimental extensions */
#define HV_PARA_DEVICES_VA UINT64_C(0xffffffff80000000)
#define HV_PARA_P2M_VA     UINT64_C(0xffffffffc0000000)

/* In the window and in an entry: the page has no machine page (never touched, in the balloon). */
#define HV_PARA_ABSENT ((UINT64_C(1) << 44) - 1)

enum hv_para_call {
    /*
     * CreatePT(a0 PPN, a1 level): the page becomes an empty page table of level 2 (root), 1 or 0.
     * From now on it is the VMM's; it may be mapped read-only. BUSY: mapped writable. INVALID: no
     * such level, or a table already. NOMEM: the VM has as many tables as it may.
     */
    HV_PARA_CREATE_PT = 0,
    /*
     * UpdatePT(a0 guest-physical address of struct hv_para_update[], a1 count, at most
     * HV_PARA_BATCH_MAX): in order, up to the first that fails; a1 is how many were done. The array
     * is copied once. See struct hv_para_update.
     */
    HV_PARA_UPDATE_PT = 1,
    /* SwitchPT(a0 PPN of a root): the address space of now; flushes the TLB. */
    HV_PARA_SWITCH_PT = 2,
    /*
     * DestroyPT(a0 PPN): its entries go, the page is an ordinary page of zeros again. BUSY: another
     * table names it, or it is the root of now.
     */
    HV_PARA_DESTROY_PT = 3,
    /* FlushTLB(a0 virtual address, a1 pages; 0 pages: all): needed after taking away from, not
     * after adding to what is mapped. */
    HV_PARA_FLUSH_TLB = 4,
    HV_PARA_CALLS
};

enum hv_para_result {
    HV_PARA_OK = 0,
    HV_PARA_UNKNOWN = -2, /* no such call, as SBI has it */
    HV_PARA_INVALID = -3, /* an argument or entry that means nothing */
    HV_PARA_DENIED = -4,  /* an MPN that never was this VM's; a right that no guest has */
    HV_PARA_ADDRESS = -5, /* not this VM's memory */
    HV_PARA_BUSY = -100,  /* still in use: see the call */
    HV_PARA_NOMEM = -101,
    HV_PARA_RETRY = -102, /* the MPN was this page's or another's of this VM and is not any more:
                             read the window again */
};

/*
 * One new entry. Its flags are Sv39's, its number an MPN. 0 clears.
 *   - Level 0: a leaf. `ppn` says which page the MPN backs. HV_PARA_ABSENT for a page that is
 *     absent: the entry is valid once an access has given it a machine page of zeros. W for a page
 *     that is shared: the entry is read-only and has HV_PARA_COW; the first store breaks the
 *     sharing and brings the right. W for a page table: DENIED. A page that HV_PARA_MAPS_MAX
 *     entries name already: NOMEM.
 *   - Levels 1 and 2: V and no other flag, `ppn` a table of the level below. There are no
 *     superpages: machine pages are nobody's neighbours. The windows' slots are the VMM's (DENIED).
 * Bit 9 is the guest's own. A and D are set by the hardware.
 */
struct hv_para_update {
    uint64_t at; /* guest-physical address of the entry: a table's page, and the slot in it */
    uint64_t entry;
    uint64_t ppn;
};

#define HV_PARA_BATCH_MAX 128
#define HV_PARA_MAPS_MAX  4096 /* leaves of one page: when it moves, all are rewritten at once */
#define HV_PARA_COW       (UINT64_C(1) << 8) /* the VMM's own flag: W waits for a break, or the page */

#endif
