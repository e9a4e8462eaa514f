/* SPDX-License-Identifier: MIT */
/*
 * What is done to whole pages, with one kind of vectors: XXH3, and the compare of some pairs
 * abreast. PAGE_VARIANT names the kind, XXH_VECTOR chooses XXH3's vectors, and the compiler's flags
 * allow them: nothing else may be defined here, since other code must not get those instructions.
 */
#define XXH_INLINE_ALL
#define XXH_PREFETCH_DIST 384 /* as libshare: with 512, pages in memory take longer on Zen 5 */
#include "page_compare.h"
#include "page_hash.h"
#include <xxhash.h>

#define JOIN(a, b)   a##b
#define NAME(a, b)   JOIN(a, b)
#define PAGE_NBYTES  4096 /* a constant lets the compiler lay out the loops */
#define EACH_PAIR(i) _Pragma("GCC unroll 6") for (unsigned i = 0; i < PAGE_PAIRS; i++)

struct page_hash NAME(page_hash_, PAGE_VARIANT)(const void *page, const unsigned char *key)
{
    XXH128_hash_t hash = XXH3_128bits_withSecret(page, PAGE_NBYTES, key, PAGE_KEY_NBYTES);
    return (struct page_hash){hash.low64, hash.high64};
}

#if PAGE_VECTOR > 16 /* shorter ones gain nothing */
typedef uint64_t words __attribute__((vector_size(PAGE_VECTOR), aligned(1), may_alias));

/* Line by line, each pair with load instructions of its own. */
unsigned NAME(page_compare_, PAGE_VARIANT)(const uint8_t *const *a, const uint8_t *const *b)
{
    words differs[PAGE_PAIRS] = {{0}};
    unsigned unequal = 0;
    for (size_t at = 0; at < PAGE_NBYTES; at += sizeof(words))
        EACH_PAIR (i)
            differs[i] |= *(const words *)(a[i] + at) ^ *(const words *)(b[i] + at);
    for (unsigned i = 0; i < PAGE_PAIRS; i++) {
        uint64_t any = 0;
        for (unsigned w = 0; w < PAGE_VECTOR / sizeof any; w++)
            any |= differs[i][w];
        unequal |= (unsigned)(any != 0) << i;
    }
    return unequal;
}
#endif
