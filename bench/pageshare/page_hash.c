/* SPDX-License-Identifier: MIT */
/* Keys, and which variant hashes. See page_hash.h. */
#include "page_hash.h"
#include <string.h>
#include <sys/random.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#if XXH_VERSION_NUMBER < 801
#error "xxHash 0.8.1 or later is needed: keys are made in another way before"
#endif

static page_hash_fn widest(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f"))
        return page_hash_avx512;
    return __builtin_cpu_supports("avx2") ? page_hash_avx2 : page_hash_sse2;
#else
    return page_hash_native;
#endif
}

static void from_seed(struct page_key *key, const uint64_t *seed, size_t seed_nbytes)
{
    XXH3_generateSecret(key->bytes, sizeof key->bytes, seed, seed_nbytes);
    key->hash = widest();
    key->mask = UINT64_MAX;
}

void page_key_init(struct page_key *key)
{
    static const uint64_t seed[4];
    from_seed(key, seed, sizeof seed);
}

bool page_key_draw(struct page_key *key)
{
    uint64_t seed[4];
    if (getrandom(seed, sizeof seed, 0) != (ssize_t)sizeof seed)
        return false;
    from_seed(key, seed, sizeof seed);
    return true;
}
