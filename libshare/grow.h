/* SPDX-License-Identifier: MIT */
/* Growing and shrinking a partition, a few buckets at a time. table.h has the idea. */
#ifndef SHARE_GROW_H
#define SHARE_GROW_H

#include "table.h"

/* Buckets that one call moves at most. Growth ends while a partition gets 0.3 % more entries; the
 * next partition's begins 0.6 % later, so seldom have two of them two arrays. (With 16 up to five
 * did, and one salt in twenty took more than 16 bytes a page.) */
#define SHARE_TABLE_MOVES 48u

/* Sizes are numbers of buckets in 32.32 fixed point. The size at which a partition holds `entries`
 * without growing; and the size of the next partition, 1.5^(1/64) times as large. */
uint64_t share_grow_ideal_q(uint64_t entries);
uint64_t share_grow_spread_q(uint64_t ideal_q);

/* The entries at which a partition of so many buckets wants a larger array. */
uint32_t share_grow_at(uint32_t buckets);

/* A key found no room: if the partition is well filled, it shall grow before it is full. Keys that
 * somebody chose never make a sparse one grow. Lock held. */
void share_grow_note_crowded(struct share_table *table, struct share_partition *part);

/* Makes `array` the one that entries go to. Lock held, or nobody else knows of the table yet. */
void share_grow_install(struct share_table *table, struct share_partition *part,
                        struct share_array array, uint64_t ideal_q);

/* Asks share_table_reserve to look at this partition. */
void share_grow_want(struct share_table *table, const struct share_partition *part);
void share_grow_want_if_worn(struct share_table *table, const struct share_partition *part);

/* With the lock held, while a partition has an old array: moves some of it over. */
void share_grow_move(struct share_table *table, struct share_partition *part);

static inline void share_grow_some(struct share_table *table, struct share_partition *part)
{
    if (part->old.buckets)
        share_grow_move(table, part);
}

#endif
