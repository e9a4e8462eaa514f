/* SPDX-License-Identifier: MIT */
/* Records are in the order that qsort gives them: of both widths, by each key that is used. */
#include "sort.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint64_t seed = 1;
static unsigned word_now, width_now; /* of compare */

static int compare(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    for (unsigned w = word_now; w < width_now; w++)
        if (x[w] != y[w])
            return x[w] < y[w] ? -1 : 1;
    return 0;
}

/* Random below 2^bits, of few values if `few`. */
static void check_sorted(unsigned threads, unsigned width, struct sort_key key, size_t count,
                         uint64_t few)
{
    static uint64_t x;
    struct crew crew;
    struct set set = {0};
    struct records records = {.width = width, .count = count, .room = count};
    assert_true(crew_init(&crew, &set, threads));
    records.word = malloc(count * width * sizeof(uint64_t) + 1);
    uint64_t *expected = malloc(count * width * sizeof(uint64_t) + 1);
    x += seed;
    for (size_t i = 0; i < count * width; i++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        uint64_t value = x ^ x >> 29;
        if (i % width == key.word && key.bits < 64)
            value >>= 64 - key.bits;
        records.word[i] = few ? (value >> 7) % few : value;
    }
    memcpy(expected, records.word, count * width * sizeof *expected);
    word_now = key.word;
    width_now = width;
    qsort(expected, count, width * sizeof *expected, compare);
    sort_records(&crew, &records, key);
    for (size_t i = 0; i < count; i++) /* words before the key's may be in any order */
        assert_int_equal(compare(records.word + i * width, expected + i * width), 0);
    free(expected);
    free(records.word);
    crew_fini(&crew);
}

static void sorted(void **state)
{
    static const size_t counts[] = {0, 1, 2, 24, 25, 300, 20000};
    static const struct sort_key keys[] = {{0, 64}, {1, 64}, {1, 41}, {1, 25}, {1, 3}};
    (void)state;
    print_message("seed %" PRIu64 "\n", seed);
    for (unsigned threads = 1; threads <= 3; threads += 2)
        for (unsigned width = 2; width <= 3; width++)
            for (size_t k = 0; k < sizeof keys / sizeof *keys; k++)
                for (size_t c = 0; c < sizeof counts / sizeof *counts; c++)
                    for (uint64_t few = 0; few <= 8; few += 4)
                        check_sorted(threads, width, keys[k], counts[c], few);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        seed = strtoull(argv[1], NULL, 0);
    const struct CMUnitTest tests[] = {cmocka_unit_test(sorted)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
