/* SPDX-License-Identifier: MIT */
/*
 * What a VM is: a hart, its physmap and its tables under one lock, a clock, and how it ends. What
 * rooms above keep of it hangs on it by pointers that only they follow.
 *
 * Locks, in this order: a VM's lock (its physmap, tables and the TLB of its hart), then the
 * machine's or the swap's. No share_* function is called with a VM's lock held: the engine's ops
 * take it.
 */
#ifndef HV_VM_VM_H
#define HV_VM_VM_H

#include <pthread.h>
#include <share.h>

#include "cpu/hart.h"
#include "hv.h"
#include "memory/machine.h"
#include "memory/physmap.h"
#include "tables/para.h"
#include "tables/shadow.h"
#include "vm/shootdown.h"

struct hv_board;   /* platform/board.h */
struct hv_commons; /* residence/commons.h */
struct hv_devices; /* virtio/devices.h */
struct hv_sample;  /* residence/sample.h */

struct hv_counts {
    uint64_t pt_write_traps;
    uint64_t satp_writes;
    uint64_t sfences;
    uint64_t first_touches;
    uint64_t breaks;          /* asked of the engine, whatever it said */
    uint64_t balloon_pages;   /* gauge: PPNs with HV_PAGE_BALLOONED */
    uint64_t balloon_touches; /* pages that the guest touched in the balloon, ever */
};

/* Which slot of the paging file has a page. */
struct hv_paged {
    uint32_t *slot;   /* owned: [i] of PPN begin + i, if HV_PAGE_SWAPPED; NULL before the first */
    uint64_t pages;   /* gauge: PPNs with HV_PAGE_SWAPPED */
    uint64_t out, in; /* pages, ever */
};

struct hv_vm {
    struct hv_world *world;     /* borrowed: world/ */
    struct hv_commons *commons; /* borrowed: what the VMs of a world have in common */
    struct hv_machine *machine; /* borrowed: the commons' */
    unsigned index;

    struct hv_hart *hart; /* owned */
    pthread_mutex_t lock; /* owns map, shadow, para, shootdown, sample, paged, and the TLB of a hart
                             that does not run */
    struct hv_shootdown shootdown;
    struct hv_physmap map; /* no entries: the VM has exited */
    struct hv_shadow shadow;
    struct hv_para *para; /* owned; NULL: full virtualization, and only then shadow is used */
    struct hv_paged paged;

    unsigned group;
    bool offered; /* the engine knows it as `share` */
    share_vm share;

    uint64_t skipped;     /* ticks that wfi jumped over, or that it stood still */
    uint64_t charged;     /* ticks that events cost */
    uint64_t ran;         /* the world's ticks when it last executed something */
    bool waiting;         /* in wfi, or suspended by SBI: until an interrupt that sie enables */
    uint64_t waits_ticks; /* for memory, without a page meanwhile */
    bool starved;         /* no machine memory for it now: its turn is over */
    bool hungry;          /* that happened in this turn */

    enum hv_state state;
    char reason[192];
    struct hv_counts counts;
    struct hv_figures last; /* when it ended */

    struct hv_sample *sample;   /* owned by residence/sample.c */
    struct hv_board *board;     /* owned by platform/board.c */
    struct hv_devices *devices; /* owned by virtio/devices.c */
};

static inline uint64_t hv_vm_ticks(const struct hv_vm *vm)
{
    return hv_hart_stats(vm->hart).ticks + vm->skipped + vm->charged;
}

static inline void hv_vm_charge(struct hv_vm *vm, enum hv_charge what)
{
    vm->charged += (uint64_t)what;
}

static inline uint64_t hv_vm_pages(const struct hv_vm *vm)
{
    return vm->map.end.n - vm->map.begin.n;
}

/* Whether it has memory still: it has not exited. */
static inline bool hv_vm_has_memory(const struct hv_vm *vm)
{
    return vm->map.entries != NULL;
}

void hv_error_set(struct hv_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
