/* SPDX-License-Identifier: MIT */
/*
 * XXH3 of a page with one kind of vectors: compiled once for each, from xxHash's header alone.
 *
 * SHARE_HASH_VARIANT names the function, XXH_VECTOR chooses the vectors, and the compiler's flags
 * allow them. So nothing else may be defined here: other code must not get those instructions.
 * Lengths are constants, which lets the compiler lay out the loops; it also ends each function with
 * vzeroupper where that is needed.
 */
#define XXH_INLINE_ALL
/* Bytes: as in libxxhash, with all of its vectors. The header would have 512 with AVX-512 alone; on
 * Zen 5 pages in memory then take 235 ns each instead of 200. */
#define XXH_PREFETCH_DIST 384
#include "hash.h"
#include <xxhash.h>

uint64_t SHARE_HASH_VARIANT(const void *page, const unsigned char *secret)
{
    return XXH3_64bits_withSecret(page, SHARE_PAGE_SIZE, secret, SHARE_SECRET_NBYTES);
}
