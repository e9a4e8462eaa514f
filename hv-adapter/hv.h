/* SPDX-License-Identifier: MIT */
/*
 * The tiny VMM: guests on a small RISC-V CPU, with shadow page tables, whose pages libshare shares.
 *
 * A world is one host: machine memory, one sharing engine, and VMs. Time is virtual and counted in
 * ticks (an instruction, or what charges.h says an event costs); hv_world_run advances all VMs by
 * the same time in turns and lets the scanner look at pages between the turns. The same
 * configuration gives the same figures in every run.
 *
 * Threads: callers, one at a time in a world; any number of worlds. With threads of its own a
 * world's figures are no longer the same in every run; guests compute the same. Output is then
 * handed out by those threads, of one VM by one at a time.
 */
#ifndef HV_H
#define HV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "charges.h"
#include "memory/pages.h"

struct hv_world;
struct hv_vm;
struct share;
struct share_alloc;

/* Why something could not be done, for a person: one line without a newline. */
struct hv_error {
    char text[256];
};

struct hv_world_config {
    uint64_t machine_pages; /* of the host, for all guests */
    bool scattered;         /* a VM's memory as non-contiguous as possible */
    bool sharing;
    uint64_t scan_rate;    /* pages looked at per virtual second, in all */
    uint64_t slice_ticks;  /* length of a turn; 0: a millisecond, with threads ten */
    unsigned threads;      /* that run VMs at the same time, beside the scanner; 0: the caller's
                              thread does everything, in the same order in every run */
    const char *swap_file; /* for pages that are paged out: a new file of this name, borrowed, that
                              goes with the world; NULL: one without a name in $TMPDIR or /tmp */
    uint64_t swap_bytes;   /* its size; 0: as large as need be */
    uint64_t seed;
    const struct share_alloc *alloc; /* of the engine's metadata, copied; NULL: the C library's */
};

/* NULL, and *error says why. */
struct hv_world *hv_world_new(const struct hv_world_config *config, struct hv_error *error);
/* Removes all VMs, too. NULL is allowed. */
void hv_world_free(struct hv_world *world);

enum { HV_GROUPS_MAX = 1024, HV_DISKS_MAX = 4 };

struct hv_vm_config {
    uint64_t memory_bytes; /* a multiple of 2 MiB, at least 8 MiB */
    const char *kernel;    /* path: Linux Image, ELF, or flat binary; NULL: loaded by the caller */
    const char *initrd;    /* path or NULL */
    const char *append;    /* kernel command line */
    uint64_t seed;         /* of the guest's random numbers */
    uint64_t start_ticks;  /* stands still so long after it was added */
    bool no_fp;            /* rv64imac: without F and D */
    uint64_t disk_bytes[HV_DISKS_MAX]; /* blank disks, multiples of 4096, up to the first of 0 */
    uint64_t disk_latency_ticks;       /* of a request; 0: HV_LATENCY_DISK */
    uint32_t shadow_nodes;             /* bound of S-PT memory, 9.3 KiB each; 0: 512 */
    bool para;            /* paravirtualized: the kernel uses the calls of hypercall.h */
    uint32_t para_tables; /* bound of its page tables, 6 KiB of the host's each; 0: one for 128
                       pages, at least 512 */
    unsigned group;       /* pages are shared within a group; below HV_GROUPS_MAX */
    /* What the guest prints; NULL: only the last lines are kept. */
    void (*output)(void *ctx, struct hv_vm *vm, const char *bytes, size_t nbytes);
    void *output_ctx;
};

/* NULL, and *error says why. Belongs to the world. */
struct hv_vm *hv_vm_new(struct hv_world *world, const struct hv_vm_config *config,
                        struct hv_error *error);
/* The VM ends: all its memory goes back. Its figures of that moment: hv_vm_end_figures. */
void hv_vm_exit(struct hv_vm *vm);

unsigned hv_world_vms(const struct hv_world *world);
struct hv_vm *hv_world_vm(const struct hv_world *world, unsigned index);

