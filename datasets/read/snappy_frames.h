/* SPDX-License-Identifier: MIT */
/* The framing format of snappy (its framing_format.txt): chunks of up to 64 KiB, each checked. */
#ifndef DS_SNAPPY_FRAMES_H
#define DS_SNAPPY_FRAMES_H

#include "input.h"

#define DS_SNAPPY_CHUNK_NBYTES ((size_t)64 << 10)

struct ds_snappy {
    uint64_t offset; /* of the next chunk in the input */
    uint8_t bytes[DS_SNAPPY_CHUNK_NBYTES];
    size_t used, filled;
};

/* Unpacks the next chunk that has bytes into bytes[0, filled); filled is 0 where the input ends,
 * within a chunk, too. False with the error written. */
bool ds_snappy_next(struct ds_input *input, struct ds_snappy *snappy);

#endif
