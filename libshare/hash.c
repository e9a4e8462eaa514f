/* SPDX-License-Identifier: MIT */
/* XXH3 with a secret a group. */
#include "hash.h"
#define XXH_INLINE_ALL
#include <xxhash.h>

#if XXH_VERSION_NUMBER < 801
#error "xxHash 0.8.1 or later is needed: secrets are made in another way before"
#endif

static const unsigned char zero_page[SHARE_PAGE_SIZE];

void share_secret_init(struct share_secret *secret, uint64_t salt, share_group group, uint64_t mask)
{
    uint64_t seed[2] = {salt, group};
    XXH3_generateSecret(secret->bytes, sizeof secret->bytes, seed, sizeof seed);
    secret->hash = share_hash_variant(0);
    secret->mask = mask;
    secret->zero_hash = share_hash_stable(secret, zero_page);
}

share_hash_fn share_hash_variant(unsigned i)
{
    share_hash_fn variant[4] = {NULL};
    unsigned variants = 0;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f"))
        variant[variants++] = share_hash_avx512;
    if (__builtin_cpu_supports("avx2"))
        variant[variants++] = share_hash_avx2;
    variant[variants++] = share_hash_sse2;
#else
    variant[variants++] = share_hash_native;
#endif
    variant[variants++] = share_hash_scalar;
    return i < variants ? variant[i] : NULL;
}

uint64_t share_hash_look(const struct share_secret *secret, const void *page)
{
    return secret->hash(page, secret->bytes) & secret->mask;
}

uint64_t share_hash_stable(const struct share_secret *secret, const void *page)
{
    return secret->hash(page, secret->bytes) & secret->mask;
}
