/* SPDX-License-Identifier: MIT */
/* Tables of machine page numbers, and the lists that find every entry of a page. See para.h. */
#include <stdlib.h>
#include <string.h>

#include "cpu/access.h"
#include "hv_assert.h"
#include "tables/para.h"

enum { ENTRY_SHIFT = 10 };

#define ENTRY_FLAGS ((UINT64_C(1) << ENTRY_SHIFT) - 1)
#define WANTS_WRITE (HV_PARA_COW | HV_PTE_W)

bool hv_para_init(struct hv_para *para, struct hv_physmap *map, struct hv_machine *machine,
                  uint32_t tables_max)
{
    uint64_t pages = map->end.n - map->begin.n;
    *para = (struct hv_para){.map = map,
                             .machine = machine,
                             .tables_max = tables_max,
                             .free_table = HV_PARA_NONE,
                             .root = HV_PARA_NONE};
    para->tables = calloc(tables_max, sizeof(struct hv_para_table *));
    para->table_of = malloc(pages * sizeof *para->table_of);
    para->leaves = calloc(pages, sizeof *para->leaves);
    if (!para->tables || !para->table_of || !para->leaves ||
        !hv_p2m_init(&para->p2m, pages, machine->pages)) {
        hv_para_fini(para);
        return false;
    }
    for (uint64_t i = 0; i < pages; i++)
        para->table_of[i] = HV_PARA_NONE;
    map->p2m = &para->p2m;
    return true;
}

void hv_para_fini(struct hv_para *para)
{
    for (uint32_t i = 0; i < para->tables_made; i++)
        free(para->tables[i]);
    free(para->tables);
    free(para->table_of);
    free(para->leaves);
    hv_p2m_fini(&para->p2m);
    *para = (struct hv_para){.tables = NULL};
}

static struct hv_physmap_entry *page_of(const struct hv_para *para, hv_ppn ppn)
{
    return hv_physmap_at(para->map, ppn);
}

static uint64_t *entry_at(const struct hv_para *para, const struct hv_para_table *table,
                          unsigned slot)
{
    return (uint64_t *)(void *)hv_machine_page(para->machine, table->mpn) + slot;
}

/* Entries are named by table number * 512 + slot. */
static struct hv_para_table *table_of_entry(const struct hv_para *para, uint32_t name)
{
    return para->tables[name / HV_PARA_SLOTS];
}

static uint64_t *entry_named(const struct hv_para *para, uint32_t name)
{
    return entry_at(para, table_of_entry(para, name), name % HV_PARA_SLOTS);
}

static uint32_t next_of(const struct hv_para *para, uint32_t name)
{
    return table_of_entry(para, name)->next[name % HV_PARA_SLOTS];
}

struct hv_para_table *hv_para_table_at(const struct hv_para *para, hv_ppn ppn)
{
    if (!page_of(para, ppn))
        return NULL;
    uint32_t number = para->table_of[ppn.n - para->map->begin.n];
    return number == HV_PARA_NONE ? NULL : para->tables[number];
}

static uint32_t number_of(const struct hv_para *para, const struct hv_para_table *table)
{
    return para->table_of[table->ppn.n - para->map->begin.n];
}

/* HV_PARA_NONE if there is no room. */
static uint32_t take_number(struct hv_para *para)
{
    uint32_t number = para->free_table;
    if (number != HV_PARA_NONE) {
        para->free_table = para->tables[number]->link;
        return number;
    }
    if (para->tables_made == para->tables_max)
        return HV_PARA_NONE;
    struct hv_para_table *table = malloc(sizeof *table);
    if (!table)
        return HV_PARA_NONE;
    para->tables[para->tables_made] = table;
    return para->tables_made++;
}

