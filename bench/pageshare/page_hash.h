/* SPDX-License-Identifier: MIT */
/*
 * The hash of a page: XXH3 in 128 bits under a key, compiled in once for each kind of vectors
 * (page_variant.c). Its low half is XXH3 in 64 bits under the same key.
 *
 * The key that everybody knows makes runs repeat byte for byte; against pages that were made so
 * that their hashes meet, a key is drawn.
 */
#ifndef MEASURE_PAGE_HASH_H
#define MEASURE_PAGE_HASH_H

#include <stdbool.h>
#include <stdint.h>

#define PAGE_KEY_NBYTES 192u /* XXH3's default secret size */

struct page_hash {
    uint64_t low, high;
};

typedef struct page_hash (*page_hash_fn)(const void *page, const unsigned char *key);

struct page_key {
    unsigned char bytes[PAGE_KEY_NBYTES];
    page_hash_fn hash; /* the widest variant that this machine has */
    uint64_t mask;     /* of both halves: all ones; tests weaken it to force false matches */
};

/* The key that is always the same. */
void page_key_init(struct page_key *key);

/* One that nobody knows. False: the system has no random bytes. */
bool page_key_draw(struct page_key *key);

/* Of DS_PAGE_SIZE bytes, any alignment. */
static inline struct page_hash page_hash(const struct page_key *key, const void *page)
{
    struct page_hash hash = key->hash(page, key->bytes);
    return (struct page_hash){hash.low & key->mask, hash.high & key->mask};
}

/* The variants; whoever calls one by its name has asked the processor. */
#if defined(__x86_64__)
struct page_hash page_hash_sse2(const void *page, const unsigned char *key);
struct page_hash page_hash_avx2(const void *page, const unsigned char *key);
struct page_hash page_hash_avx512(const void *page, const unsigned char *key);
#else
struct page_hash page_hash_native(const void *page, const unsigned char *key);
#endif

#endif
