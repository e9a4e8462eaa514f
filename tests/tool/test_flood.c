/* SPDX-License-Identifier: MIT */
/*
 * Pages that were made so that their hashes meet under the key that pageshare tries first, all 128
 * bits of them. The figures are exact all the same.
 *
 * XXH3 multiplies the halves of a word that was combined with the key, and adds the products up: a
 * half that equals the key's makes a product zero, whatever the other half is. The word itself is
 * added, too, so a second word takes away again what the first one has too much.
 */
#include "../unit/test_read_util.h"
#include "run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cmocka.h>

enum { KEY_NBYTES = 192, STRIPE_NBYTES = 64, FEW = 20, FLOOD = 1500 };

/* The first words of two stripes; the key moves on by one word from stripe to stripe. */
static void put_crafted(struct bytes *bytes, uint32_t content)
{
    static const uint64_t seed[4];
    unsigned char key[KEY_NBYTES], page[PAGE] = {0};
    uint32_t low[2], high[2] = {content, 0u - content};
    XXH3_generateSecret(key, sizeof key, seed, sizeof seed);
    for (size_t i = 0; i < 2; i++) {
        memcpy(&low[i], key + i * sizeof(uint64_t), sizeof low[i]);
        memcpy(page + i * STRIPE_NBYTES, &low[i], sizeof low[i]);
        memcpy(page + i * STRIPE_NBYTES + sizeof low[i], &high[i], sizeof high[i]);
    }
    static XXH128_hash_t first;
    XXH128_hash_t hash = XXH3_128bits_withSecret(page, sizeof page, key, sizeof key);
    if (content == 1)
        first = hash;
    assert_true(XXH128_isEqual(hash, first));
    bytes_put(bytes, page, sizeof page);
}

/* So many contents, each twice. */
static char *write_crafted(uint32_t contents)
{
    struct bytes bytes = {0};
    for (unsigned copy = 0; copy < 2; copy++)
        for (uint32_t i = 1; i <= contents; i++)
            put_crafted(&bytes, i);
    char *path = strdup(write_file("crafted", bytes.at, bytes.size));
    bytes_free(&bytes);
    return path;
}

/* Told apart by their bytes, and counted. */
static void a_few(void **state)
{
    (void)state;
    char *path = write_crafted(FEW);
    const char *const sources[] = {path, NULL}, *const none[] = {NULL};
    json_t *exact = check_exact(none, sources);
    assert_int_equal(number(exact, "total", "distinct_pages"), FEW);
    json_t *measured = run_json(PAGESHARE, none, sources);
    assert_int_equal(number(measured, "total", "false_match_pages"), 2 * (FEW - 1));
    json_decref(measured);
    json_decref(exact);
    free(path);
}

/* Begun again with a key that nobody knows. */
static void a_flood(void **state)
{
    (void)state;
    char *path = write_crafted(FLOOD);
    const char *const sources[] = {path, NULL}, *const none[] = {NULL};
    json_t *exact = check_exact(none, sources);
    assert_int_equal(number(exact, "total", "distinct_pages"), FLOOD);
    json_t *measured = run_json(PAGESHARE, none, sources);
    assert_int_equal(number(measured, "total", "false_match_pages"), 0);
    json_decref(measured);
    json_decref(exact);
    free(path);
}

/* With hashes alone the key is always such a one. */
static void by_hashes_alone(void **state)
{
    (void)state;
    char *path = write_crafted(FLOOD);
    const char *const sources[] = {path, NULL}, *const hash[] = {"--verify", "hash", NULL};
    json_t *measured = run_json(PAGESHARE, hash, sources);
    check_measured(measured);
    assert_int_equal(number(measured, "total", "distinct_pages"), FLOOD);
    json_t *total = json_object_get(measured, "total");
    assert_true(json_is_true(json_object_get(total, "estimate")));
    double bound = json_real_value(json_object_get(total, "collision_bound"));
    assert_true(bound > 0 && bound < 1e-30);
    json_decref(measured);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_few),
        cmocka_unit_test(a_flood),
        cmocka_unit_test(by_hashes_alone),
    };
    return cmocka_run_group_tests(tests, make_test_dir, remove_test_dir);
}
