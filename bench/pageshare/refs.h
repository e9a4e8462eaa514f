/* SPDX-License-Identifier: MIT */
/* How many contents occur exactly so many times. */
#ifndef MEASURE_REFS_H
#define MEASURE_REFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REFS_FEW 64u

struct refs_count {
    uint64_t count, contents;
};

/* Zeroed at first. Nearly all contents occur a few times: those are counted, others listed. */
struct refs {
    uint64_t few[REFS_FEW]; /* contents that occur so often */
    uint64_t *many;         /* owned: how often each of the others occurs */
    size_t many_count, many_room;
    bool failed; /* no memory */
};

/* Each of `contents` occurs `count` times; for a count of REFS_FEW or more, one content. */
void refs_add(struct refs *refs, uint64_t count, uint64_t contents);

/* All counts, ascending, owned by the caller. Refs can only be freed then. False: no memory. */
bool refs_read(struct refs *refs, struct refs_count **out, size_t *counts);
void refs_fini(struct refs *refs);

#endif
