/* SPDX-License-Identifier: MIT */
/* A table of holder sets that is too small: what is told of a set is all of it, and what finds no
 * room is summed. */
#include "fake_source.h"
#include "holders.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SOURCES = 100, PAGES = 16 };

/* Records of `groups` groups; group g is held by source a and, above it, b: a pair that it has
 * alone, or shares with the group before. Each page numbers a page of its source. */
static struct records make_groups(size_t groups, const struct set *set, bool in_pairs)
{
    struct records records = {.width = 2, .count = 2 * groups};
    records.word = calloc(2 * records.count, sizeof *records.word);
    size_t a = 0, b = 1;
    for (size_t g = 0; g < groups; g++) {
        uint64_t *word = records.word + 4 * g;
        uint64_t pages[2] = {set->source[a].first + g % PAGES, set->source[b].first + g % PAGES};
        for (size_t i = 0; i < 2; i++) {
            word[2 * i + GROUP_PARTNER] = (UINT64_C(1) << 30) + g; /* groups differ */
            word[2 * i + GROUP_PARTNER] <<= GROUPS_CHECK_BITS;
            word[2 * i + GROUP_PAGE] = pages[i] << GROUPS_CHECK_BITS;
        }
        if (in_pairs && g % 2 == 0)
            continue;
        if (++b == SOURCES) {
            a++;
            b = a + 1;
        }
    }
    return records;
}

static void open_fakes(struct set *set)
{
    static const char pages[] = "abcdefghijklmnop";
    fakes_reset();
    for (size_t s = 0; s < SOURCES; s++) {
        char spec[16];
        fakes[s].pages = pages;
        snprintf(spec, sizeof spec, "%zu", s);
        assert_true(set_open(set, spec, NULL));
    }
    set_finish(set);
    (void)set_number(set);
}

static void add_group(struct holders_table *table, const struct set *set,
                      const struct records *records, size_t first)
{
    uint32_t source[2];
    for (size_t k = 0; k < 2; k++)
        source[k] =
            (uint32_t)set_source_of(set, groups_page(records->word[2 * (first + k) + GROUP_PAGE]));
    holders_add(table, first, 2, source, 2);
    assert_in_range(holders_table_nbytes(table), 1, 1 << 16);
}

static void a_table_that_is_full(void **state)
{
    enum { GROUPS = 4000 };
    (void)state;
    struct set set = {0};
    struct holders holders;
    open_fakes(&set);
    struct records records = make_groups(GROUPS, &set, true);
    struct holders_table *table = holders_table_new(&set, &records, 1 << 16);
    assert_non_null(table);
    for (size_t half = 0; half < 2; half++) /* one group of each pair, then the other one */
        for (size_t g = half; g < GROUPS; g += 2)
            add_group(table, &set, &records, 2 * g);
    assert_true(holders_read(table, &holders));
    assert_true(holders.left_out.contents > 0);
    uint64_t told = 0;
    for (size_t i = 0; i < holders.sets; i++) {
        assert_int_equal(holders.set[i].holders, 2);
        assert_int_equal(holders.set[i].contents, 2); /* both of its groups */
        assert_int_equal(holders.set[i].pages, 4);
        told += holders.set[i].contents;
    }
    assert_int_equal(told + holders.rest.contents + holders.left_out.contents, GROUPS);
    assert_int_equal(holders.rest.contents, 2 * holders.rest.sets);
    assert_int_equal(holders.left_out.pages, 2 * holders.left_out.contents);
    holders_free(&holders);
    holders_table_free(table);
    free(records.word);
    set_free(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_table_that_is_full)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
