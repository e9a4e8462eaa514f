/* SPDX-License-Identifier: MIT */
/*
 * The measured figures of synthetic sets: against answers worked out on paper, and, key by key,
 * against the exact counter.
 *
 * A set is described by which contents each source has; content 0 is the zero page. The argument,
 * if any, is the seed of the random set.
 */
#include "../unit/test_read_util.h"
#include "run.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char *const none[] = {NULL};
static uint64_t seed = 1;

/* The totals of a set, worked out on paper. */
struct paper {
    json_int_t pages, zero, distinct, shared, zero_reclaimed, self, self_nonzero;
};

static void check_paper(json_t *exact, struct paper paper)
{
    json_int_t reclaimed = paper.pages - paper.distinct;
    assert_int_equal(number(exact, "total", "pages"), paper.pages);
    assert_int_equal(number(exact, "total", "zero_pages"), paper.zero);
    assert_int_equal(number(exact, "total", "distinct_pages"), paper.distinct);
    assert_int_equal(number(exact, "total", "shared_pages"), paper.shared);
    assert_int_equal(number(exact, "total", "reclaimed_pages"), reclaimed);
    assert_int_equal(number(exact, "total", "zero_reclaimed_pages"), paper.zero_reclaimed);
    assert_int_equal(number(exact, "total", "self_reclaimed_pages"), paper.self);
    assert_int_equal(number(exact, "total", "inter_reclaimed_pages"), reclaimed - paper.self);
    assert_int_equal(number(exact, "total", "self_nonzero_reclaimed_pages"), paper.self_nonzero);
    assert_int_equal(number(exact, "total", "inter_nonzero_reclaimed_pages"),
                     reclaimed - paper.zero_reclaimed - paper.self_nonzero);
    assert_int_equal(number(exact, "total", "isolated_reclaimed_pages"), paper.self);
    json_decref(exact);
}

/* Adds `count` pages with the contents first, first + step, ... */
static void put_pages(struct bytes *bytes, uint64_t first, uint64_t step, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t content = first + i * step;
        if (content)
            put_page(bytes, content);
        else
            bytes_put(bytes, NULL, PAGE);
    }
}

static char *save(const char *name, struct bytes *bytes)
{
    char *path = strdup(write_file(name, bytes->at, bytes->size));
    assert_non_null(path);
    bytes_free(bytes);
    return path;
}

/* A file of one run of contents. */
static char *run_of(const char *name, uint64_t first, uint64_t step, size_t count)
{
    struct bytes bytes = {0};
    put_pages(&bytes, first, step, count);
    return save(name, &bytes);
}

static void all_zero(void **state)
{
    (void)state;
    char *file = run_of("zero", 0, 0, 1000);
    check_paper(check_exact(none, (const char *[]){file, NULL}),
                (struct paper){1000, 1000, 1, 1000, 999, 999, 0});
    free(file);
}

static void all_equal(void **state)
{
    (void)state;
    char *file = run_of("equal", 7, 0, 1000);
    check_paper(check_exact(none, (const char *[]){file, NULL}),
                (struct paper){1000, 0, 1, 1000, 0, 999, 999});
    free(file);
}

static void all_distinct(void **state)
{
    (void)state;
    char *file = run_of("distinct", 1, 1, 5000);
    check_paper(check_exact(none, (const char *[]){file, NULL}),
                (struct paper){5000, 0, 5000, 0, 0, 0, 0});
    free(file);
}

/* 1000 contents twice, 2000 once. */
static void half_are_duplicates(void **state)
{
    (void)state;
    struct bytes bytes = {0};
    put_pages(&bytes, 1, 1, 3000);
    put_pages(&bytes, 1, 1, 1000);
    char *file = save("half", &bytes);
    check_paper(check_exact(none, (const char *[]){file, NULL}),
                (struct paper){4000, 0, 3000, 2000, 0, 1000, 1000});
    free(file);
}

static void one_page(void **state)
{
    (void)state;
    char *zero = run_of("one_zero", 0, 0, 1), *other = run_of("one_other", 5, 0, 1);
    check_paper(check_exact(none, (const char *[]){zero, NULL}),
                (struct paper){1, 1, 1, 0, 0, 0, 0});
    check_paper(check_exact(none, (const char *[]){other, NULL}),
                (struct paper){1, 0, 1, 0, 0, 0, 0});
    free(zero);
    free(other);
}

/* 300 distinct pages here, 200 zero pages there. */
static void zeros_in_one_source(void **state)
{
    (void)state;
    char *a = run_of("no_zero", 1, 1, 300), *b = run_of("zeros", 0, 0, 200);
    check_paper(check_exact(none, (const char *[]){a, b, NULL}),
                (struct paper){500, 200, 301, 200, 199, 199, 0});
    free(a);
    free(b);
}

