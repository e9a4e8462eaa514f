/* SPDX-License-Identifier: MIT */
/* What happens to shadow page tables from below (writes to guest tables) and from above (remaps and
 * protections of a PPN), and their audit. See shadow.h. */
#include "cpu/access.h"
#include "tables/shadow_node.h"

enum {
    /* Writes without a walk after which a page is no page table: clearing a freed one passes it
     * soon, and a fork that protects the parent's whole table pays for this many traps. */
    WRITES_MAX = 32,
};

static uint64_t read_pte(const struct hv_shadow *shadow, hv_ppn ppn, unsigned slot)
{
    hv_mpn mpn = {hv_physmap_at(shadow->map, ppn)->mpn};
    return hv_mem_load(hv_machine_page(shadow->machine, mpn) + slot * 8, 8);
}

/* The guest's entry of this slot is new: what the shadow says must not be older. A leaf that could
 * be used at once is put in at once. */
static void apply(struct hv_shadow *shadow, uint32_t number, unsigned slot)
{
    struct hv_shadow_node *node = hv_node(shadow, number);
    uint64_t pte = read_pte(shadow, node->ppn, slot), old = node->entry[slot];
    if (node->level > 0) {
        const struct hv_shadow_node *child =
            old ? hv_node(shadow, (uint32_t)hv_entry_target(old)) : NULL;
        uint64_t flags = pte & ((1u << HV_ENTRY_SHIFT) - 1);
        bool same = child && child->kind == HV_NODE_TABLE &&
                    (flags & ~(uint64_t)HV_PTE_G) == HV_PTE_V && pte >> 54 == 0 &&
                    hv_sv39_ppn(pte) == child->ppn.n;
        if (!same)
            hv_entry_drop(shadow, number, slot);
        return;
    }
    hv_entry_drop(shadow, number, slot);
    hv_ppn ppn = {hv_sv39_ppn(pte)};
    const struct hv_physmap_entry *page = hv_physmap_at(shadow->map, ppn);
    if (!hv_sv39_is_leaf(pte, 0) || !(pte & HV_PTE_A) || !page || page->mpn == HV_MPN_NONE ||
        (page->reasons & HV_REASON_SAMPLING))
        return;
    uint64_t flags = pte & (HV_PTE_V | HV_PTE_R | HV_PTE_W | HV_PTE_X | HV_PTE_U);
    if (page->reasons || !(pte & HV_PTE_D))
        flags &= ~(uint64_t)HV_PTE_W;
    hv_entry_put_leaf(shadow, number, slot, ppn, (uint64_t)page->mpn << HV_ENTRY_SHIFT | flags);
}

void hv_shadow_written(struct hv_shadow *shadow, uint64_t gpa, unsigned nbytes, bool by_guest)
{
    hv_ppn ppn = hv_ppn_of(gpa);
    const struct hv_physmap_entry *page = hv_physmap_at(shadow->map, ppn);
    if (!page || !(page->reasons & HV_REASON_TABLE) || nbytes == 0)
        return;
    unsigned first = (unsigned)(hv_page_offset(gpa) / 8);
    unsigned last = (unsigned)((hv_page_offset(gpa) + nbytes - 1) / 8);
    for (unsigned level = 0; level < HV_SV39_LEVELS; level++) {
        uint32_t number = hv_node_find(shadow, ppn, level);
        if (number == HV_NODE_NONE)
            continue;
        struct hv_shadow_node *node = hv_node(shadow, number);
        if (by_guest && ++node->writes > WRITES_MAX && number != shadow->current) {
            shadow->stats.tables_flooded++;
            hv_node_drop(shadow, number);
            continue;
        }
        for (unsigned slot = first; slot <= last && slot < HV_SLOTS; slot++)
            apply(shadow, number, slot);
        shadow->stats.applied++;
    }
}

static struct hv_physmap_entry *page_of(const struct hv_shadow *shadow, hv_ppn ppn)
{
    return hv_physmap_at(shadow->map, ppn);
}

static uint64_t *entry_at(const struct hv_shadow *shadow, uint32_t entry)
{
    return &hv_node(shadow, entry / HV_SLOTS)->entry[entry % HV_SLOTS];
}

static uint32_t next_of(const struct hv_shadow *shadow, uint32_t entry)
{
    return hv_node(shadow, entry / HV_SLOTS)->next[entry % HV_SLOTS];
}

bool hv_shadow_write_protect(struct hv_shadow *shadow, hv_ppn ppn)
{
    bool any = false;
    for (uint32_t at = page_of(shadow, ppn)->maps; at != HV_ENTRY_NONE; at = next_of(shadow, at)) {
        any = any || (*entry_at(shadow, at) & HV_PTE_W);
        *entry_at(shadow, at) &= ~(uint64_t)HV_PTE_W;
    }
    return any;
}

uint64_t hv_shadow_remap(struct hv_shadow *shadow, hv_ppn ppn, hv_mpn mpn)
{
    uint64_t count = 0;
    for (uint32_t at = page_of(shadow, ppn)->maps; at != HV_ENTRY_NONE; at = next_of(shadow, at)) {
        uint64_t *entry = entry_at(shadow, at);
        uint64_t flags = *entry & ((1u << HV_ENTRY_SHIFT) - 1) & ~(uint64_t)HV_PTE_W;
        *entry = mpn.n << HV_ENTRY_SHIFT | flags;
        count++;
    }
    return count;
}

