/* SPDX-License-Identifier: MIT */
/* See holders.h: open addressing; a table grows from nothing, the old one beside the new. */
#include "holders.h"
#include <stdlib.h>
#include <string.h>

#define SLOTS_MIN UINT64_C(256)

struct entry {
    uint64_t key;
    uint64_t contents; /* 0: free */
    uint64_t pages;
    uint64_t first; /* record of a group with these holders */
};

struct holders_table {
    const struct set *set;
    const struct records *records;
    struct entry *slot;
    uint64_t slots, slots_max, used;
    bool full; /* for good: what found no room once never finds any */
    struct holder_sum left_out;
};

struct holders_table *holders_table_new(const struct set *set, const struct records *records,
                                        uint64_t nbytes)
{
    struct holders_table *table = calloc(1, sizeof *table);
    if (!table)
        return NULL;
    *table = (struct holders_table){.set = set, .records = records, .slots = SLOTS_MIN};
    table->slots_max = SLOTS_MIN;
    while (table->slots_max * 3 * sizeof(struct entry) <= nbytes) /* old and new */
        table->slots_max *= 2;
    table->slot = calloc(table->slots, sizeof *table->slot);
    if (table->slot)
        return table;
    free(table);
    return NULL;
}

void holders_table_free(struct holders_table *table)
{
    if (table)
        free(table->slot);
    free(table);
}

uint64_t holders_table_nbytes(const struct holders_table *table)
{
    return table->slots * sizeof *table->slot;
}

static bool has_masks(const struct holders_table *table)
{
    return table->set->sources <= HOLDERS_MASK_MAX;
}

static uint64_t mixed(uint64_t key)
{
    key ^= key >> 32;
    key *= UINT64_C(0x9e3779b97f4a7c15);
    return key ^ key >> 29;
}

static uint64_t key_of(const struct holders_table *table, const uint32_t *source, size_t holders)
{
    uint64_t key = 0;
    for (size_t i = 0; i < holders; i++)
        key = has_masks(table) ? key | UINT64_C(1) << source[i] : mixed(key + source[i] + 1);
    return key;
}

/* --------------------------------------------------------------- the holders of a group, again --
 */

/* Walks over the holders of the group at a record. */
struct walk {
    const struct holders_table *table;
    uint64_t at, end;
};

static struct walk walk_group(const struct holders_table *table, uint64_t first)
{
    return (struct walk){table, first, groups_end(table->records, first)};
}

/* The next holder; false if there is none. */
static bool walk_next(struct walk *walk, uint32_t *source)
{
    const struct set *set = walk->table->set;
    const uint64_t *word = walk->table->records->word;
    if (walk->at == walk->end)
        return false;
    size_t s = set_source_of(set, groups_page(word[2 * walk->at + GROUP_PAGE]));
    *source = (uint32_t)s;
    do
        walk->at++;
    while (walk->at < walk->end &&
           (s + 1 == set->sources ||
            groups_page(word[2 * walk->at + GROUP_PAGE]) < set->source[s + 1].first));
    return true;
}

static bool has_holders(const struct holders_table *table, uint64_t first, const uint32_t *source,
                        size_t holders)
{
    struct walk walk = walk_group(table, first);
    uint32_t found;
    size_t i = 0;
    while (walk_next(&walk, &found))
        if (i == holders || source[i++] != found)
            return false;
    return i == holders;
}

/* ------------------------------------------------------------------------------- the table -- */

/* The entry of these holders, or the free one where they belong. */
static struct entry *find(const struct holders_table *table, uint64_t key, const uint32_t *source,
                          size_t holders)
{
    uint64_t at = mixed(key) & (table->slots - 1);
    for (;; at = (at + 1) & (table->slots - 1)) {
        struct entry *entry = &table->slot[at];
        if (!entry->contents ||
            (entry->key == key &&
             (has_masks(table) || has_holders(table, entry->first, source, holders))))
            return entry;
    }
}