/* One zero page in each of two sources: reclaimed between them, and "zero", not "inter". */
static void one_zero_in_each(void **state)
{
    (void)state;
    char *a = run_of("zero_a", 0, 0, 1), *b = run_of("zero_b", 0, 0, 1);
    check_paper(check_exact(none, (const char *[]){a, b, NULL}),
                (struct paper){2, 2, 1, 2, 1, 0, 0});
    free(a);
    free(b);
}

/* Equal bytes in two files are two sources. */
static void equal_files(void **state)
{
    (void)state;
    char *file = run_of("twice", 1, 1, 700), *other = run_of("again", 1, 1, 700);
    check_paper(check_exact(none, (const char *[]){file, other, NULL}),
                (struct paper){1400, 0, 700, 1400, 0, 0, 0});
    free(file);
    free(other);
}

/* 100 contents three times here and twice there: each keeps 1 of 5. */
static void copies_within_and_between(void **state)
{
    (void)state;
    struct bytes three = {0}, two = {0};
    for (int i = 0; i < 3; i++)
        put_pages(&three, 1, 1, 100);
    for (int i = 0; i < 2; i++)
        put_pages(&two, 1, 1, 100);
    char *a = save("three", &three), *b = save("two", &two);
    json_t *exact = check_exact(none, (const char *[]){a, b, NULL});
    json_t *refs = json_pack("[[i, i]]", 5, 100),
           *common = json_pack("[[i, i], [i, i]]", 100, 100, 100, 100);
    assert_true(json_equal(json_object_get(exact, "refs"), refs));
    assert_true(json_equal(json_object_get(exact, "common"), common));
    json_decref(refs);
    json_decref(common);
    check_paper(exact, (struct paper){500, 0, 100, 500, 0, 300, 300});
    free(a);
    free(b);
}

/* A sparse file that is one hole has no pages; with --holes zero it has zero pages. */
static void all_holes(void **state)
{
    (void)state;
    char *file = run_of("beside", 1, 1, 50), *sparse = run_of("sparse", 9, 0, 1);
    assert_int_equal(truncate(sparse, 0), 0);
    assert_int_equal(truncate(sparse, 40 * PAGE), 0);
    const char *const sources[] = {sparse, file, NULL};
    json_t *exact = check_exact(none, sources);
    json_t *source = json_array_get(json_object_get(exact, "sources"), 0);
    if (json_integer_value(json_object_get(source, "hole_pages")) != 40) {
        json_decref(exact);
        print_message("no sparse files here\n");
        skip();
    }
    check_paper(exact, (struct paper){50, 0, 50, 0, 0, 0, 0});

    json_t *counted = run_json(EXACT, (const char *[]){"--holes-zero", NULL}, sources);
    json_t *measured = run_json(PAGESHARE, (const char *[]){"--holes", "zero", NULL}, sources);
    check_measured(measured);
    check_same(counted, measured, NULL);
    assert_int_equal(number(counted, "total", "zero_reclaimed_pages"), 39);
    json_decref(counted);
    json_decref(measured);
    json_t *alone = check_exact(none, (const char *[]){sparse, NULL}); /* nothing to measure */
    check_paper(alone, (struct paper){0, 0, 0, 0, 0, 0, 0});
    free(file);
    free(sparse);
}

/* Source s of 0..11 has s zero pages, 20 pages that all have, and 30 of its own. */
static void twelve_sources(void **state)
{
    (void)state;
    char *file[13] = {0};
    for (size_t s = 0; s < 12; s++) {
        char name[16];
        struct bytes bytes = {0};
        put_pages(&bytes, 0, 0, s);
        put_pages(&bytes, 1, 1, 20);
        put_pages(&bytes, 1000 * (s + 1), 1, 30);
        snprintf(name, sizeof name, "of12_%zu", s);
        file[s] = save(name, &bytes);
    }
    json_t *exact = check_exact(none, (const char *const *)file);
    for (size_t i = 0; i < 12; i++) {
        json_t *row = json_array_get(json_object_get(exact, "common"), i);
        for (size_t j = 0; j < 12; j++)
            assert_int_equal(json_integer_value(json_array_get(row, j)), i == j ? 50 : 20);
    }
    for (size_t n = 1; n <= 12; n++) { /* 0 + 1 + ... + (n - 1) zero pages so far */
        json_t *point = json_array_get(json_object_get(exact, "growth"), n - 1);
        json_int_t zeros = (json_int_t)(n * (n - 1) / 2), of = (json_int_t)n;
        assert_int_equal(json_integer_value(json_object_get(point, "pages")), of * 50 + zeros);
        assert_int_equal(json_integer_value(json_object_get(point, "reclaimed_pages")),
                         (of - 1) * 20 + (zeros ? zeros - 1 : 0));
        assert_int_equal(json_integer_value(json_object_get(point, "shared_pages")),
                         (n > 1 ? of * 20 : 0) + (zeros > 1 ? zeros : 0));
    }
    /* 66 zero pages, of which source s > 0 itself would keep one: 55 within sources. */
    check_paper(exact, (struct paper){12 * 50 + 66, 66, 12 * 30 + 20 + 1, 12 * 20 + 66, 65, 55, 0});
    for (size_t s = 0; s < 12; s++)
        free(file[s]);
}

