/* SPDX-License-Identifier: MIT */
/*
 * Guests: page tables, and what each page must hold.
 *
 * A guest belongs to one thread, its keeper: that alone adds and removes its VM, maps and unmaps
 * its pages and writes to them, by a mapping as its vCPU does, or without one as a device. So the
 * keeper knows what each page must hold. All guests have the same range, so that each can be a
 * clone of each.
 */
#ifndef GUESTS_H
#define GUESTS_H

#include <pthread.h>
#include <share.h>
#include <stdatomic.h>

#define GUESTS      6u
#define GUEST_PAGES 80u /* more than the engine takes at a time when it clones */
#define GUEST_WORDS (SHARE_PAGE_SIZE / sizeof(uint64_t))

#define VM_NUMBERS 4096u
#define NO_VM      UINT32_MAX

struct page {
    pthread_mutex_t lock; /* of what follows: a store holds it from the check to the write */
    bool present;
    bool sharing;  /* the engine's reason: the guest may not write */
    bool readonly; /* no mapping permits a write anyway: code, until the guest writes to it */
    bool pinned;   /* a device will write to it */
    share_mpn mpn;
    /* The keeper's: */
    uint64_t head, tail; /* the first word and the last; all between are zero */
    bool armed;          /* share_break said OK to the device: it may write to device_mpn */
    share_mpn device_mpn;
};

struct guest {
    _Atomic bool live;          /* from share_vm_add until share_vm_remove has returned */
    _Atomic share_vm published; /* its number, for other threads; NO_VM: before the start */
    share_vm vm;                /* the keeper's */
    share_group group;
    struct page page[GUEST_PAGES];
};

extern struct guest guests[GUESTS];
extern struct share *guests_share;

/* This thread declares sharing: what is an alias is known, and no page is called absent. */
extern _Thread_local bool guests_declaring;

/* Page `slot` is PPN begin + slot * stride. */
void guests_begin(uint64_t begin, uint64_t stride);
share_ppn guest_ppn(unsigned slot);
share_ppn guest_first(void);
share_ppn guest_end(void);
unsigned guest_slot(share_ppn ppn);      /* GUEST_PAGES: none */
unsigned guest_slot_from(share_ppn ppn); /* the first at or after that PPN */

/* The first present page from `slot` on; GUEST_PAGES: none. */
unsigned guest_next_present(struct guest *guest, unsigned slot);

/* Maps a new machine page of these words at an absent page. False: there is none. */
bool guest_fill(struct guest *guest, unsigned slot, uint64_t head, uint64_t tail);

/* Unmaps a page: its protection ends, too. What it mapped. */
share_mpn guest_unmap(struct guest *guest, unsigned slot);

/* The page leaves, and the engine is told: a machine page that is ours is given back. */
void guest_forget(struct guest *guest, unsigned slot);

/* The same of all present pages from `slot` on, by one call. None of them is pinned. */
void guest_forget_from(struct guest *guest, unsigned slot);

/* The vCPU's store, with its faults. Memory or an op may be refused: then nothing is written. */
void guest_store(struct guest *guest, unsigned slot, bool tail, uint64_t value);

/* The guest reads what it wrote, and nothing else. */
void guest_must_read(struct guest *guest, unsigned slot);

/* A device: pins the page and has it broken; later it writes to the machine page that it found
 * then, asking nobody; and lets go. */
void guest_arm_device(struct guest *guest, unsigned slot);
void guest_device_writes(struct guest *guest, unsigned slot, uint64_t value);

/* Pins a page or lets go of it. */
void guest_pin(struct guest *guest, unsigned slot, bool pinned);

/* Has the page broken, as long as it takes. False: memory or an op was refused. */
bool guest_break(struct guest *guest, unsigned slot);

#endif
