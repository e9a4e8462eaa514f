/* SPDX-License-Identifier: MIT */
/*
 * What a VM and a world are. Internal to hv-adapter.
 *
 * Locks, in this order: a VM's lock (its physmap, S-PT and the TLB of its hart), then the
 * machine's or the swap's. No share_* function is called with a VM's lock held: the engine's ops
 * take it.
 */
#ifndef HV_VM_STATE_H
#define HV_VM_STATE_H

#include <pthread.h>
#include <share.h>

#include "cpu/hart.h"
#include "hv.h"
#include "memory/machine.h"
#include "memory/physmap.h"
#include "platform/console.h"
#include "platform/plic.h"
#include "residence/sample.h"
#include "residence/swap.h"
#include "tables/para.h"
#include "tables/shadow.h"
#include "tables/shootdown.h"
#include "virtio/balloon.h"
#include "virtio/blk.h"
#include "virtio/mmio.h"

/* The guest's map of guest-physical addresses. */
#define HV_RAM_BASE    UINT64_C(0x80000000)
#define HV_PLIC_BASE   UINT64_C(0x0c000000)
#define HV_PLIC_NBYTES UINT64_C(0x00400000)
#define HV_VIRTIO_BASE UINT64_C(0x10001000)
#define HV_VIRTIO_STEP UINT64_C(0x1000)

enum { HV_VIRTIO_SLOTS = 8, HV_VMS_MAX = 4096 };
enum { HV_SLOT_RNG, HV_SLOT_BALLOON, HV_SLOT_DISK };

static inline bool hv_is_device(uint64_t gpa)
{
    return (gpa >= HV_PLIC_BASE && gpa < HV_PLIC_BASE + HV_PLIC_NBYTES) ||
           (gpa >= HV_VIRTIO_BASE && gpa < HV_VIRTIO_BASE + HV_VIRTIO_SLOTS * HV_VIRTIO_STEP);
}

struct hv_counts {
    uint64_t pt_write_traps;
    uint64_t satp_writes;
    uint64_t sfences;
    uint64_t first_touches;
    uint64_t breaks; /* asked of the engine, whatever it said */
};

struct hv_vm {
    struct hv_world *world;
    unsigned index;
    struct hv_hart *hart; /* owned */
    pthread_mutex_t lock; /* owns map, shadow, para, shootdown, and the TLB of a hart not running */
    struct hv_shootdown shootdown;
    struct hv_physmap map;
    struct hv_shadow shadow;
    struct hv_para *para; /* owned; NULL: full virtualization, and only then shadow is used */
    unsigned group;
    bool offered; /* the engine knows it as `share` */
    share_vm share;

    uint64_t skipped; /* ticks that wfi jumped over, or that it stood still */
    uint64_t charged; /* ticks that events cost */
    uint64_t timer;   /* tick at which the timer interrupt comes; UINT64_MAX: never */
    bool waiting;     /* in wfi, or suspended by SBI: until an interrupt that sie enables */
    bool starved;     /* no machine memory for it now: its turn is over */

    enum hv_state state;
    char reason[128];
    struct hv_counts counts;
    struct hv_figures last; /* when it ended */

    struct hv_console console;
    struct hv_plic plic;
    struct hv_virtio_mmio virtio[HV_VIRTIO_SLOTS];
    struct hv_balloon balloon;
    struct hv_disk disk;
    struct hv_sample sample;
    struct hv_swap_map swap;
    uint64_t random; /* state of the guest's random numbers */
};

struct hv_world {
    struct hv_world_config config;
    struct hv_machine machine;
    struct hv_swap swap;
    struct share *share;    /* owned; NULL without sharing */
    struct hv_crew *crew;   /* owned; NULL: one thread does everything */
    uint64_t reserve_pages; /* that guests leave to the VMM; 0: nobody reclaims, a VM that finds no
                               machine memory fails */
    uint64_t ticks;
    uint64_t guests_ns, scan_ns;   /* host processor time */
    uint64_t scan_credit;          /* pages * HV_TICKS_PER_SECOND that may be looked at */
    struct hv_vm *vms[HV_VMS_MAX]; /* owned */
    unsigned vms_count;
    share_group groups[HV_GROUPS_MAX]; /* [i]: the engine's number of group i, if i < count */
    unsigned groups_count;
    void (*saw)(void *ctx, const struct hv_page_op *op); /* NULL: nobody watches */
    void *saw_ctx;
    struct hv_vm *by_share[SHARE_VMS_MAX + 1]; /* NULL: not (any more) in the engine */
};

