/* SPDX-License-Identifier: MIT */
/*
 * How fast can a page be hashed, by which variant, and how far is that from reading it?
 *
 * Sides in turn over the same pages: reading every byte (the base: what the memory gives), memcpy
 * to one page that stays in the cache, XXH3 as libshare compiles it in, with each kind of vectors
 * that the processor has, and `library`, libxxhash's own, on x86 by its dispatcher.
 * `in:memory`: resident pages, many times what a cache holds, in sequence; `in:cache`: 256 KiB
 * again and again. Every pass must find the same sum of hashes, or of words read.
 *
 * Includes an internal header: share.h has no hash.
 */
#include "hash.h"
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
    bool cached;
    uint64_t bytes_sum; /* 0: not prepared yet */
    uint64_t hash_sum;  /* that the first pass found; 0: none yet */
};

static struct pages *pages;        /* of all benchmarks here, made at first use */
static struct share_secret secret; /* likewise */

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
    if (!pages) {
        pages = pages_new(visits_of(hash), 0, 4);
        share_secret_init(&secret, 0, 0, ~UINT64_C(0));
    }
    for (uint64_t visit = 0; visit < visits_of(hash); visit++)
        hash->bytes_sum += words_of(page_at(hash, visit));
}

/* Times a pass, whose sum must be what is expected, or becomes so. */
static double pass(const struct hash *hash, share_hash_fn one, uint64_t *expected)
{
    uint64_t visits = visits_of(hash), sum = 0;
    double start = bench_start();
    for (uint64_t visit = 0; visit < visits; visit++)
        sum += one(page_at(hash, visit), secret.bytes);
    double seconds = bench_stop(start, visits);
    if (!*expected)
        *expected = sum;
    return sum && sum == *expected ? seconds : -1;
}

/* ----------------------------------------------------------------------- reading and copying -- */

/* As wide as AVX-512's; compilers split it where there is less. */
typedef uint64_t words __attribute__((vector_size(64), aligned(1), may_alias));

/* A reader of a page: the sum of its words, with the vectors that the attribute allows. Text and
 * not an inline function: compilers split vectors before they inline. */
#define READER(name, attribute)                                              \
    attribute static uint64_t name(const void *page, const unsigned char *_) \
    {                                                                        \
        const words *at = page;                                              \
        words even = {0}, odd = {0};                                         \
        uint64_t sum = 0;                                                    \
        (void)_;                                                             \
        for (size_t i = 0; i < SHARE_PAGE_SIZE / sizeof *at; i += 2) {       \
            even += at[i];                                                   \
            odd += at[i + 1];                                                \
        }                                                                    \
        even += odd;                                                         \
        for (unsigned i = 0; i < sizeof even / sizeof sum; i++)              \
            sum += even[i];                                                  \
        return sum;                                                          \
    }
READER(read_base, )
#if defined(__x86_64__)
READER(read_avx2, __attribute__((target("avx2"))))
READER(read_avx512, __attribute__((target("avx512f"))))
#endif

static share_hash_fn widest_reader(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f"))
        return read_avx512;
    if (__builtin_cpu_supports("avx2"))
        return read_avx2;
#endif
    return read_base;
}

static double pass_read(void *ctx)
{
    struct hash *hash = ctx;
    if (!hash->bytes_sum)
        prepare(hash);
    return pass(hash, widest_reader(), &hash->bytes_sum);
}

static unsigned char copy[SHARE_PAGE_SIZE];

static uint64_t copy_page(const void *page, const unsigned char *unused)
{
    uint64_t word;
    (void)unused;
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

/* ----------------------------------------------------------------------------------- hashing -- */

/* libxxhash's wide variants return without vzeroupper: code with narrow vectors that follows then
 * runs at a fraction of its speed, and nobody else is to pay for that. */
static void leave_wide_vectors(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx"))
        __asm__ volatile("vzeroupper");
#endif
}

static uint64_t library_64(const void *page, const unsigned char *bytes)
{
    uint64_t hash = XXH3_64bits_withSecret(page, SHARE_PAGE_SIZE, bytes, SHARE_SECRET_NBYTES);
    leave_wide_vectors();
    return hash;
}

static uint64_t library_128(const void *page, const unsigned char *bytes)
{
    XXH128_hash_t hash = XXH3_128bits_withSecret(page, SHARE_PAGE_SIZE, bytes, SHARE_SECRET_NBYTES);
    leave_wide_vectors();
    return hash.low64 + hash.high64;
}

static double pass_hash(struct hash *hash, share_hash_fn one)
{
    return pass(hash, one, &hash->hash_sum);
}

static double pass_library_64(void *ctx)
{
    return pass_hash(ctx, library_64);
}

static double pass_library_128(void *ctx)
{
    return pass_hash(ctx, library_128);
}

static double pass_scalar(void *ctx)
{
    return pass_hash(ctx, share_hash_scalar);
}

#if defined(__x86_64__)
static double pass_sse2(void *ctx)
{
    return pass_hash(ctx, share_hash_sse2);
}

static double pass_avx2(void *ctx)
{
    return pass_hash(ctx, share_hash_avx2);
}

static double pass_avx512(void *ctx)
{
    return pass_hash(ctx, share_hash_avx512);
}
#else
static double pass_native(void *ctx)
{
    return pass_hash(ctx, share_hash_native);
}
#endif

/* Those that the processor has; how many. */
static size_t variants(struct bench_side *sides)
{
    size_t count = 0;
    sides[count++] = (struct bench_side){"scalar", pass_scalar};
#if defined(__x86_64__)
    sides[count++] = (struct bench_side){"sse2", pass_sse2};
    if (__builtin_cpu_supports("avx2"))
        sides[count++] = (struct bench_side){"avx2", pass_avx2};
    if (__builtin_cpu_supports("avx512f"))
        sides[count++] = (struct bench_side){"avx512", pass_avx512};
#else
    sides[count++] = (struct bench_side){"native", pass_native};
#endif
    return count;
}

static void add(const char *name, struct hash *hash, const struct bench_side *sides, size_t count)
{
    bench_pair(name, (struct bench_side){"read", pass_read}, sides, count, hash,
               hash->suite->quick ? 3 : 9);
}

void suite_hash(const struct suite *suite)
{
    static struct hash hashes[4];
    static const struct bench_side wide[] = {{"memcpy", pass_memcpy},
                                             {"library", pass_library_128}};
    struct bench_side sides[6] = {{"memcpy", pass_memcpy}, {"library", pass_library_64}};
    size_t count = 2 + variants(sides + 2);
    for (unsigned i = 0; i < 4; i++)
        hashes[i] = (struct hash){.suite = suite, .cached = i >= 2};
    add("hash/bits:64/in:memory", &hashes[0], sides, count);
    add("hash/bits:128/in:memory", &hashes[1], wide, 2);
    add("hash/bits:64/in:cache", &hashes[2], sides, count);
    add("hash/bits:128/in:cache", &hashes[3], wide, 2);
}