/* Advances virtual time by so many ticks, or less if `until` says so between turns. */
void hv_world_run(struct hv_world *world, uint64_t ticks, bool (*until)(void *ctx), void *ctx);
uint64_t hv_world_ticks(const struct hv_world *world);
/* Scans until nothing is left to share; VMs stand still. False: pages kept failing. */
bool hv_world_share_now(struct hv_world *world);
/* Offers pages one by one until one merges: what was looked at last is in *vm and *ppn. */
bool hv_world_share_step(struct hv_world *world, struct hv_vm **vm, hv_ppn *ppn);
/* What the engine asked of the VMM for one page, and what was done: for people who watch a merge.
 */
struct hv_page_op {
    const char *name;       /* "protect", "unprotect", "remap", "alloc", "free" */
    const struct hv_vm *vm; /* NULL: free */
    hv_ppn ppn;             /* unless alloc, free */
    hv_mpn mpn;             /* as the engine believes; alloc: the new page */
    hv_mpn to;              /* remap */
    const char *outcome;
};
/* Tells of every operation from now on; NULL: of none. Not with threads in a turn. */
void hv_world_watch(struct hv_world *world, void (*saw)(void *ctx, const struct hv_page_op *op),
                    void *ctx);
/* Takes a page from its frame as a write would: false if it is not on one, or the VM has failed. */
bool hv_vm_break_page(struct hv_vm *vm, hv_ppn ppn);
/* What the engine knows of a page; false if it is not in the engine. */
struct share_page_info;
bool hv_vm_page_info(struct hv_vm *vm, hv_ppn ppn, struct share_page_info *info);
/* NULL if everything is consistent, else what is not. O(memory). */
const char *hv_world_check(struct hv_world *world);

enum hv_state {
    HV_RUNNING_VM,
    HV_STOPPED, /* by hv_vm_stop */
    HV_ENDED,   /* switched itself off, reset, or was ended */
    HV_FAILED,  /* cannot go on: hv_vm_reason */
};
enum hv_state hv_vm_state(const struct hv_vm *vm);
/* One line; "" if there is nothing to say. */
const char *hv_vm_reason(const struct hv_vm *vm);
/* The last lines it printed, NUL-terminated. Valid until the world runs. */
const char *hv_vm_last_output(struct hv_vm *vm);
unsigned hv_vm_index(const struct hv_vm *vm);
void hv_vm_stop(struct hv_vm *vm);
void hv_vm_resume(struct hv_vm *vm);
/* Typed at its console. Returns how many bytes found room. */
size_t hv_vm_type(struct hv_vm *vm, const char *bytes, size_t nbytes);
/* Asks the guest's balloon driver to hold so many pages; it takes its time. False: not fewer than
 * the VM's pages. */
bool hv_vm_balloon_set(struct hv_vm *vm, uint64_t pages);
/* Asks it for its kernel's statistics; hv_vm_guest_stats has them when it has answered. */
void hv_vm_balloon_ask(struct hv_vm *vm);
/* Hands out what it printed of a line that has not ended. */
void hv_vm_flush(struct hv_vm *vm);
/* Whether it waits for an interrupt, and nothing but its timer can wake it. */
bool hv_vm_is_idle(const struct hv_vm *vm);

/* Figures of a VM, or their sums over all VMs of a world. A VM that has ended has no pages: what it
 * had is in hv_vm_end_figures. */