bool hv_para_table_new(struct hv_para *para, hv_ppn ppn, unsigned level)
{
    uint32_t number = take_number(para);
    if (number == HV_PARA_NONE)
        return false;
    struct hv_para_table *table = para->tables[number];
    hv_assert(page_of(para, ppn)->pins == 0 && level < HV_SV39_LEVELS);
    *table = (struct hv_para_table){
        .ppn = ppn, .mpn = {page_of(para, ppn)->mpn}, .level = (uint8_t)level, .used = true};
    memset(table->names, 0xff, sizeof table->names);
    memset(hv_machine_page(para->machine, table->mpn), 0, HV_PAGE_BYTES);
    para->table_of[ppn.n - para->map->begin.n] = number;
    hv_physmap_take(para->map, ppn);
    para->stats.tables++;
    return true;
}

void hv_para_table_free(struct hv_para *para, struct hv_para_table *table)
{
    uint32_t number = number_of(para, table);
    hv_assert(table->used && table->parents == 0 && number != para->root);
    for (unsigned slot = 0; slot < HV_PARA_SLOTS; slot++)
        hv_para_entry_set(para, table, slot, 0, table->ppn);
    hv_physmap_give(para->map, table->ppn);
    para->table_of[table->ppn.n - para->map->begin.n] = HV_PARA_NONE;
    table->used = false;
    table->link = para->free_table;
    para->free_table = number;
    para->stats.tables--;
}

static void unlink_leaf(struct hv_para *para, struct hv_para_table *table, unsigned slot)
{
    uint32_t next = table->next[slot], prev = table->prev[slot];
    para->leaves[table->names[slot]]--;
    if (next != HV_ENTRY_NONE)
        table_of_entry(para, next)->prev[next % HV_PARA_SLOTS] = prev;
    if (prev != HV_ENTRY_NONE)
        table_of_entry(para, prev)->next[prev % HV_PARA_SLOTS] = next;
    else
        para->map->entries[table->names[slot]].maps = next;
}

static void link_leaf(struct hv_para *para, struct hv_para_table *table, unsigned slot)
{
    uint32_t *first = &para->map->entries[table->names[slot]].maps;
    uint32_t name = number_of(para, table) * HV_PARA_SLOTS + slot;
    para->leaves[table->names[slot]]++;
    table->next[slot] = *first;
    table->prev[slot] = HV_ENTRY_NONE;
    if (*first != HV_ENTRY_NONE)
        table_of_entry(para, *first)->prev[*first % HV_PARA_SLOTS] = name;
    *first = name;
}

static struct hv_para_table *child_of(const struct hv_para *para, const struct hv_para_table *table,
                                      unsigned slot)
{
    return para->tables[para->table_of[table->names[slot]]];
}

static void drop(struct hv_para *para, struct hv_para_table *table, unsigned slot)
{
    if (table->names[slot] == HV_PARA_NONE)
        return;
    if (table->level > 0) {
        child_of(para, table, slot)->parents--;
    } else {
        unlink_leaf(para, table, slot);
        if (*entry_at(para, table, slot) & HV_PTE_W)
            para->writes_untracked = true;
    }
    table->names[slot] = HV_PARA_NONE;
    hv_mem_store(entry_at(para, table, slot), 8, 0);
}

/* What the entry says of its PPN: this MPN or HV_MPN_NONE, and W or COW if it wants to write. */
static uint64_t leaf_for(const struct hv_physmap_entry *page, uint64_t entry, hv_mpn mpn)
{
    bool absent = mpn.n == HV_MPN_NONE;
    uint64_t flags = entry & ENTRY_FLAGS & ~(WANTS_WRITE | HV_PTE_V);
    if (!absent && !(page->reasons & HV_REASON_SAMPLING))
        flags |= HV_PTE_V;
    if (entry & WANTS_WRITE)
        flags |= absent || page->reasons ? HV_PARA_COW : HV_PTE_W;
    return (absent ? HV_PARA_ABSENT : mpn.n) << ENTRY_SHIFT | flags;
}

