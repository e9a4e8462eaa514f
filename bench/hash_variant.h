/* SPDX-License-Identifier: MIT */
/*
 * XXH3 of a page with one kind of vectors, and reading it with them: hash_variant.c, compiled once
 * for each kind of x86, and once as the compiler would have it elsewhere.
 */
#ifndef BENCH_HASH_VARIANT_H
#define BENCH_HASH_VARIANT_H

#include <stdint.h>

struct hash_variant {
    uint64_t (*bits_64)(const void *page);
    uint64_t (*bits_128)(const void *page); /* both halves, added up */
    uint64_t (*read)(const void *page);     /* the sum of its 64-bit words */
};

extern const struct hash_variant hash_scalar, hash_sse2, hash_avx2, hash_avx512; /* x86 alone */
extern const struct hash_variant hash_native;                                    /* elsewhere */

#endif
