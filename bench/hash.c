/* SPDX-License-Identifier: MIT */
/*
 * How fast can a page be hashed, by which variant, and how far is that from reading it?
 *
 * Sides in turn over the same pages: reading every byte (the base: what the memory gives), memcpy
 * to one page that stays in the cache, and XXH3 with each kind of vectors that the processor has.
 * `in:memory`: resident pages, many times what a cache holds, in sequence; `in:cache`: 256 KiB
 * again and again. Every pass must find the same sum of hashes, or of words read.
 */
#include "hash_variant.h"
#include "pages.h"
#include "suite.h"
#include <string.h>
#include <xxhash.h>
#if defined(__x86_64__)
#include <xxh_x86dispatch.h>
#endif

#define CACHED_PAGES 64u

struct hash {
    const struct suite *suite;
    bool cached, wide;  /* 128 bits */
    uint64_t bytes_sum; /* 0: not prepared yet */
    uint64_t hash_sum;  /* that the first pass found; 0: none yet */
};

static struct pages *pages; /* of all benchmarks here, made at first use */

static uint64_t visits_of(const struct hash *hash)
{
    return UINT64_C(1) << (hash->suite->quick ? 16 : 18);
}

static const unsigned char *page_at(const struct hash *hash, uint64_t visit)
{
    return pages->bytes + (hash->cached ? visit % CACHED_PAGES : visit) * SHARE_PAGE_SIZE;
}

static uint64_t words_of(const void *page)
{
    uint64_t words[SHARE_PAGE_SIZE / 8], sum = 0;
    memcpy(words, page, sizeof words);
    for (size_t i = 0; i < SHARE_PAGE_SIZE / 8; i++)
        sum += words[i];
    return sum;
}

/* Makes the pages, and adds up their bytes plainly. */
static void prepare(struct hash *hash)
{
    if (!pages)
        pages = pages_new(visits_of(hash), 0, 4);
    for (uint64_t visit = 0; visit < visits_of(hash); visit++)
        hash->bytes_sum += words_of(page_at(hash, visit));
}

/* Times a pass, whose sum must be what is expected, or becomes so. */
static double pass(const struct hash *hash, uint64_t (*one)(const void *page), uint64_t *expected)
{
    uint64_t visits = visits_of(hash), sum = 0;
    double start = bench_start();
    for (uint64_t visit = 0; visit < visits; visit++)
        sum += one(page_at(hash, visit));
    double seconds = bench_stop(start, visits);
    if (!*expected)
        *expected = sum;
    return sum && sum == *expected ? seconds : -1;
}

static unsigned char copy[SHARE_PAGE_SIZE];

static uint64_t copy_page(const void *page)
{
    uint64_t word;
    memcpy(copy, page, sizeof copy);
    __asm__ volatile("" : : "r"(copy) : "memory"); /* the copy counts, not its last word alone */
    memcpy(&word, copy + sizeof copy - sizeof word, sizeof word);
    return word;
}

static double pass_memcpy(void *ctx)
{
    struct hash *hash = ctx;
    uint64_t any = 0;
    double seconds = pass(hash, copy_page, &any);
    return memcmp(copy, page_at(hash, visits_of(hash) - 1), sizeof copy) == 0 ? seconds : -1;
}

static uint64_t library_64(const void *page)
{
    return XXH3_64bits(page, SHARE_PAGE_SIZE);
}

static uint64_t library_128(const void *page)
{
    XXH128_hash_t hash = XXH3_128bits(page, SHARE_PAGE_SIZE);
    return hash.low64 + hash.high64;
}

static double pass_library(void *ctx)
{
    struct hash *hash = ctx;
    return pass(hash, hash->wide ? library_128 : library_64, &hash->hash_sum);
}

static double pass_variant(struct hash *hash, const struct hash_variant *variant)
{
    return pass(hash, hash->wide ? variant->bits_128 : variant->bits_64, &hash->hash_sum);
}

#ifdef BENCH_HASH_X86
static double pass_scalar(void *ctx)
{
    return pass_variant(ctx, &hash_scalar);
}

static double pass_sse2(void *ctx)
{
    return pass_variant(ctx, &hash_sse2);
}

static double pass_avx2(void *ctx)
{
    return pass_variant(ctx, &hash_avx2);
}

static double pass_avx512(void *ctx)
{
    return pass_variant(ctx, &hash_avx512);
}
static double pass_read(void *ctx)
{
    struct hash *hash = ctx;
    const struct hash_variant *widest = __builtin_cpu_supports("avx512f") ? &hash_avx512
                                        : __builtin_cpu_supports("avx2")  ? &hash_avx2
                                                                          : &hash_sse2;
    if (!hash->bytes_sum)
        prepare(hash);
    return pass(hash, widest->read, &hash->bytes_sum);
}

/* Those that the processor has; how many. */
static size_t variants(struct bench_side *sides)
{
    size_t count = 0;
    sides[count++] = (struct bench_side){"scalar", pass_scalar};
    sides[count++] = (struct bench_side){"sse2", pass_sse2};
    if (__builtin_cpu_supports("avx2"))
        sides[count++] = (struct bench_side){"avx2", pass_avx2};
    if (__builtin_cpu_supports("avx512f"))
        sides[count++] = (struct bench_side){"avx512", pass_avx512};
    return count;
}
#else
static double pass_native(void *ctx)
{
    return pass_variant(ctx, &hash_native);
}

static double pass_read(void *ctx)
{
    struct hash *hash = ctx;
    if (!hash->bytes_sum)
        prepare(hash);
    return pass(hash, hash_native.read, &hash->bytes_sum);
}

static size_t variants(struct bench_side *sides)
{
    sides[0] = (struct bench_side){"native", pass_native};
    return 1;
}
#endif

/* `library`: as libshare calls it; on x86 libxxhash's dispatcher chooses. */
static void add(const char *name, struct hash *hash)
{
    struct bench_side others[6] = {{"memcpy", pass_memcpy}, {"library", pass_library}};
    size_t count = 2 + variants(others + 2);
    bench_pair(name, (struct bench_side){"read", pass_read}, others, count, hash,
               hash->suite->quick ? 3 : 9);
}

void suite_hash(const struct suite *suite)
{
    static struct hash hashes[4];
    hashes[0] = (struct hash){.suite = suite};
    hashes[1] = (struct hash){.suite = suite, .wide = true};
    hashes[2] = (struct hash){.suite = suite, .cached = true};
    hashes[3] = (struct hash){.suite = suite, .cached = true, .wide = true};
    add("hash/bits:64/in:memory", &hashes[0]);
    add("hash/bits:128/in:memory", &hashes[1]);
    add("hash/bits:64/in:cache", &hashes[2]);
    add("hash/bits:128/in:cache", &hashes[3]);
}
