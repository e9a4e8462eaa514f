/* SPDX-License-Identifier: MIT */
/*
 * Nodes of shadow page tables and the lists their entries are on. Internal to shadow*.c.
 *
 * An entry is named by node * 512 + slot. Lists are doubly linked through two arrays beside the
 * entries; the first entry's prev says whose list it heads.
 */
#ifndef HV_SHADOW_NODE_H
#define HV_SHADOW_NODE_H

#include "tables/shadow.h"

enum { HV_SLOTS = 512 };

#define HV_NODE_NONE UINT32_MAX
/* In prev: this entry heads the list of what follows. */
#define HV_ENTRY_HEAD UINT32_C(0x80000000)

/* An entry's bits are Sv39's: V, R, W, X, U below 10, then the MPN or the node's number. */
#define HV_ENTRY_SHIFT 10

enum hv_node_kind {
    HV_NODE_FREE,
    HV_NODE_TABLE,  /* stands for a page of a guest page table */
    HV_NODE_DIRECT, /* below a guest superpage */
    HV_NODE_BARE,   /* root of the untranslated address space (satp mode 0) */
};

struct hv_shadow_node {
    uint64_t entry[HV_SLOTS];
    uint32_t next[HV_SLOTS], prev[HV_SLOTS];
    uint16_t rank[HV_SLOTS]; /* leaves: entries on its list from here on, or more if some went */
    hv_ppn ppn;              /* TABLE: the guest page. Others: first PPN that it maps */
    uint32_t parents;        /* first entry that names this node */
    uint32_t link;           /* next in its hash chain; roots: next root; free: next free */
    uint32_t root_link;      /* next root */
    uint32_t writes;         /* trapped since it was last walked through */
    uint64_t used;           /* roots: shadow->clock when it was last switched to */
    uint16_t count;          /* entries that are not 0 */
    uint8_t level;           /* 2 root, 1, 0: its entries are leaves */
    uint8_t kind;
    uint8_t span_bits; /* DIRECT: log2 of what the guest's leaf maps */
};

static inline struct hv_shadow_node *hv_node(const struct hv_shadow *shadow, uint32_t number)
{
    return shadow->nodes[number];
}

static inline uint64_t hv_entry_target(uint64_t entry)
{
    return entry >> HV_ENTRY_SHIFT;
}

static inline unsigned hv_slot_of(uint64_t va, unsigned level)
{
    return va >> hv_sv39_span_bits(level) & (HV_SLOTS - 1);
}

/* An empty node; HV_NODE_NONE if nodes_max are in use or memory is out. */
uint32_t hv_node_new(struct hv_shadow *shadow, enum hv_node_kind kind, hv_ppn ppn, unsigned level);
/* The node of a guest page at a level; HV_NODE_NONE if it has none. */
uint32_t hv_node_find(const struct hv_shadow *shadow, hv_ppn ppn, unsigned level);
/* Drops its entries, and nodes that only it named, and itself from what names it. */
void hv_node_drop(struct hv_shadow *shadow, uint32_t number);
/* Nodes that could still be made. */
uint32_t hv_node_room(const struct hv_shadow *shadow);

/* What is wrong with a node, by the invariants of shadow.h; NULL: nothing. It is not free. */
const char *hv_node_fault(const struct hv_shadow *shadow, uint32_t number);

/* slot is empty. */
void hv_entry_put_leaf(struct hv_shadow *shadow, uint32_t node, unsigned slot, hv_ppn ppn,
                       uint64_t entry);
void hv_entry_put_node(struct hv_shadow *shadow, uint32_t node, unsigned slot, uint32_t child);
/* Empties the slot; a child that nothing names any more goes, too. */
void hv_entry_drop(struct hv_shadow *shadow, uint32_t node, unsigned slot);

#endif