struct hv_figures {
    uint64_t pages;                /* memory it was given */
    uint64_t touched_pages;        /* fetched, read or written */
    uint64_t shared_pages;         /* on frames of two references or more */
    uint64_t reclaimed_pages;      /* touched - distinct MPNs; a VM's: what its own duplicates save,
                                      and its part of what is shared with others: touched - charge */
    double saved_pages;            /* the same, not rounded */
    uint64_t zero_pages;           /* on a zero frame */
    uint64_t code_shared_pages;    /* shared without COW marking */
    uint64_t balloon_target_pages; /* that the VMM asked of the balloon driver */
    uint64_t balloon_pages;        /* in the balloon */
    uint64_t balloon_taken_back;   /* pages that the guest took out of it by itself, ever: it was
                                      out of memory */
    uint64_t balloon_touches;      /* pages that the guest touched in the balloon */
    uint64_t swapped_pages;        /* that the VMM paged out */
    uint64_t swapped_out, swapped_in; /* pages, ever */
    uint64_t reported_pages; /* free pages that the guest reported and the host took, ever */
    uint64_t cow_breaks;
    uint64_t tlb_misses;
    uint64_t shadow_fills;
    uint64_t pt_write_traps;
    uint64_t instructions;
    uint64_t satp_writes;
    uint64_t sfences;
    uint64_t shadow_nodes;
    uint64_t hypercalls; /* of a paravirtualized VM */
    uint64_t pt_updates; /* page-table entries that they wrote */
    uint64_t
        table_pages; /* its pages that are page tables: the VMM's meanwhile, not touched pages */
    uint64_t ticks;  /* of the VM's virtual time */
};
void hv_vm_figures(struct hv_vm *vm, struct hv_figures *figures);
/* What they were when it ended; before that, zeros. */
void hv_vm_end_figures(const struct hv_vm *vm, struct hv_figures *figures);
void hv_world_figures(struct hv_world *world, struct hv_figures *figures);
/* Processor time of the host so far: the guests' own work (their breaks and faults included), and
 * the scanner's. The only figures that differ from run to run. */
void hv_world_host_ns(const struct hv_world *world, uint64_t *guests_ns, uint64_t *scan_ns);
/* The engine, for its statistics; NULL without sharing. */
struct share *hv_world_share(const struct hv_world *world);

/* What the guest's kernel says of its memory, in bytes and counts of events since it booted.
 * Hearsay: for people, and for nothing that must be right. */
struct hv_guest_stats {
    bool known;     /* a driver has answered */
    uint64_t ticks; /* when, on the VM's clock */
    uint64_t total_bytes, free_bytes, available_bytes, cache_bytes;
    uint64_t swapped_in_bytes, swapped_out_bytes;
    uint64_t major_faults, minor_faults;
};
void hv_vm_guest_stats(const struct hv_vm *vm, struct hv_guest_stats *stats);

/* Samples the VM's working set, in periods of so many ticks of its time; 0 ends it. `census`: all
 * pages are watched as well, uncharged, to know the truth. Starts anew if it is on. */
void hv_vm_sample(struct hv_vm *vm, uint64_t period_ticks, bool census);
/* Fractions are of the pages that are not in the balloon; see estimate.h. */
struct hv_active {
    bool known; /* a period has ended */
    uint64_t periods;
    double active; /* the largest of the next three */
    double slow, fast, current;
    double last;         /* what the last period's sample said */
    double truth;        /* and what was so, if there was a census; else negative */
    uint64_t cost_ticks; /* charged to the VM for sampling, ever */
};
void hv_vm_active(const struct hv_vm *vm, struct hv_active *active);

/* One virtual address through every table. */
struct hv_view {
    uint64_t va;
    uint64_t satp;
    unsigned steps; /* entries of the guest's tables */
    uint64_t pte_gpa[3], pte[3];
    bool para;   /* pte[] are of the tables that the TLB walks: their numbers are MPNs */
    bool mapped; /* the guest's tables give it a page */
    uint64_t gpa;
    bool memory;  /* gpa is the VM's memory */
    bool present; /* physmap has an MPN */
    hv_mpn mpn;
    unsigned reasons;                         /* enum hv_reason */
    uint64_t shadow_entry;                    /* 0: none; full virtualization */
    uint64_t shadow_entries, shadow_writable; /* of this PPN, in all address spaces */
    bool tlb_load, tlb_store, tlb_fetch;
};
void hv_vm_view(struct hv_vm *vm, uint64_t va, struct hv_view *view);

/* Writes the touched pages as an ELF core, keyed by guest-physical address: a file for its owner
 * alone, which takes the place of what was there when it is whole. False, and *error says why: what
 * was there is as it was. */
bool hv_vm_dump(struct hv_vm *vm, const char *path, struct hv_error *error);

#endif