void hv_para_entry_set(struct hv_para *para, struct hv_para_table *table, unsigned slot,
                       uint64_t entry, hv_ppn ppn)
{
    drop(para, table, slot);
    if (entry == 0)
        return;
    const struct hv_physmap_entry *page = page_of(para, ppn);
    table->names[slot] = (uint32_t)(ppn.n - para->map->begin.n);
    if (table->level > 0) {
        child_of(para, table, slot)->parents++;
    } else {
        entry = leaf_for(page, entry, (hv_mpn){page->mpn});
        link_leaf(para, table, slot);
    }
    hv_mem_store(entry_at(para, table, slot), 8, entry);
}

bool hv_para_write_protect(struct hv_para *para, hv_ppn ppn)
{
    bool any = false;
    for (uint32_t at = page_of(para, ppn)->maps; at != HV_ENTRY_NONE; at = next_of(para, at)) {
        uint64_t *entry = entry_named(para, at), old = *entry;
        if (!(old & HV_PTE_W))
            continue;
        any = true;
        hv_mem_store(entry, 8, (old & ~(uint64_t)HV_PTE_W) | HV_PARA_COW);
        para->stats.rewritten++;
    }
    return any;
}

void hv_para_remap(struct hv_para *para, hv_ppn ppn, hv_mpn mpn)
{
    const struct hv_physmap_entry *page = page_of(para, ppn);
    for (uint32_t at = page->maps; at != HV_ENTRY_NONE; at = next_of(para, at)) {
        uint64_t *entry = entry_named(para, at);
        hv_mem_store(entry, 8, leaf_for(page, *entry, mpn));
        para->stats.rewritten++;
    }
}

uint64_t hv_para_count(const struct hv_para *para, hv_ppn ppn, uint64_t *writable)
{
    uint64_t count = 0;
    *writable = 0;
    for (uint32_t at = page_of(para, ppn)->maps; at != HV_ENTRY_NONE; at = next_of(para, at)) {
        count++;
        *writable += (*entry_named(para, at) & HV_PTE_W) != 0;
    }
    return count;
}

/* Roots first: a table goes when nothing names it. */
void hv_para_flush(struct hv_para *para)
{
    para->root = HV_PARA_NONE;
    for (unsigned level = HV_SV39_LEVELS; level-- > 0;)
        for (uint32_t i = 0; i < para->tables_made; i++)
            if (para->tables[i]->used && para->tables[i]->level == level)
                hv_para_table_free(para, para->tables[i]);
}

struct hv_para_path hv_para_path(const struct hv_para *para, uint64_t va)
{
    struct hv_para_path path = {.steps = 0};
    uint32_t number = para->root;
    while (number != HV_PARA_NONE) {
        const struct hv_para_table *table = para->tables[number];
        unsigned slot = va >> hv_sv39_span_bits(table->level) & (HV_PARA_SLOTS - 1);
        path.gpa[path.steps] = (table->ppn.n << HV_PAGE_SHIFT) + slot * sizeof(uint64_t);
        path.entry[path.steps++] = *entry_at(para, table, slot);
        number = HV_PARA_NONE;
        if (table->names[slot] == HV_PARA_NONE)
            break;
        path.ppn.n = para->map->begin.n + table->names[slot];
        path.mapped = table->level == 0;
        if (!path.mapped)
            number = para->table_of[table->names[slot]];
    }
    return path;
}

