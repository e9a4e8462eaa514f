/* SPDX-License-Identifier: MIT */
/*
 * Pages that cannot be read again in place: of a group that lies in sequential sources alone, the
 * page that arrives first is put on the shelf, an unlinked file in $TMPDIR or /var/tmp, and all
 * others are compared with it.
 *
 * Where it lies is written into the record of the group's partner, in place of the number that says
 * of which group that page is: its own.
 */
#ifndef MEASURE_SHELF_H
#define MEASURE_SHELF_H

#include "crew.h"
#include "groups.h"

struct shelf {
    int fd; /* -1 until the first page comes */
    pthread_mutex_t mutex;
    _Atomic uint64_t next; /* free place */
};

void shelf_init(struct shelf *shelf);
void shelf_fini(struct shelf *shelf);

enum shelf_result {
    SHELF_FIRST, /* the page lies there now */
    SHELF_OTHER, /* `other` is the one that lies there */
    SHELF_FAILED /* after crew_fail */
};

/* Puts a page of the group of `partner`, a record, on the shelf, or gets the one that is there. */
enum shelf_result shelf_meet(struct shelf *shelf, struct crew *crew, uint64_t *partner,
                             const uint8_t *page, uint8_t *other);

/* Whether the record says where on the shelf its group's page is. */
static inline bool shelf_has(const uint64_t *record)
{
    return groups_page(record[GROUP_PARTNER]) >= SET_PAGES_MAX;
}

/* Makes such a record again what it was. */
void shelf_restore(uint64_t *record);

#endif
