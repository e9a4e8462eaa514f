/* SPDX-License-Identifier: MIT */
/* Nodes and entry lists. See shadow_node.h. */
#include "tables/shadow_node.h"
#include "hv_assert.h"

#include <stdlib.h>
#include <string.h>

static uint32_t hash_of(const struct hv_shadow *shadow, hv_ppn ppn, unsigned level)
{
    return (uint32_t)((ppn.n * 4 + level) * UINT64_C(0x9e3779b97f4a7c15) >> 32) & shadow->hash_mask;
}

uint32_t hv_node_find(const struct hv_shadow *shadow, hv_ppn ppn, unsigned level)
{
    uint32_t at = shadow->hash[hash_of(shadow, ppn, level)];
    while (at != HV_NODE_NONE &&
           (hv_node(shadow, at)->ppn.n != ppn.n || hv_node(shadow, at)->level != level))
        at = hv_node(shadow, at)->link;
    return at;
}

uint32_t hv_node_room(const struct hv_shadow *shadow)
{
    return shadow->nodes_max - (uint32_t)shadow->stats.nodes;
}

static uint32_t take_node(struct hv_shadow *shadow)
{
    uint32_t number = shadow->free_node;
    if (number != HV_NODE_NONE) {
        shadow->free_node = hv_node(shadow, number)->link;
        return number;
    }
    if (shadow->nodes_made == shadow->nodes_max)
        return HV_NODE_NONE;
    struct hv_shadow_node *node = malloc(sizeof *node);
    if (!node)
        return HV_NODE_NONE;
    shadow->nodes[shadow->nodes_made] = node;
    return shadow->nodes_made++;
}

/* Its page becomes a page table: nobody may write it unseen. */
static void protect_table(struct hv_shadow *shadow, hv_ppn ppn)
{
    struct hv_physmap_entry *page = hv_physmap_at(shadow->map, ppn);
    hv_assert(page && page->mpn != HV_MPN_NONE);
    if (page->reasons & HV_REASON_TABLE)
        return;
    shadow->stats.tables_made++;
    page->reasons |= HV_REASON_TABLE;
    hv_shadow_write_protect(shadow, ppn);
    if (shadow->tlb.write_protect)
        shadow->tlb.write_protect(shadow->tlb.ctx, (hv_mpn){page->mpn});
}

uint32_t hv_node_new(struct hv_shadow *shadow, enum hv_node_kind kind, hv_ppn ppn, unsigned level)
{
    uint32_t number = take_node(shadow);
    if (number == HV_NODE_NONE)
        return number;
    struct hv_shadow_node *node = hv_node(shadow, number);
    memset(node->entry, 0, sizeof node->entry); /* next and prev count only beside an entry */
    node->ppn = ppn;
    node->parents = HV_ENTRY_NONE;
    node->link = node->root_link = HV_NODE_NONE;
    node->writes = 0;
    node->used = shadow->clock;
    node->count = 0;
    node->level = (uint8_t)level;
    node->kind = (uint8_t)kind;
    node->span_bits = HV_PAGE_SHIFT;
    shadow->stats.nodes++;
    if (kind == HV_NODE_TABLE) {
        uint32_t *chain = &shadow->hash[hash_of(shadow, ppn, level)];
        node->link = *chain;
        *chain = number;
        protect_table(shadow, ppn);
    }
    return number;
}

static void link_first(struct hv_shadow *shadow, uint32_t *head, uint32_t owner, uint32_t entry)
{
    struct hv_shadow_node *node = hv_node(shadow, entry / HV_SLOTS);
    node->next[entry % HV_SLOTS] = *head;
    node->prev[entry % HV_SLOTS] = HV_ENTRY_HEAD | owner;
    if (*head != HV_ENTRY_NONE)
        hv_node(shadow, *head / HV_SLOTS)->prev[*head % HV_SLOTS] = entry;
    *head = entry;
}

static uint32_t *head_of(struct hv_shadow *shadow, uint32_t owner, bool leaf)
{
    return leaf ? &shadow->map->entries[owner].maps : &hv_node(shadow, owner)->parents;
}

/* Whether the neighbours on its list know the entry. */
static bool is_linked(struct hv_shadow *shadow, uint32_t entry, bool leaf)
{
    const struct hv_shadow_node *node = hv_node(shadow, entry / HV_SLOTS);
    uint32_t next = node->next[entry % HV_SLOTS], prev = node->prev[entry % HV_SLOTS];
    uint32_t before = prev & HV_ENTRY_HEAD
                          ? *head_of(shadow, prev & ~HV_ENTRY_HEAD, leaf)
                          : hv_node(shadow, prev / HV_SLOTS)->next[prev % HV_SLOTS];
    return before == entry && (next == HV_ENTRY_NONE ||
                               hv_node(shadow, next / HV_SLOTS)->prev[next % HV_SLOTS] == entry);
}

