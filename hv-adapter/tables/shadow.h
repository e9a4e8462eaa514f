/* SPDX-License-Identifier: MIT */
/*
 * Shadow page tables of one VM: VPN -> MPN, what the (virtual) hardware walks.
 *
 * Idea: one shadow node for each page of a guest page table that a walk came through, at the level
 * it was used at. A node has 512 entries in the format of Sv39; a leaf names an MPN where the
 * guest's names a PPN, other entries name a node. A root node is an address space; its shadow stays
 * when the guest switches to another, so that switching back finds it warm. Address spaces that
 * share guest tables (the kernel's half) share their nodes. A guest superpage has direct nodes
 * below it that stand for no guest page and are filled 4 KiB by 4 KiB.
 *
 * A page with a node is a page table: write-protected (HV_REASON_TABLE) until its last node goes.
 * The guest's write to it is trapped, done, and applied to the nodes: so nodes never say what the
 * guest's tables no longer say. A page that is written many times without being walked through is
 * probably no page table any more, and stops being one.
 *
 * Entries are lists: every leaf that names a PPN is on that PPN's list (physmap, `maps`), every
 * entry that names a node is on that node's list of parents. A remap or protection finds all it
 * must change by the first, a freed table unhooks itself by the second.
 *
 * Invariants (hv_shadow_check tests them):
 *   - a leaf entry names the MPN that the physmap gives its PPN, and is on that PPN's list;
 *   - a leaf entry permits a write only if its PPN has no reason to be protected;
 *   - a page with HV_REASON_SAMPLING has no leaf entry;
 *   - ranks fall along the list of a page, from at most HV_SHADOW_MAPS_MAX: so it is no longer;
 *   - a page has HV_REASON_TABLE if and only if it has a node;
 *   - a node that is no root has a parent; nodes in use <= nodes_max.
 *
 * Cost: lookup 3 loads; install O(1); protect, remap, zap O(entries of the PPN), at most
 * HV_SHADOW_MAPS_MAX: the lock is held for microseconds, whatever a guest maps. Bounded memory:
 * nodes_max nodes of 9.3 KiB; the least recently used address space goes first.
 *
 * Threads: the VM's lock owns all of it.
 * Source: A. Bugnion et al., and KVM's shadow MMU, for the idea of a node per guest table page.
 */
#ifndef HV_SHADOW_H
#define HV_SHADOW_H

#include <stdbool.h>
#include <stdint.h>

#include "cpu/sv39.h"
#include "memory/machine.h"
#include "memory/pages.h"
#include "memory/physmap.h"

enum {
    HV_SHADOW_NODES_MIN = 16,
    HV_SHADOW_MAPS_MAX = 4096, /* entries that name one PPN; one more, and they all start over */
};

struct hv_shadow_node;

/* What a change of the S-PT owes the TLB of the VM's hart. NULL pointers: there is none. */
struct hv_shadow_tlb {
    void (*write_protect)(void *ctx, hv_mpn mpn); /* no write through this page any more */
    void *ctx;
};

struct hv_shadow_stats {
    uint64_t fills;          /* entries made because an access missed */
    uint64_t applied;        /* entries changed because the guest wrote its tables */
    uint64_t tables_made;    /* pages found to be page tables */
    uint64_t tables_flooded; /* pages that stopped being one because they were only written */
    uint64_t spaces_evicted; /* address spaces that went for want of nodes */
    uint64_t nodes;          /* gauge */
    uint64_t spaces;         /* gauge */
};

struct hv_shadow {
    struct hv_physmap *map;     /* borrowed */
    struct hv_machine *machine; /* borrowed: guest tables are read here */
    struct hv_shadow_tlb tlb;
    struct hv_shadow_node **nodes;  /* owned: by node number; allocated when first used */
    uint32_t nodes_max, nodes_made; /* room; ever allocated */
    uint32_t free_node;             /* list of allocated nodes not in use */
    uint32_t *hash;                 /* owned: nodes of guest pages by (PPN, level) */
    uint32_t hash_mask;
    uint32_t roots;        /* list of root nodes */
    uint32_t current;      /* root of the address space of now; none if not made yet */
    uint64_t satp;         /* of now */
    uint64_t clock;        /* counts switches */
    bool writes_untracked; /* an entry that permitted writes went; the TLB may still have it */
    struct hv_shadow_stats stats;
};

bool hv_shadow_init(struct hv_shadow *shadow, struct hv_physmap *map, struct hv_machine *machine,
                    uint32_t nodes_max);
void hv_shadow_fini(struct hv_shadow *shadow);

/* The guest switches to another address space. Its shadow, if there is one, is used as it is. */
void hv_shadow_switch(struct hv_shadow *shadow, uint64_t satp);

struct hv_shadow_hit {
    uint64_t entry; /* 0: nothing there */
    hv_mpn mpn;
    uint8_t allow;     /* HV_ALLOW_* for the mmu asked */
    uint8_t span_bits; /* log2 of what the guest's leaf maps */
};
/* What the S-PT says of va; mmu as of now. */
struct hv_shadow_hit hv_shadow_lookup(struct hv_shadow *shadow, const struct hv_mmu *mmu,
                                      uint64_t va);

/*
 * Puts what the guest's walk of va found into the S-PT: the leaf, and the pages it came through as
 * page tables. The PPN of walk->gpa is present. `write`: the entry may permit writes if the guest's
 * does and the page has no reason against it. False: out of host memory.
 */
bool hv_shadow_install(struct hv_shadow *shadow, uint64_t va, const struct hv_sv39_walk *walk,
                       bool write);

/* The bytes of a page table were written (by the guest or for it): applies that. `by_guest` counts
 * towards "only written". Pages that are no page table: nothing to do. */
void hv_shadow_written(struct hv_shadow *shadow, uint64_t gpa, unsigned nbytes, bool by_guest);

/* Takes away the right to write this PPN from every entry. Whether any had it. */
bool hv_shadow_write_protect(struct hv_shadow *shadow, hv_ppn ppn);
/* Every entry of this PPN now names this MPN, read-only. How many there were. */
uint64_t hv_shadow_remap(struct hv_shadow *shadow, hv_ppn ppn, hv_mpn mpn);
/* Drops every entry of this PPN. */
void hv_shadow_zap(struct hv_shadow *shadow, hv_ppn ppn);
/* This PPN stops being a page table. */
void hv_shadow_drop_table(struct hv_shadow *shadow, hv_ppn ppn);
/* Drops every address space. */
void hv_shadow_flush(struct hv_shadow *shadow);

/* How many entries name this PPN, and how many of them permit writes. */
uint64_t hv_shadow_count(const struct hv_shadow *shadow, hv_ppn ppn, uint64_t *writable);

/* What is wrong with a page's entries; NULL: nothing. O(entries of the PPN). */
const char *hv_shadow_page_fault(const struct hv_shadow *shadow, hv_ppn ppn);
/* NULL if all invariants hold, else which does not. O(nodes). */
const char *hv_shadow_check(const struct hv_shadow *shadow);

#endif
