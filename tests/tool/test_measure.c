/* SPDX-License-Identifier: MIT */
/*
 * Measuring sources that no file can be, or not at will: sequential ones; pages known to be zero;
 * hashes that meet; what changes between the looks; too little memory for all.
 *
 * The argument, if any, is the seed of the random sets.
 */
#include "fake_source.h"
#include "measure.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { LETTERS = 256, RANDOM_PAGES = 250 };

static uint64_t seed = 1;
static char small_root[] = "/tmp/test_tool_measure.XXXXXX"; /* says that 8 pages are there */

static void open_fakes(struct set *set, size_t sources)
{
    *set = (struct set){0};
    for (size_t s = 0; s < sources; s++) {
        char spec[16];
        snprintf(spec, sizeof spec, "%zu", s);
        assert_true(set_open(set, spec, NULL));
    }
    set_finish(set);
}

static struct figures measure(size_t sources, const struct measure_options *how)
{
    struct set set;
    struct figures figures;
    struct ds_error error;
    open_fakes(&set, sources);
    if (!measure_set(&set, how, &figures, &error))
        fail_msg("%s", error.text);
    set_free(&set);
    return figures;
}

static const struct measure_options plain = {.threads = 1, .root = ""};

/* ----------------------------------------------------------------------- against a plain count --
 */

struct counted {
    uint64_t pages, zero, distinct, shared, reclaimed, self;
};

/* Over the letters of all sources. */
static struct counted count_letters(size_t sources)
{
    struct counted counted = {0};
    uint64_t all[LETTERS] = {0};
    for (size_t s = 0; s < sources; s++) {
        uint64_t here[LETTERS] = {0};
        for (const char *page = fakes[s].pages; *page; page++)
            if (*page != '.')
                here[*page == 'z' ? '0' : (unsigned char)*page]++;
        for (size_t letter = 0; letter < LETTERS; letter++) {
            all[letter] += here[letter];
            counted.self += here[letter] ? here[letter] - 1 : 0;
        }
    }
    counted.zero = all['0'];
    for (size_t letter = 0; letter < LETTERS; letter++) {
        counted.pages += all[letter];
        counted.distinct += all[letter] > 0;
        counted.shared += all[letter] > 1 ? all[letter] : 0;
    }
    counted.reclaimed = counted.pages - counted.distinct;
    return counted;
}

static void check_letters(size_t sources, const struct measure_options *how)
{
    struct counted counted = count_letters(sources);
    struct figures figures = measure(sources, how);
    assert_int_equal(figures.pages, counted.pages);
    assert_int_equal(figures.zero_pages, counted.zero);
    assert_int_equal(figures.distinct_pages, counted.distinct);
    assert_int_equal(figures.shared_pages, counted.shared);
    assert_int_equal(figures.reclaimed_pages, counted.reclaimed);
    assert_int_equal(figures.self_reclaimed_pages, counted.self);
    figures_free(&figures);
}

/* With one thread and several, with room for all and for little. */
static void check_all_ways(size_t sources, uint64_t hash_ignores)
{
    for (unsigned threads = 1; threads <= 3; threads++)
        for (unsigned roomy = 0; roomy < 2; roomy++) {
            struct measure_options how = {
                .threads = threads, .root = roomy ? "" : small_root, .hash_ignores = hash_ignores};
            check_letters(sources, &how);
        }
}

static void one_of_each_kind(void **state)
{
    (void)state;
    fakes_reset();
    fakes[0] = (struct fake){.pages = "abab0z.z"};
    fakes[1] = (struct fake){.pages = "cab0", .sequential = true};
    fakes[2] = (struct fake){.pages = "zz"};
    fakes[3] = (struct fake){.pages = "", .sequential = true};
    fakes[4] = (struct fake){.pages = "dd.ee", .sequential = true};
    fakes[5] = (struct fake){.pages = "edx", .sequential = true};
    check_all_ways(6, 0);
    struct figures figures = measure(6, &plain);
    assert_int_equal(figures.source[0].zero_pages, 3);
    assert_int_equal(figures.source[2].zero_pages, 2);
    assert_int_equal(figures.growth[2].pages, 7 + 4 + 2);
    assert_int_equal(figures.false_match_pages, 0);
    figures_free(&figures);
}