/* Many copies in random order, so that threads meet: nothing may be lost or counted twice. */
static void random_order(void **state)
{
    (void)state;
    print_message("seed %" PRIu64 "\n", seed);
    uint64_t x = seed * 2 + 1;
    char *file[4] = {0};
    for (size_t s = 0; s < 3; s++) {
        char name[16];
        struct bytes bytes = {0};
        for (size_t i = 0; i < 6000; i++) {
            x = x * 6364136223846793005u + 1442695040888963407u;
            uint64_t spread = (x >> 60) < 4 ? 8 : 4000;
            put_pages(&bytes, (x >> 20) % spread, 0, 1);
        }
        snprintf(name, sizeof name, "random_%zu", s);
        file[s] = save(name, &bytes);
    }
    json_decref(check_exact(none, (const char *const *)file));
    for (size_t s = 0; s < 3; s++)
        free(file[s]);
}

static uint64_t drawn(uint64_t *x, uint64_t below)
{
    *x = *x * 6364136223846793005u + 1442695040888963407u;
    return (*x >> 33) % below;
}

/* Contents that random sets of sources hold, each 1 to 3 times; few sets, so that they meet. */
static void random_holders(size_t sources, size_t sets, size_t contents)
{
    uint64_t x = seed * 2 + sources;
    char *file[101] = {0};
    struct bytes bytes[100] = {{0}};
    for (size_t c = 0; c < contents; c++) {
        uint64_t set = seed * 1000 + drawn(&x, sets) + 1, y = set * 2 + 1;
        for (size_t s = 0; s < sources; s++)
            if (drawn(&y, 3) == 0) /* the same for all contents of a set */
                put_pages(&bytes[s], c + 1, 0, drawn(&x, 3) + 1);
    }
    for (size_t s = 0; s < sources; s++) {
        char name[16];
        snprintf(name, sizeof name, "set_%zu", s);
        put_pages(&bytes[s], 1000000 + s, 0, 2); /* one that it holds alone */
        file[s] = save(name, &bytes[s]);
    }
    json_decref(check_exact(none, (const char *const *)file));
    for (size_t s = 0; s < sources; s++)
        free(file[s]);
}

static void holder_sets(void **state)
{
    (void)state;
    print_message("seed %" PRIu64 "\n", seed);
    random_holders(2, 3, 50);
    random_holders(7, 40, 400);
    random_holders(64, 5, 60); /* the last that fits into a mask */
    random_holders(65, 5, 60);
    random_holders(90, 40, 120);
}

/* More sets than are listed: the others are one line. */
static void many_holder_sets(void **state)
{
    (void)state;
    enum { SOURCES = 11 };
    char *file[SOURCES + 1] = {0};
    for (size_t s = 0; s < SOURCES; s++) {
        char name[16];
        struct bytes bytes = {0};
        for (uint64_t set = 1; set < 1u << SOURCES; set++)
            if (set >> s & 1)
                put_pages(&bytes, set, 0, 1 + (set % 5 == 0));
        snprintf(name, sizeof name, "many_%zu", s);
        file[s] = save(name, &bytes);
    }
    json_t *exact = check_exact(none, (const char *const *)file);
    assert_int_equal(json_array_size(json_object_get(exact, "holder_sets")), 1000);
    assert_in_range(number(exact, "holder_sets_rest", "sets"), 1000, 1047);
    json_decref(exact);
    for (size_t s = 0; s < SOURCES; s++)
        free(file[s]);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        seed = strtoull(argv[1], NULL, 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_zero),
        cmocka_unit_test(all_equal),
        cmocka_unit_test(all_distinct),
        cmocka_unit_test(half_are_duplicates),
        cmocka_unit_test(one_page),
        cmocka_unit_test(zeros_in_one_source),
        cmocka_unit_test(one_zero_in_each),
        cmocka_unit_test(equal_files),
        cmocka_unit_test(copies_within_and_between),
        cmocka_unit_test(all_holes),
        cmocka_unit_test(twelve_sources),
        cmocka_unit_test(random_order),
        cmocka_unit_test(holder_sets),
        cmocka_unit_test(many_holder_sets),
    };
    return cmocka_run_group_tests(tests, make_test_dir, remove_test_dir);
}
