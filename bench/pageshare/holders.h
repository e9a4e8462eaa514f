/* SPDX-License-Identifier: MIT */
/*
 * Holder sets: which sets of sources hold the same contents, and what each saves.
 *
 * The holders of a content are the sources that have it. Contents with the same holders are added
 * up, in a table of at most HOLDERS_NBYTES; contents whose holders find no room there are summed
 * into one line, which bounds what any set left out can save. The zero content, and contents that
 * occur once, are left out of this.
 *
 * A set is not stored: an entry knows a group whose holders it is. With up to 64 sources its key is
 * the set itself; else a hash, and holders are compared.
 */
#ifndef MEASURE_HOLDERS_H
#define MEASURE_HOLDERS_H

#include "groups.h"

#define HOLDERS_NBYTES   (UINT64_C(64) << 20)
#define HOLDERS_SHOWN    1000u /* sets that save most */
#define HOLDERS_LISTED   1000u /* sources of one that are named */
#define HOLDERS_MASK_MAX 64u   /* sources that fit into a key */

struct holder_sum {
    uint64_t sets, contents, pages; /* reclaimed: pages - contents */
};

struct holder_set {
    uint32_t *source; /* ascending; the first `listed` */
    size_t listed, holders;
    uint64_t contents, pages;
};

/* What came out. Owned: holders_free. */
struct holders {
    struct holder_set *set; /* what saves most first, then by sources */
    size_t sets;
    struct holder_sum rest;     /* sets that are known, and not among `set` */
    struct holder_sum left_out; /* sets that found no room; how many is not known: 0 */
};

struct holders_table;

/* NULL: no memory. nbytes: HOLDERS_NBYTES, or less for tests. */
struct holders_table *holders_table_new(const struct set *set, const struct records *records,
                                        uint64_t nbytes);
void holders_table_free(struct holders_table *table); /* NULL is allowed */

/* A group: its first record, its pages, and its holders, ascending. */
void holders_add(struct holders_table *table, uint64_t first, uint64_t pages,
                 const uint32_t *source, size_t holders);

/* Reads the table out; it can only be freed then. False: no memory. */
bool holders_read(struct holders_table *table, struct holders *holders);
void holders_free(struct holders *holders);

/* Memory that the table took at most. */
uint64_t holders_table_nbytes(const struct holders_table *table);

#endif