/* Looks are closed while others are open: what they gave is gone. */
static void with_few_descriptors(size_t sources)
{
    struct rlimit limit, few;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    few = limit;
    few.rlim_cur = 20;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    check_all_ways(sources, 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* Sequential or not, in any mixture: figures are those of the letters. */
static void random_mixtures(void **state)
{
    static char pages[12][RANDOM_PAGES + 1];
    uint64_t x = seed * 2 + 1;
    (void)state;
    print_message("seed %" PRIu64 "\n", seed);
    for (unsigned round = 0; round < 4; round++) {
        fakes_reset();
        for (size_t s = 0; s < 12; s++) {
            for (size_t p = 0; p < RANDOM_PAGES; p++) {
                x = x * 6364136223846793005u + 1442695040888963407u;
                pages[s][p] = (char)("0z."[(x >> 33) % 3]);
                if ((x >> 40) % 8)
                    pages[s][p] = (char)((x >> 50) % 200 + 56); /* from '8' on */
                if (pages[s][p] == '.' || pages[s][p] == 0)
                    pages[s][p] = 'A';
            }
            fakes[s].pages = pages[s];
            fakes[s].sequential = round == 0 || (round > 1 && (x >> 60) % 2);
            fakes[s].stays = !fakes[s].sequential && round != 1 && (x >> 61) % 4;
        }
        check_all_ways(12, 0);
        with_few_descriptors(12);
        check_all_ways(12, ~UINT64_C(0xf00000)); /* 16 hashes: a flood */
        check_all_ways(1, ~UINT64_C(0xf00000));  /* no flood, and two rounds */
        struct measure_options by_hash = {.threads = 2, .root = "", .hash_only = true};
        check_letters(12, &by_hash);
    }
}

/* ----------------------------------------------------------------------------- false matches -- */

static void hashes_that_meet(void **state)
{
    (void)state;
    for (unsigned sequential = 0; sequential < 2; sequential++) {
        fakes_reset();
        fakes[0] = (struct fake){.pages = "ababca", .sequential = sequential, .stays = !sequential};
        struct measure_options how = plain;
        how.hash_ignores = UINT64_MAX;
        for (how.threads = 1; how.threads < 3; how.threads++) {
            struct figures figures = measure(1, &how);
            assert_int_equal(figures.false_match_pages, 3); /* b twice, and c */
            assert_int_equal(figures.distinct_pages, 3);
            assert_int_equal(figures.reclaimed_pages, 3);
            assert_int_equal(figures.shared_pages, 5);
            assert_int_equal(figures.holders.sets, 1);
            assert_int_equal(figures.holders.set[0].contents, 2); /* a and b */
            figures_free(&figures);
        }
    }
}

/* More of them than are told apart: another key. */
static void hashes_that_meet_in_a_flood(void **state)
{
    static char pages[5001];
    (void)state;
    for (unsigned sequential = 0; sequential < 2; sequential++) {
        fakes_reset();
        for (size_t p = 0; p < sizeof pages - 1; p++)
            pages[p] = (char)('0' + p % 60);
        fakes[0] = (struct fake){.pages = pages, .sequential = sequential};
        check_all_ways(1, UINT64_MAX);
        struct measure_options how = plain;
        how.hash_ignores = UINT64_MAX;
        struct figures figures = measure(1, &how);
        assert_int_equal(figures.false_match_pages, 0);
        figures_free(&figures);
    }
}

/* --------------------------------------------------------------------------------- failures -- */

static void check_fails(size_t sources, const struct measure_options *how, const char *text)
{
    struct set set;
    struct figures figures;
    struct ds_error error;
    open_fakes(&set, sources);
    assert_false(measure_set(&set, how, &figures, &error));
    if (!strstr(error.text, text))
        fail_msg("no \"%s\" in: %s", text, error.text);
    set_free(&set);
}

static void a_page_that_changes(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < 6; kind++) { /* the last two stay, the others do not */
        const bool first = kind < 4 && (kind & 1), second = kind < 4 && (kind & 2),
                   stays = kind > 3;
        fakes_reset(); /* the page that is compared */
        fakes[0] = (struct fake){.pages = "abc", .sequential = first};
        fakes[1] = (struct fake){.pages = "xyzac", .sequential = second, .changes = 3, .into = 'q'};
        fakes[1].changes = 2; /* 'z' has no bytes */
        check_fails(2, &plain, "1: changed while it was read: page 2");
        fakes_reset(); /* the one that it is compared with */
        fakes[0] = (struct fake){.pages = "abc", .sequential = first, .changes = 1, .into = 'q'};
        fakes[1] = (struct fake){.pages = "xyb", .sequential = second};
        fakes[0].stays = fakes[1].stays = stays;
        check_fails(2, &plain, "0: changed while it was read: page 1");
    }
}

static void a_source_that_shrinks_or_is_replaced(void **state)
{
    (void)state;
    for (unsigned sequential = 0; sequential < 2; sequential++) {
        fakes_reset();
        fakes[0] = (struct fake){.pages = "ab"};
        fakes[1] = (struct fake){.pages = "ab", .sequential = true, .shrinks = true};
        check_fails(2, &plain, "1: became shorter");
        fakes[1] = (struct fake){.pages = "cd", .sequential = sequential, .replaced = true};
        check_fails(2, &plain, "1: was replaced");
        struct measure_options how = plain;
        how.hash_only = true;
        check_fails(2, &how, "1: was replaced");
    }
}

static void make_small_root(void)
{
    char path[sizeof small_root + 32];
    assert_non_null(mkdtemp(small_root));
    snprintf(path, sizeof path, "%s/proc", small_root);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/proc/meminfo", small_root);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fprintf(file, "MemAvailable: 32 kB\n");
    assert_int_equal(fclose(file), 0);
}

static void remove_small_root(void)
{
    char path[sizeof small_root + 32];
    snprintf(path, sizeof path, "%s/proc/meminfo", small_root);
    unlink(path);
    snprintf(path, sizeof path, "%s/proc", small_root);
    rmdir(path);
    rmdir(small_root);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        seed = strtoull(argv[1], NULL, 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_of_each_kind),
        cmocka_unit_test(random_mixtures),
        cmocka_unit_test(hashes_that_meet),
        cmocka_unit_test(hashes_that_meet_in_a_flood),
        cmocka_unit_test(a_page_that_changes),
        cmocka_unit_test(a_source_that_shrinks_or_is_replaced),
    };
    make_small_root();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    remove_small_root();
    return failed;
}
