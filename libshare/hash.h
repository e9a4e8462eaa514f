/* SPDX-License-Identifier: MIT */
/*
 * The hash of a page, keyed by its group's secret: XXH3 in 64 bits, XXH3_64bits_withSecret bit for
 * bit. It is compiled in, once for each kind of vectors (hash_variant.c); a secret keeps the widest
 * variant that the machine has. Its result is the same with all of them.
 *
 * share_hash_look reads a page which a guest may be writing: its result is only ever a hint. Beside
 * it only fetch.c reads such pages, and has no result at all. The thread sanitizer must see
 * neither, so the variants are compiled without it.
 */
#ifndef SHARE_HASH_H
#define SHARE_HASH_H

#include "share.h"

#define SHARE_SECRET_NBYTES 192u /* XXH3's default secret size */

/* XXH3 of SHARE_PAGE_SIZE bytes under a secret of SHARE_SECRET_NBYTES, any alignment. */
typedef uint64_t (*share_hash_fn)(const void *page, const unsigned char *secret);

struct share_secret {
    unsigned char bytes[SHARE_SECRET_NBYTES];
    share_hash_fn hash; /* share_hash_variant(0) */
    uint64_t zero_hash; /* the zero page's hash under this secret */
    uint64_t mask;      /* all ones; the tests weaken it to force collisions */
};

/* The secret of a group: depends on salt and group, and on nothing else. */
void share_secret_init(struct share_secret *secret, uint64_t salt, share_group group,
                       uint64_t mask);

/* The hash of SHARE_PAGE_SIZE bytes that may change meanwhile. */
uint64_t share_hash_look(const struct share_secret *secret, const void *page);

/* The same of bytes that do not change: protected, or nobody's. */
uint64_t share_hash_stable(const struct share_secret *secret, const void *page);

/* The i-th variant that this machine can run, the fastest first; NULL after the last. */
share_hash_fn share_hash_variant(unsigned i);

/* The variants; whoever calls one by its name has asked the processor. */
uint64_t share_hash_scalar(const void *page, const unsigned char *secret);
#if defined(__x86_64__)
uint64_t share_hash_sse2(const void *page, const unsigned char *secret);
uint64_t share_hash_avx2(const void *page, const unsigned char *secret);
uint64_t share_hash_avx512(const void *page, const unsigned char *secret);
#else
uint64_t share_hash_native(const void *page,
                           const unsigned char *secret); /* the compiler's choice */
#endif

#endif
