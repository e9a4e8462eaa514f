/* SPDX-License-Identifier: MIT */
/* The range headers that LiME and AVML have in common. */
#ifndef DS_LIME_H
#define DS_LIME_H

#include "reader.h"

#define DS_LIME_HEADER_NBYTES 32

/* Bytes [start, end) of the machine's memory follow the header. */
struct ds_lime_range {
    uint64_t start, end;
    bool last; /* there is none: the input ends where it may */
};

/* Reads the header at `offset`: its magic number and version must be these. */
bool ds_lime_read(struct ds_reading *reading, uint64_t offset, const char magic[4],
                  uint32_t version, struct ds_lime_range *range);

/* Pieces that one header makes, in the order of their addresses. */
struct ds_lime_pieces {
    struct ds_piece piece[4];
    size_t count, next;
};

/* The gap before a range, in a state that is told, and the range, whose first byte is at `offset`.
 * Of a page that the range has in part, the rest is not known: it is excluded. */
void ds_lime_split(const struct ds_lime_range *range, uint64_t before, enum ds_state gap,
                   uint64_t offset, struct ds_lime_pieces *pieces);

#endif