void hv_shadow_zap(struct hv_shadow *shadow, hv_ppn ppn)
{
    struct hv_physmap_entry *page = page_of(shadow, ppn);
    while (page->maps != HV_ENTRY_NONE)
        hv_entry_drop(shadow, page->maps / HV_SLOTS, page->maps % HV_SLOTS);
}

void hv_shadow_drop_table(struct hv_shadow *shadow, hv_ppn ppn)
{
    for (unsigned level = 0; level < HV_SV39_LEVELS; level++) {
        uint32_t number = hv_node_find(shadow, ppn, level);
        if (number != HV_NODE_NONE)
            hv_node_drop(shadow, number);
    }
}

uint64_t hv_shadow_count(const struct hv_shadow *shadow, hv_ppn ppn, uint64_t *writable)
{
    uint64_t count = 0;
    *writable = 0;
    for (uint32_t at = page_of(shadow, ppn)->maps; at != HV_ENTRY_NONE; at = next_of(shadow, at)) {
        count++;
        *writable += (*entry_at(shadow, at) & HV_PTE_W) != 0;
    }
    return count;
}

const char *hv_node_fault(const struct hv_shadow *shadow, uint32_t number)
{
    const struct hv_shadow_node *node = hv_node(shadow, number);
    unsigned count = 0;
    for (unsigned slot = 0; slot < HV_SLOTS; slot++) {
        if (node->entry[slot] == 0)
            continue;
        count++;
        uint64_t target = hv_entry_target(node->entry[slot]);
        if (node->level > 0 && (target >= shadow->nodes_made ||
                                hv_node(shadow, (uint32_t)target)->kind == HV_NODE_FREE ||
                                hv_node(shadow, (uint32_t)target)->level + 1 != node->level))
            return "an entry names no node of the next level";
    }
    if (count != node->count)
        return "a node's count of entries is wrong";
    if ((node->parents == HV_ENTRY_NONE) != (node->level == HV_SV39_LEVELS - 1))
        return "a node that is no root has no parent";
    if (node->kind == HV_NODE_TABLE && !(page_of(shadow, node->ppn)->reasons & HV_REASON_TABLE))
        return "a page table is not protected";
    return NULL;
}

/* *leaves: how many entries name the page. */
static const char *page_fault(const struct hv_shadow *shadow, hv_ppn ppn, uint64_t *leaves)
{
    const struct hv_physmap_entry *page = page_of(shadow, ppn);
    unsigned rank = HV_SHADOW_MAPS_MAX + 1;
    bool table = false;
    *leaves = 0;
    if ((page->reasons & HV_REASON_SAMPLING) && page->maps != HV_ENTRY_NONE)
        return "a page that is watched for its first access has an entry";
    for (uint32_t at = page->maps; at != HV_ENTRY_NONE; at = next_of(shadow, at)) {
        uint64_t entry = *entry_at(shadow, at);
        unsigned now = hv_node(shadow, at / HV_SLOTS)->rank[at % HV_SLOTS];
        ++*leaves;
        if (now >= rank)
            return "ranks do not fall along a page's list";
        rank = now;
        if (hv_entry_target(entry) != page->mpn)
            return "an entry names another MPN than the physmap";
        if ((entry & HV_PTE_W) && page->reasons)
            return "an entry permits writes to a protected page";
    }
    for (unsigned level = 0; level < HV_SV39_LEVELS; level++)
        table = table || hv_node_find(shadow, ppn, level) != HV_NODE_NONE;
    return table == ((page->reasons & HV_REASON_TABLE) != 0)
               ? NULL
               : "a page without node is a page table";
}

const char *hv_shadow_page_fault(const struct hv_shadow *shadow, hv_ppn ppn)
{
    uint64_t leaves;
    return page_fault(shadow, ppn, &leaves);
}

const char *hv_shadow_check(const struct hv_shadow *shadow)
{
    uint64_t in_nodes = 0, on_lists = 0, nodes = 0;
    const char *wrong = NULL;
    for (uint32_t i = 0; !wrong && i < shadow->nodes_made; i++) {
        if (hv_node(shadow, i)->kind == HV_NODE_FREE)
            continue;
        nodes++;
        wrong = hv_node_fault(shadow, i);
        in_nodes += hv_node(shadow, i)->level == 0 ? hv_node(shadow, i)->count : 0;
    }
    for (hv_ppn ppn = shadow->map->begin; !wrong && ppn.n < shadow->map->end.n; ppn.n++) {
        uint64_t leaves = 0;
        wrong = page_fault(shadow, ppn, &leaves);
        on_lists += leaves;
    }
    if (!wrong && in_nodes != on_lists)
        wrong = "leaf entries are on no list";
    if (!wrong && (nodes != shadow->stats.nodes || nodes > shadow->nodes_max))
        wrong = "the count of nodes is wrong";
    return wrong;
}
