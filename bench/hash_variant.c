/* SPDX-License-Identifier: MIT */
/* One variant of XXH3: HASH_VARIANT names it, XXH_VECTOR chooses it, the compiler's flags allow it.
 */
#define XXH_INLINE_ALL
#include "hash_variant.h"
#include "share.h"
#include <xxhash.h>

/* As wide as AVX-512's; compilers split it where a machine has less. */
typedef uint64_t words __attribute__((vector_size(64), aligned(1), may_alias));

static uint64_t bits_64(const void *page)
{
    return XXH3_64bits(page, SHARE_PAGE_SIZE);
}

static uint64_t bits_128(const void *page)
{
    XXH128_hash_t hash = XXH3_128bits(page, SHARE_PAGE_SIZE);
    return hash.low64 + hash.high64;
}

static uint64_t read_page(const void *page)
{
    const words *at = page;
    words even = {0}, odd = {0};
    uint64_t sum = 0;
    for (size_t i = 0; i < SHARE_PAGE_SIZE / sizeof *at; i += 2) {
        even += at[i];
        odd += at[i + 1];
    }
    even += odd;
    for (unsigned i = 0; i < sizeof even / sizeof sum; i++)
        sum += even[i];
    return sum;
}

const struct hash_variant HASH_VARIANT = {bits_64, bits_128, read_page};
