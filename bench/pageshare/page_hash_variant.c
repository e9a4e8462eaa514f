/* SPDX-License-Identifier: MIT */
/*
 * XXH3 of a page with one kind of vectors. PAGE_HASH_VARIANT names the function, XXH_VECTOR chooses
 * the vectors, and the compiler's flags allow them: nothing else may be defined here, since other
 * code must not get those instructions.
 */
#define XXH_INLINE_ALL
#define XXH_PREFETCH_DIST 384 /* as libshare: with 512, pages in memory take longer on Zen 5 */
#include "page_hash.h"
#include <xxhash.h>

enum { PAGE_NBYTES = 4096 }; /* a constant lets the compiler lay out the loops */

struct page_hash PAGE_HASH_VARIANT(const void *page, const unsigned char *key) {
    XXH128_hash_t hash = XXH3_128bits_withSecret(page, PAGE_NBYTES, key, PAGE_KEY_NBYTES);
    return (struct page_hash){hash.low64, hash.high64};
}