static bool grow(struct holders_table *table)
{
    if (2 * table->slots > table->slots_max)
        return false;
    struct entry *larger = calloc(2 * table->slots, sizeof *larger);
    if (!larger)
        return false;
    for (uint64_t i = 0; i < table->slots; i++) {
        if (!table->slot[i].contents)
            continue;
        uint64_t at = mixed(table->slot[i].key) & (2 * table->slots - 1);
        while (larger[at].contents)
            at = (at + 1) & (2 * table->slots - 1);
        larger[at] = table->slot[i];
    }
    free(table->slot);
    table->slot = larger;
    table->slots *= 2;
    return true;
}

void holders_add(struct holders_table *table, uint64_t first, uint64_t pages,
                 const uint32_t *source, size_t holders)
{
    uint64_t key = key_of(table, source, holders);
    struct entry *entry = find(table, key, source, holders);
    if (!entry->contents) {
        /* One in eight stays free. */
        table->full |= 8 * (table->used + 1) > 7 * table->slots && !grow(table);
        if (table->full) {
            table->left_out.contents++;
            table->left_out.pages += pages;
            return;
        }
        entry = find(table, key, source, holders);
        *entry = (struct entry){.key = key, .first = first};
        table->used++;
    }
    entry->contents++;
    entry->pages += pages;
}

/* ------------------------------------------------------------------------------ reading out -- */

static int by_holders(const struct holders_table *table, uint64_t first, uint64_t other)
{
    struct walk a = walk_group(table, first), b = walk_group(table, other);
    uint32_t x, y;
    for (;;) {
        bool more_a = walk_next(&a, &x), more_b = walk_next(&b, &y);
        if (!more_a || !more_b)
            return more_a - more_b;
        if (x != y)
            return x < y ? -1 : 1;
    }
}

/* What saves more is first. */
static int by_saved(const void *a, const void *b, void *table)
{
    const struct entry *x = a, *y = b;
    uint64_t saved_x = x->pages - x->contents, saved_y = y->pages - y->contents;
    if (saved_x != saved_y)
        return saved_x > saved_y ? -1 : 1;
    return x == y ? 0 : by_holders(table, x->first, y->first);
}

static bool list_sources(const struct holders_table *table, const struct entry *entry,
                         struct holder_set *set)
{
    struct walk walk = walk_group(table, entry->first);
    uint32_t source;
    *set = (struct holder_set){.contents = entry->contents, .pages = entry->pages};
    while (walk_next(&walk, &source))
        set->holders++;
    set->listed = set->holders < HOLDERS_LISTED ? set->holders : HOLDERS_LISTED;
    set->source = malloc(set->listed * sizeof *set->source);
    walk = walk_group(table, entry->first);
    for (size_t i = 0; set->source && i < set->listed; i++)
        (void)walk_next(&walk, &set->source[i]);
    return set->source != NULL;
}

bool holders_read(struct holders_table *table, struct holders *holders)
{
    uint64_t used = 0;
    for (uint64_t i = 0; i < table->slots; i++)
        if (table->slot[i].contents)
            table->slot[used++] = table->slot[i];
    qsort_r(table->slot, used, sizeof *table->slot, by_saved, table);
    *holders = (struct holders){.left_out = table->left_out};
    size_t shown = used < HOLDERS_SHOWN ? (size_t)used : HOLDERS_SHOWN;
    holders->set = calloc(shown + 1, sizeof *holders->set);
    bool ok = holders->set != NULL;
    for (; ok && holders->sets < shown; holders->sets++)
        ok = list_sources(table, &table->slot[holders->sets], &holders->set[holders->sets]);
    for (uint64_t i = shown; i < used; i++) {
        holders->rest.sets++;
        holders->rest.contents += table->slot[i].contents;
        holders->rest.pages += table->slot[i].pages;
    }
    if (!ok)
        holders_free(holders);
    return ok;
}

void holders_free(struct holders *holders)
{
    for (size_t i = 0; i < holders->sets; i++)
        free(holders->set[i].source);
    free(holders->set);
    *holders = (struct holders){0};
}