static void unlink_entry(struct hv_shadow *shadow, uint32_t entry, bool leaf)
{
    struct hv_shadow_node *node = hv_node(shadow, entry / HV_SLOTS);
    uint32_t next = node->next[entry % HV_SLOTS], prev = node->prev[entry % HV_SLOTS];
    hv_assert_internal(is_linked(shadow, entry, leaf));
    if (prev & HV_ENTRY_HEAD)
        *head_of(shadow, prev & ~HV_ENTRY_HEAD, leaf) = next;
    else
        hv_node(shadow, prev / HV_SLOTS)->next[prev % HV_SLOTS] = next;
    if (next != HV_ENTRY_NONE)
        hv_node(shadow, next / HV_SLOTS)->prev[next % HV_SLOTS] = prev;
}

static unsigned rank_of_first(const struct hv_shadow *shadow, uint32_t owner)
{
    uint32_t first = shadow->map->entries[owner].maps;
    return first == HV_ENTRY_NONE ? 0 : hv_node(shadow, first / HV_SLOTS)->rank[first % HV_SLOTS];
}

void hv_entry_put_leaf(struct hv_shadow *shadow, uint32_t node, unsigned slot, hv_ppn ppn,
                       uint64_t entry)
{
    struct hv_shadow_node *at = hv_node(shadow, node);
    hv_assert(at->entry[slot] == 0 && at->level == 0);
    uint32_t owner = (uint32_t)(ppn.n - shadow->map->begin.n);
    unsigned rank = rank_of_first(shadow, owner);
    if (rank == HV_SHADOW_MAPS_MAX) {
        hv_shadow_zap(shadow, ppn); /* an access fills them again */
        rank = 0;
    }
    at->entry[slot] = entry;
    at->rank[slot] = (uint16_t)(rank + 1);
    at->count++;
    link_first(shadow, head_of(shadow, owner, true), owner, node * HV_SLOTS + slot);
    hv_assert_expensive(!hv_node_fault(shadow, node));
}

void hv_entry_put_node(struct hv_shadow *shadow, uint32_t node, unsigned slot, uint32_t child)
{
    struct hv_shadow_node *at = hv_node(shadow, node);
    hv_assert(at->entry[slot] == 0 && at->level == hv_node(shadow, child)->level + 1);
    at->entry[slot] = (uint64_t)child << HV_ENTRY_SHIFT | HV_PTE_V;
    at->count++;
    link_first(shadow, head_of(shadow, child, false), child, node * HV_SLOTS + slot);
    hv_assert_expensive(!hv_node_fault(shadow, node));
}

void hv_entry_drop(struct hv_shadow *shadow, uint32_t node, unsigned slot)
{
    struct hv_shadow_node *at = hv_node(shadow, node);
    uint64_t entry = at->entry[slot];
    if (entry == 0)
        return;
    bool leaf = at->level == 0;
    unlink_entry(shadow, node * HV_SLOTS + slot, leaf);
    at->entry[slot] = 0;
    at->count--;
    if (leaf) {
        if (entry & HV_PTE_W)
            shadow->writes_untracked = true;
        return;
    }
    uint32_t child = (uint32_t)hv_entry_target(entry);
    if (hv_node(shadow, child)->parents == HV_ENTRY_NONE)
        hv_node_drop(shadow, child);
}

static void remove_from(struct hv_shadow *shadow, uint32_t *list, uint32_t number, bool roots)
{
    while (*list != number) {
        struct hv_shadow_node *node = hv_node(shadow, *list);
        list = roots ? &node->root_link : &node->link;
    }
    struct hv_shadow_node *node = hv_node(shadow, number);
    *list = roots ? node->root_link : node->link;
}

/* Its page is a page table no more if this was its last node. */
static void unprotect_table(struct hv_shadow *shadow, hv_ppn ppn)
{
    for (unsigned level = 0; level < HV_SV39_LEVELS; level++)
        if (hv_node_find(shadow, ppn, level) != HV_NODE_NONE)
            return;
    hv_physmap_at(shadow->map, ppn)->reasons &= (uint8_t)~HV_REASON_TABLE;
}

void hv_node_drop(struct hv_shadow *shadow, uint32_t number)
{
    struct hv_shadow_node *node = hv_node(shadow, number);
    hv_assert(node->kind != HV_NODE_FREE);
    for (unsigned slot = 0; node->count > 0 && slot < HV_SLOTS; slot++)
        hv_entry_drop(shadow, number, slot);
    while (node->parents != HV_ENTRY_NONE) {
        uint32_t entry = node->parents;
        struct hv_shadow_node *parent = hv_node(shadow, entry / HV_SLOTS);
        unlink_entry(shadow, entry, false);
        parent->entry[entry % HV_SLOTS] = 0;
        parent->count--;
    }
    if (node->kind == HV_NODE_TABLE) {
        remove_from(shadow, &shadow->hash[hash_of(shadow, node->ppn, node->level)], number, false);
        unprotect_table(shadow, node->ppn);
    }
    if (node->level == HV_SV39_LEVELS - 1) {
        remove_from(shadow, &shadow->roots, number, true);
        shadow->stats.spaces--;
        if (shadow->current == number)
            shadow->current = HV_NODE_NONE;
    }
    hv_assert(node->count == 0 && node->parents == HV_ENTRY_NONE && shadow->stats.nodes > 0);
    node->kind = HV_NODE_FREE;
    node->link = shadow->free_node;
    shadow->free_node = number;
    shadow->stats.nodes--;
}