/* An entry that is not empty. */
static const char *entry_fault(const struct hv_para *para, const struct hv_para_table *table,
                               unsigned slot)
{
    uint64_t entry = *entry_at(para, table, slot);
    const struct hv_physmap_entry *page = &para->map->entries[table->names[slot]];
    bool absent = page->mpn == HV_MPN_NONE;
    if (hv_sv39_ppn(entry) != (absent ? HV_PARA_ABSENT : page->mpn))
        return "an entry names another MPN than the physmap";
    if (((entry & HV_PTE_V) == 0) != (absent || (page->reasons & HV_REASON_SAMPLING)))
        return "an entry is valid although its page must fault, or the reverse";
    if (table->level == 0)
        return (absent || page->reasons ? (entry & HV_PTE_W) != 0 : (entry & HV_PARA_COW) != 0)
                   ? "an entry's right to write is not what its page's reasons say"
                   : NULL;
    uint32_t child = para->table_of[table->names[slot]];
    return child == HV_PARA_NONE || para->tables[child]->level + 1 != table->level
               ? "an entry names no table of the level below"
               : NULL;
}

/* Counts the parents of tables and the leaves as it goes. */
static const char *check_entry(const struct hv_para *para, const struct hv_para_table *table,
                               unsigned slot, uint32_t *parents, uint64_t *leaves)
{
    if (table->names[slot] == HV_PARA_NONE)
        return *entry_at(para, table, slot) ? "an entry that the VMM did not write" : NULL;
    const char *wrong = entry_fault(para, table, slot);
    if (wrong)
        return wrong;
    if (table->level == 0)
        ++*leaves;
    else
        parents[para->table_of[table->names[slot]]]++;
    return NULL;
}

const char *hv_para_page_fault(const struct hv_para *para, hv_ppn ppn)
{
    uint64_t index = ppn.n - para->map->begin.n, leaves = 0;
    const struct hv_physmap_entry *page = &para->map->entries[index];
    bool table = para->table_of[index] != HV_PARA_NONE;
    for (uint32_t at = page->maps, prev = HV_ENTRY_NONE; at != HV_ENTRY_NONE;
         prev = at, at = next_of(para, at), leaves++) {
        const struct hv_para_table *in = table_of_entry(para, at);
        if (!in->used || in->level || in->names[at % HV_PARA_SLOTS] != index ||
            in->prev[at % HV_PARA_SLOTS] != prev)
            return "a list of entries is broken";
        const char *wrong = entry_fault(para, in, at % HV_PARA_SLOTS);
        if (wrong)
            return wrong;
    }
    if (para->leaves[index] != leaves || leaves > HV_PARA_MAPS_MAX)
        return "the count of a page's entries is wrong";
    if (table != ((page->reasons & HV_REASON_PARA_TABLE) != 0))
        return "a page is a table in one place and none in another";
    if (para->p2m.mpn[index] != (page->mpn == HV_MPN_NONE ? HV_PARA_ABSENT : page->mpn))
        return "the guest's PPN to MPN table is not the physmap";
    return NULL;
}

const char *hv_para_check(const struct hv_para *para)
{
    uint64_t in_tables = 0, on_lists = 0, used = 0, pages = para->map->end.n - para->map->begin.n;
    uint32_t *parents = calloc(para->tables_made + 1u, sizeof *parents);
    const char *wrong = parents ? NULL : "no memory to check with";
    for (uint32_t i = 0; !wrong && i < para->tables_made; i++) {
        used += para->tables[i]->used;
        for (unsigned slot = 0; !wrong && para->tables[i]->used && slot < HV_PARA_SLOTS; slot++)
            wrong = check_entry(para, para->tables[i], slot, parents, &in_tables);
    }
    for (uint32_t i = 0; !wrong && i < para->tables_made; i++)
        if (para->tables[i]->used && para->tables[i]->parents != parents[i])
            wrong = "a table's count of parents is wrong";
    for (uint64_t i = 0; !wrong && i < pages; i++) {
        wrong = hv_para_page_fault(para, (hv_ppn){para->map->begin.n + i});
        on_lists += para->leaves[i];
    }
    if (!wrong && in_tables != on_lists)
        wrong = "leaf entries are on no list";
    if (!wrong && (used != para->stats.tables || used > para->tables_max))
        wrong = "the count of tables is wrong";
    free(parents);
    return wrong;
}
