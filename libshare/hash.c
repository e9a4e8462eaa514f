/* SPDX-License-Identifier: MIT */
/* XXH3 with a secret a group. */
#include "hash.h"
#include <string.h>
#define XXH_STATIC_LINKING_ONLY /* XXH3_generateSecret */
#include <xxhash.h>
#if defined(__x86_64__)
#include <xxh_x86dispatch.h> /* redirects XXH3_64bits_withSecret to the widest variant */
#endif

static const unsigned char zero_page[SHARE_PAGE_SIZE];

void share_secret_init(struct share_secret *secret, uint64_t salt, share_group group, uint64_t mask)
{
    uint64_t seed[2] = {salt, group};
    XXH3_generateSecret(secret->bytes, sizeof secret->bytes, seed, sizeof seed);
    secret->mask = mask;
    secret->zero_hash = share_hash_stable(secret, zero_page);
}

/* The dispatcher's wide variants return without vzeroupper: code with narrow vectors that follows,
 * the table's and the C library's, then runs at a fraction of its speed. */
static void leave_wide_vectors(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx"))
        __asm__ volatile("vzeroupper");
#endif
}

uint64_t share_hash_stable(const struct share_secret *secret, const void *page)
{
    uint64_t hash =
        XXH3_64bits_withSecret(page, SHARE_PAGE_SIZE, secret->bytes, sizeof secret->bytes);
    leave_wide_vectors();
    return hash & secret->mask;
}

/* libxxhash is not instrumented, so the sanitizer sees no read here; the attribute keeps that true
 * if a build ever inlines the hash. */
__attribute__((no_sanitize("thread"), noinline)) uint64_t share_hash_look(
    const struct share_secret *secret, const void *page)
{
    return share_hash_stable(secret, page);
}
