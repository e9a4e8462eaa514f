/* SPDX-License-Identifier: MIT */
/* Address spaces, lookups and fills of the shadow page tables. See shadow.h. */
#include "tables/shadow.h"

#include <stdlib.h>
#include <string.h>

#include "tables/shadow_node.h"

enum {
    ROOT_LEVEL = HV_SV39_LEVELS - 1,
    PATH_NODES = 4, /* that one fill may need: a root, two below it, one to spare */
};

static bool is_bare(uint64_t satp)
{
    return satp >> 60 == 0;
}

static uint32_t power_of_two(uint32_t at_least)
{
    uint32_t power = 1;
    while (power < at_least)
        power *= 2;
    return power;
}

bool hv_shadow_init(struct hv_shadow *shadow, struct hv_physmap *map, struct hv_machine *machine,
                    uint32_t nodes_max)
{
    if (nodes_max < HV_SHADOW_NODES_MIN)
        nodes_max = HV_SHADOW_NODES_MIN;
    uint32_t chains = power_of_two(nodes_max);
    *shadow = (struct hv_shadow){
        .map = map,
        .machine = machine,
        .nodes_max = nodes_max,
        .free_node = HV_NODE_NONE,
        .hash_mask = chains - 1,
        .roots = HV_NODE_NONE,
        .current = HV_NODE_NONE,
    };
    shadow->nodes = calloc(nodes_max, sizeof(struct hv_shadow_node *));
    shadow->hash = malloc(chains * sizeof *shadow->hash);
    if (!shadow->nodes || !shadow->hash) {
        hv_shadow_fini(shadow);
        return false;
    }
    for (uint32_t i = 0; i < chains; i++)
        shadow->hash[i] = HV_NODE_NONE;
    return true;
}

void hv_shadow_fini(struct hv_shadow *shadow)
{
    for (uint32_t i = 0; shadow->nodes && i < shadow->nodes_made; i++)
        free(shadow->nodes[i]);
    free(shadow->nodes);
    free(shadow->hash);
    *shadow = (struct hv_shadow){.nodes = NULL};
}

static uint32_t find_root(const struct hv_shadow *shadow, uint64_t satp)
{
    if (!is_bare(satp))
        return hv_node_find(shadow, (hv_ppn){hv_sv39_ppn(satp << HV_ENTRY_SHIFT)}, ROOT_LEVEL);
    uint32_t at = shadow->roots;
    while (at != HV_NODE_NONE && hv_node(shadow, at)->kind != HV_NODE_BARE)
        at = hv_node(shadow, at)->root_link;
    return at;
}

void hv_shadow_switch(struct hv_shadow *shadow, uint64_t satp)
{
    shadow->satp = satp;
    shadow->clock++;
    shadow->current = find_root(shadow, satp);
    if (shadow->current == HV_NODE_NONE)
        return;
    hv_node(shadow, shadow->current)->used = shadow->clock;
    hv_node(shadow, shadow->current)->writes = 0;
}

static bool make_root(struct hv_shadow *shadow)
{
    bool bare = is_bare(shadow->satp);
    hv_ppn ppn = {bare ? 0 : hv_sv39_ppn(shadow->satp << HV_ENTRY_SHIFT)};
    uint32_t number = hv_node_new(shadow, bare ? HV_NODE_BARE : HV_NODE_TABLE, ppn, ROOT_LEVEL);
    if (number == HV_NODE_NONE)
        return false;
    hv_node(shadow, number)->root_link = shadow->roots;
    shadow->roots = number;
    shadow->current = number;
    shadow->stats.spaces++;
    return true;
}

void hv_shadow_flush(struct hv_shadow *shadow)
{
    while (shadow->roots != HV_NODE_NONE)
        hv_node_drop(shadow, shadow->roots);
}

/* The least recently used address space goes; the current one only if it is the last. */
static void make_room(struct hv_shadow *shadow)
{
    while (hv_node_room(shadow) < PATH_NODES && shadow->roots != HV_NODE_NONE) {
        uint32_t oldest = HV_NODE_NONE;
        for (uint32_t at = shadow->roots; at != HV_NODE_NONE; at = hv_node(shadow, at)->root_link)
            if (at != shadow->current &&
                (oldest == HV_NODE_NONE ||
                 hv_node(shadow, at)->used < hv_node(shadow, oldest)->used))
                oldest = at;
        hv_node_drop(shadow, oldest != HV_NODE_NONE ? oldest : shadow->current);
        shadow->stats.spaces_evicted++;
    }
}

