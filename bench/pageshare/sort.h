/* SPDX-License-Identifier: MIT */
/*
 * Sorting records where they lie, by all threads: radix by eight bits from the top (American flag),
 * and by insertion where few are left. O(n) while hashes are spread; whatever they are, O(n) a
 * digit.
 */
#ifndef MEASURE_SORT_H
#define MEASURE_SORT_H

#include "crew.h"
#include "records.h"

/* The words that records are sorted by: from `word` to the last one. */
struct sort_key {
    unsigned word;
    unsigned bits; /* of the first one: those above are the same in all */
};

/* Ascending. */
void sort_records(struct crew *crew, struct records *records, struct sort_key key);

#endif