static inline uint64_t hv_vm_ticks(const struct hv_vm *vm)
{
    return hv_hart_stats(vm->hart).ticks + vm->skipped + vm->charged;
}

static inline void hv_vm_charge(struct hv_vm *vm, enum hv_charge what)
{
    vm->charged += (uint64_t)what;
}

/* The VM cannot go on. */
void hv_vm_fail(struct hv_vm *vm, const char *why);
/* The VM switched itself off. */
void hv_vm_end(struct hv_vm *vm, const char *why);
/* The VM resets itself, perhaps because of a failure: it has ended or failed. */
void hv_vm_reset(struct hv_vm *vm, bool failure);

/* vm.c */
/* Whether machine memory is so short that this VM must wait for the next turn to get some. */
bool hv_vm_starves(struct hv_vm *vm);
/* Runs until its clock is at least `end`, or it stops. */
void hv_vm_run_until(struct hv_vm *vm, uint64_t end);
void hv_vm_free(struct hv_vm *vm);

/* turns.c */
/* The VM's part of a turn of so many ticks that ends at world->ticks. One thread a VM. */
void hv_vm_turn(struct hv_vm *vm, uint64_t ticks);
/* Processor time of this thread. */
uint64_t hv_thread_cpu_ns(void);

/* share_glue.c */
extern const struct share_ops hv_share_ops; /* ctx is the world */
/* Takes a page from its frame so that it may be written; no lock held. False: the VM has failed. */
bool hv_share_break(struct hv_vm *vm, hv_ppn ppn);
/* A page that is not present any more leaves the engine; no lock held. Whether its machine page is
 * the caller's now; else the engine had it. */
bool hv_share_forget(struct hv_vm *vm, hv_ppn ppn);
/* The VM becomes known to the engine, if there is one. */
bool hv_share_join(struct hv_vm *vm);
/* The page leaves physmap, S-PT and TLB, and is in these states (set of enum hv_page_state) from
 * then on; its machine page goes. An absent page gets the states alone. No lock held. False: it is
 * being written by the VMM, and nothing is done. */
bool hv_share_drop_page(struct hv_vm *vm, hv_ppn ppn, uint8_t states);
/* Unmaps and gives back all its pages, and takes it from the engine. */
void hv_share_leave(struct hv_vm *vm);

/* fault.c, as the hart's ops */
enum hv_fill hv_fault_fill(void *ctx, uint64_t va, enum hv_access access, struct hv_tlb_fill *out);
void hv_fault_wrote(void *ctx, uint64_t gpa, unsigned nbytes);
bool hv_fault_satp(void *ctx, uint64_t satp);
void hv_fault_sfence(void *ctx, bool has_va, uint64_t va, bool has_asid, uint64_t asid);

/* para.c: the same of a paravirtualized VM's hart */
enum hv_fill hv_para_fill(void *ctx, uint64_t va, enum hv_access access, struct hv_tlb_fill *out);
bool hv_para_satp(void *ctx, uint64_t satp);

/* hypercall.c: one call, its arguments in the hart's registers. */
struct hv_hypercall_answer {
    int64_t error; /* enum hv_para_result */
    uint64_t value;
};
struct hv_hypercall_answer hv_hypercall(struct hv_vm *vm, uint64_t call);

/* platform/ */
enum hv_ecall hv_sbi_ecall(void *ctx);
bool hv_platform_load(struct hv_vm *vm, const struct hv_vm_config *config, struct hv_error *error);
bool hv_mmio_load(void *ctx, uint64_t gpa, unsigned nbytes, uint64_t *value);
bool hv_mmio_store(void *ctx, uint64_t gpa, unsigned nbytes, uint64_t value);

void hv_error_set(struct hv_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
