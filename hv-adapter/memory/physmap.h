/* SPDX-License-Identifier: MIT */
/*
 * The physmap of one VM: PPN -> MPN, and what else is known of each PPN.
 *
 * Nothing is populated in advance: a page is absent until the guest touches it. Protection is a set
 * of reasons: a page with any reason is read-only to the guest. A pinned page is being written by
 * the VMM and must not be protected or moved.
 *
 * A page is absent, present, or the VMM's own (a page table of a paravirtualized guest):
 *     absent -> present      hv_physmap_set       present -> the VMM's    hv_physmap_take
 *     present -> present     hv_physmap_move      the VMM's -> present    hv_physmap_give
 *     present -> absent      hv_physmap_clear
 *
 * Invariants (hv_physmap_entry_is_valid, hv_physmap_check):
 *   - in the balloon, or paged out: not both, and absent;
 *   - absent: no pins, and no reason but sampling;
 *   - the VMM's: a machine page, no pins, and no other reason;
 *   - the bits of `present` say which pages are present, and present_pages counts them.
 *
 * Threads: the VM's lock owns all of it. Cost: O(1); next_present O(absent / 4096).
 */
#ifndef HV_PHYSMAP_H
#define HV_PHYSMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memory/pages.h"

enum hv_reason {
    HV_REASON_SHARING = 1,     /* the engine's: on a shared frame, or being merged */
    HV_REASON_TABLE = 2,       /* found to be a guest page table */
    HV_REASON_SAMPLING = 4,    /* in the sample and not touched yet: not even readable; absent pages
                                  can have it */
    HV_REASON_PARA_TABLE = 64, /* a paravirtualized guest's page table: the VMM's own meanwhile */
};

/* What else is true of a page. */
enum hv_page_state {
    HV_PAGE_BALLOONED = 1, /* the guest's driver gave it away; then it is absent */
    HV_PAGE_SAMPLED = 2,   /* in the sample of this period, touched or not */
    HV_PAGE_UNMAPPED = 4,  /* had S-PT entries until sampling took them */
    HV_PAGE_SWAPPED = 8,   /* the VMM paged it out; then it is absent */
};

#define HV_MPN_NONE   UINT32_MAX
#define HV_ENTRY_NONE UINT32_MAX

struct hv_physmap_entry {
    uint32_t mpn;    /* HV_MPN_NONE: absent */
    uint32_t maps;   /* first of the S-PT entries that name this PPN; HV_ENTRY_NONE: none */
    uint16_t pins;   /* writes of the VMM that are under way */
    uint8_t reasons; /* set of enum hv_reason */
    uint8_t state;   /* set of enum hv_page_state */
};

struct hv_p2m;

struct hv_physmap {
    hv_ppn begin, end;                /* the VM's memory */
    struct hv_physmap_entry *entries; /* owned: [i] is of PPN begin + i */
    uint64_t *present;                /* owned: bit i: entries[i] has an MPN */
    uint64_t *present_words;          /* owned: bit i: present[i] is not 0 */
    uint64_t present_pages;
    struct hv_p2m
        *p2m; /* borrowed: kept the same for the guest to read; NULL: full virtualization */
};

bool hv_physmap_init(struct hv_physmap *map, hv_ppn begin, uint64_t pages);
void hv_physmap_fini(struct hv_physmap *map);

/* NULL if the PPN is not the VM's memory. */
static inline struct hv_physmap_entry *hv_physmap_at(const struct hv_physmap *map, hv_ppn ppn)
{
    return ppn.n >= map->begin.n && ppn.n < map->end.n ? &map->entries[ppn.n - map->begin.n] : NULL;
}

/* Whether it is a page of the guest's: it has a machine page, and is no page of the VMM's. */
static inline bool hv_physmap_is_present(const struct hv_physmap_entry *page)
{
    return page->mpn != HV_MPN_NONE && !(page->reasons & HV_REASON_PARA_TABLE);
}

/* ppn is the VM's memory and absent. */
void hv_physmap_set(struct hv_physmap *map, hv_ppn ppn, hv_mpn mpn);
/* ppn is present. Its reasons end with it, but for sampling. */
void hv_physmap_clear(struct hv_physmap *map, hv_ppn ppn);
/* ppn is present: another machine page backs it now. Its reasons stay. */
void hv_physmap_move(struct hv_physmap *map, hv_ppn ppn, hv_mpn mpn);
/* ppn is present and has no reason: it becomes the VMM's (HV_REASON_PARA_TABLE), and back. It keeps
 * its machine page, and is not present meanwhile. */
void hv_physmap_take(struct hv_physmap *map, hv_ppn ppn);
void hv_physmap_give(struct hv_physmap *map, hv_ppn ppn);
/* The first present page at or after `from`. */
bool hv_physmap_next(const struct hv_physmap *map, hv_ppn from, hv_ppn *found);

bool hv_physmap_entry_is_valid(const struct hv_physmap_entry *page);
/* NULL if all invariants hold, else which does not. O(pages). */
const char *hv_physmap_check(const struct hv_physmap *map);

#endif
