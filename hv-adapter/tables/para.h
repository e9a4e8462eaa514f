/* SPDX-License-Identifier: MIT */
/*
 * Page tables of one paravirtualized VM: VPN -> MPN in the guest's own pages, and no shadow.
 *
 * Idea: the hardware walks the guest's tables themselves, so they hold machine page numbers, and
 * the VMM writes every entry, after hypercall.c has checked it. A page that is a table is the VMM's
 * until it is destroyed: not in the physmap's present pages, so never shared, ballooned or dumped,
 * and never mapped writable. A table has one level for its life and names only tables of the level
 * below: there can be no loop.
 *
 * Every leaf that names a PPN is on that PPN's list (physmap, `maps`). When a page moves (merge,
 * break, balloon), the VMM rewrites each entry on the list, then the guest's PPN -> MPN table
 * (physmap, `p2m`), then shoots down the TLB. The right to write is a function of two bits: an
 * entry that the guest wants writable has W if its page has no reason to be protected, else
 * HV_PARA_COW; so a break gives the right back by the same rewriting. Entries of an absent page
 * (never touched, ballooned) or a sampled one are not valid, and stay on its list: the first access
 * gives the page a machine page, or is counted, and rewrites them.
 *
 * Invariants (hv_para_check tests them):
 *   - a leaf names the MPN that the physmap gives its PPN, and is on that PPN's list;
 *   - a leaf is valid if and only if its page has a machine page and is not sampled;
 *   - a leaf has W only if its page has no reason to be protected, COW only if it has or is absent;
 *   - an entry of level 1 or 2 names a table of the level below; a table's `parents` counts them;
 *   - leaves[] counts the list of a page, and is at most HV_PARA_MAPS_MAX;
 *   - a page has HV_REASON_PARA_TABLE if and only if it is a table; tables in use <= tables_max.
 *
 * Cost: an update O(1); protect, remap O(entries that name the PPN), at most HV_PARA_MAPS_MAX.
 * Memory: 6 KiB a table, 6 bytes a page, bounded by tables_max and kept until the VM ends.
 *
 * Threads: the VM's lock owns all of it.
 * Source: P. Barham et al., Xen and the Art of Virtualization, SOSP 2003, section 3.3.3.
 */
#ifndef HV_PARA_H
#define HV_PARA_H

#include <stdbool.h>
#include <stdint.h>

#include "cpu/sv39.h"
#include "guest/hypercall.h"
#include "memory/machine.h"
#include "memory/p2m.h"
#include "memory/pages.h"
#include "memory/physmap.h"

enum { HV_PARA_SLOTS = 512, HV_PARA_WINDOW_SLOT = 510 /* of a root: from here on the VMM's */ };

#define HV_PARA_NONE UINT32_MAX

struct hv_para_table {
    hv_ppn ppn;
    hv_mpn mpn;
    uint32_t names[HV_PARA_SLOTS];                     /* PPN - begin; HV_PARA_NONE: empty */
    uint32_t next[HV_PARA_SLOTS], prev[HV_PARA_SLOTS]; /* level 0: on the list of names[] */
    uint32_t parents;                                  /* entries that name this table */
    uint32_t link;                                     /* free: the next free */
    uint8_t level;                                     /* 2 root, 1, 0: its entries are leaves */
    bool used;
};

struct hv_para_stats {
    uint64_t hypercalls;
    uint64_t updates;   /* entries written because the guest asked */
    uint64_t rewritten; /* entries changed because a page moved or was protected */
    uint64_t retries;
    uint64_t refused; /* calls that came back with another error */
    uint64_t tables;  /* gauge */
};

struct hv_para {
    struct hv_p2m p2m;
    struct hv_physmap *map;        /* borrowed */
    struct hv_machine *machine;    /* borrowed */
    struct hv_para_table **tables; /* owned: by number; allocated when first used */
    uint32_t tables_max, tables_made;
    uint32_t free_table;
    uint32_t *table_of;    /* owned: [PPN - begin]: number of the table that the page is, or none */
    uint16_t *leaves;      /* owned: [PPN - begin]: entries that name the page */
    uint32_t root;         /* of the address space of now; none before the first SwitchPT */
    bool writes_untracked; /* an entry that permitted writes went; the TLB may still have it */
    struct hv_para_stats stats;
};

/* The map gets its p2m. False: out of host memory. */
bool hv_para_init(struct hv_para *para, struct hv_physmap *map, struct hv_machine *machine,
                  uint32_t tables_max);
void hv_para_fini(struct hv_para *para);

/* The table that a page is; NULL if it is none, or no memory of the VM. */
struct hv_para_table *hv_para_table_at(const struct hv_para *para, hv_ppn ppn);
/* The PPN is present, without reasons and pins, and mapped writable nowhere: it becomes a table of
 * this level. False: tables_max are in use, or out of host memory. */
bool hv_para_table_new(struct hv_para *para, hv_ppn ppn, unsigned level);
/* No parents, and not the root of now: it becomes an ordinary page of zeros. */
void hv_para_table_free(struct hv_para *para, struct hv_para_table *table);

/* The entry is checked; 0 empties the slot. Its MPN is the one of the PPN. */
void hv_para_entry_set(struct hv_para *para, struct hv_para_table *table, unsigned slot,
                       uint64_t entry, hv_ppn ppn);

/* All leaves of a PPN. */
/* Takes away the right to write. Whether any had it. */
bool hv_para_write_protect(struct hv_para *para, hv_ppn ppn);
/* They name this MPN now, and may write if they want to and the page's reasons allow it.
 * HV_MPN_NONE: the page is absent; they are not valid until it has a machine page again. */
void hv_para_remap(struct hv_para *para, hv_ppn ppn, hv_mpn mpn);
/* How many there are, and how many permit writes now. */
uint64_t hv_para_count(const struct hv_para *para, hv_ppn ppn, uint64_t *writable);

/* Every table becomes an ordinary page: the VM ends. */
void hv_para_flush(struct hv_para *para);

/* What the address space of now has for va, root first. */
struct hv_para_path {
    unsigned steps;               /* entries, the last perhaps empty; 0: no root yet */
    uint64_t gpa[HV_SV39_LEVELS]; /* [i]: where entry[i] stands */
    uint64_t entry[HV_SV39_LEVELS];
    bool mapped;
    hv_ppn ppn; /* if mapped */
};
struct hv_para_path hv_para_path(const struct hv_para *para, uint64_t va);

/* What is wrong with a page's entries; NULL: nothing. O(entries of the PPN). */
const char *hv_para_page_fault(const struct hv_para *para, hv_ppn ppn);
/* NULL if all invariants hold, else which does not. O(tables + pages). */
const char *hv_para_check(const struct hv_para *para);

#endif