struct hv_shadow_hit hv_shadow_lookup(struct hv_shadow *shadow, const struct hv_mmu *mmu,
                                      uint64_t va)
{
    struct hv_shadow_hit hit = {.span_bits = HV_PAGE_SHIFT};
    bool bare = is_bare(mmu->satp);
    int64_t upper = (int64_t)va >> (hv_sv39_span_bits(HV_SV39_LEVELS) - (bare ? 0 : 1));
    uint32_t number = shadow->current;
    if (number == HV_NODE_NONE || (upper != 0 && (bare || upper != -1)))
        return hit; /* not canonical; Bare: no memory there */
    struct hv_shadow_node *node = hv_node(shadow, number);
    for (unsigned level = ROOT_LEVEL; level > 0; level--) {
        uint64_t entry = node->entry[hv_slot_of(va, level)];
        if (entry == 0)
            return hit;
        node = hv_node(shadow, (uint32_t)hv_entry_target(entry));
        node->writes = 0;
    }
    hit.entry = node->entry[hv_slot_of(va, 0)];
    if (hit.entry == 0)
        return hit;
    hit.mpn.n = hv_entry_target(hit.entry);
    hit.span_bits = node->span_bits;
    struct hv_mmu plain = *mmu;
    if (bare)
        plain.priv = HV_PRIV_S; /* without translation U mode sees what S mode sees */
    hit.allow = (uint8_t)hv_sv39_permitted(hit.entry, &plain);
    return hit;
}

/* The node that an entry must name, made if it is not there; HV_NODE_NONE if out of memory. */
static uint32_t descend(struct hv_shadow *shadow, uint32_t parent, unsigned slot,
                        enum hv_node_kind kind, hv_ppn ppn)
{
    struct hv_shadow_node *at = hv_node(shadow, parent);
    unsigned level = at->level - 1u;
    if (at->entry[slot]) {
        uint32_t child = (uint32_t)hv_entry_target(at->entry[slot]);
        if (hv_node(shadow, child)->kind == kind && hv_node(shadow, child)->ppn.n == ppn.n)
            return child;
        hv_entry_drop(shadow, parent, slot);
    }
    uint32_t child = kind == HV_NODE_TABLE ? hv_node_find(shadow, ppn, level) : HV_NODE_NONE;
    if (child == HV_NODE_NONE)
        child = hv_node_new(shadow, kind, ppn, level);
    if (child != HV_NODE_NONE)
        hv_entry_put_node(shadow, parent, slot, child);
    return child;
}

static void put_leaf(struct hv_shadow *shadow, uint32_t node, unsigned slot, hv_ppn ppn,
                     uint64_t flags)
{
    const struct hv_physmap_entry *page = hv_physmap_at(shadow->map, ppn);
    if (page->reasons)
        flags &= ~(uint64_t)HV_PTE_W;
    hv_entry_drop(shadow, node, slot);
    hv_entry_put_leaf(shadow, node, slot, ppn, (uint64_t)page->mpn << HV_ENTRY_SHIFT | flags);
}

bool hv_shadow_install(struct hv_shadow *shadow, uint64_t va, const struct hv_sv39_walk *walk,
                       bool write)
{
    uint64_t flags = HV_PTE_V | HV_PTE_R | HV_PTE_W | HV_PTE_X;
    unsigned span_bits = HV_PAGE_SHIFT;
    make_room(shadow);
    if (shadow->current == HV_NODE_NONE && !make_root(shadow))
        return false;
    uint32_t node = shadow->current;
    for (unsigned step = 0; step + 1u < walk->steps && node != HV_NODE_NONE; step++)
        node = descend(shadow, node, hv_slot_of(va, ROOT_LEVEL - step), HV_NODE_TABLE,
                       (hv_ppn){hv_sv39_ppn(walk->pte[step])});
    if (walk->steps) {
        uint64_t pte = walk->pte[walk->steps - 1];
        flags &= pte & HV_PTE_D ? pte : pte & ~(uint64_t)HV_PTE_W;
        flags |= pte & HV_PTE_U;
        span_bits = hv_sv39_span_bits(walk->level);
    }
    hv_ppn ppn = hv_ppn_of(walk->gpa);
    while (node != HV_NODE_NONE && hv_node(shadow, node)->level > 0) {
        unsigned level = hv_node(shadow, node)->level;
        uint64_t inside = (UINT64_C(1) << (9 * level)) - 1;
        node =
            descend(shadow, node, hv_slot_of(va, level), HV_NODE_DIRECT, (hv_ppn){ppn.n & ~inside});
        if (node != HV_NODE_NONE)
            hv_node(shadow, node)->span_bits = (uint8_t)span_bits;
    }
    if (node == HV_NODE_NONE)
        return false;
    unsigned slot = hv_slot_of(va, 0);
    if (!write && !(hv_node(shadow, node)->entry[slot] & HV_PTE_W))
        flags &= ~(uint64_t)HV_PTE_W;
    put_leaf(shadow, node, slot, ppn, flags);
    hv_node(shadow, node)->writes = 0;
    shadow->stats.fills++;
    return true;
}
