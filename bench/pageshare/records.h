/* SPDX-License-Identifier: MIT */
/*
 * A record a page: what its content is known by, and where it is. The one large array of a
 * measurement, 16 bytes for each page that is not zero.
 *
 * After the first look a record is {hash, place}, or {hash, hash's high half, place} where hashes
 * alone decide: 24 bytes. Its place is a source and an index, packed.
 *
 * Once groups are known (groups.h) it is {partner, place}, 16 bytes, of pages whose hash others
 * have, too. Both are page numbers over all sources, with 24 bits of the hash below each, by which
 * a page that is read again is known to be what it was.
 *
 * Address space is reserved for all pages that there may be; memory is taken as records come.
 */
#ifndef MEASURE_RECORDS_H
#define MEASURE_RECORDS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RECORDS_CHUNK 1024u /* a thread takes room for so many */

struct records {
    uint64_t *word; /* owned: width of each record */
    unsigned width; /* words in one: 2 or 3 */
    uint64_t room;  /* records that fit */
    _Atomic uint64_t taken;
    uint64_t count; /* once all are there */
};

/* Where a thread writes. */
struct records_chunk {
    uint64_t *at, *end;
};

/* For `pages` records at most; or for as many as may come, if that is not known, `pages` being a
 * part of them. False: no memory. */
bool records_init(struct records *records, unsigned width, uint64_t pages, bool more,
                  unsigned threads);
void records_fini(struct records *records);

/* Room for one record; NULL if there is none. */
uint64_t *records_next(struct records *records, struct records_chunk *chunk);

/* Fills the room that a thread has left. Filling sorts behind all records. */
void records_close(struct records_chunk *chunk);

/* All threads have closed theirs: counts what is there, filling included. */
void records_end(struct records *records);

/* Sorted: cuts off what is filling. */
void records_trim(struct records *records);

/* Gives back the memory behind `count`. */
void records_shrink(struct records *records);

#endif
