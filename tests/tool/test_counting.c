/* SPDX-License-Identifier: MIT */
/* Figures of pages whose hashes are all alike, which no dump can bring about. */
#include "engine.h" /* what only tests set */
#include "figures.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { PAGES = 6 };
static const char *const contents = "ababca"; /* a letter a page */

/* The set of one file with these pages, which stays open in *file. */
static void open_set(struct set *set, FILE **file)
{
    char page[SHARE_PAGE_SIZE], path[64];
    *file = tmpfile();
    assert_non_null(*file);
    for (unsigned i = 0; i < PAGES; i++) {
        memset(page, contents[i], sizeof page);
        assert_int_equal(fwrite(page, sizeof page, 1, *file), 1);
    }
    assert_int_equal(fflush(*file), 0);
    snprintf(path, sizeof path, "x=/proc/self/fd/%d", fileno(*file));
    assert_true(set_open(set, path, NULL));
    assert_true(set_finish(set));
}

static void weaken_hash(struct share *share)
{
    share->hash_mask = 0;
    share_secret_init(&share_group_at(share, 0)->secret, share->salt, 0, 0);
}

static void false_matches_are_counted(void **state)
{
    (void)state;
    FILE *file;
    struct set set = {0};
    struct share *share;
    struct figures figures;
    open_set(&set, &file);
    struct share_config config = {
        .struct_size = sizeof config, .ops = &set_ops, .ops_ctx = &set, .flags = SHARE_IMMUTABLE};
    assert_int_equal(share_new(&config, &share), SHARE_OK);
    weaken_hash(share);
    assert_int_equal(share_vm_add(share, 0, (share_ppn){0}, (share_ppn){PAGES}, &set.source[0],
                                  &set.source[0].vm),
                     SHARE_OK);
    for (uint64_t i = 0; i < PAGES; i++) {
        share_ppn ppn = {i};
        assert_int_equal(share_offer(share, set.source[0].vm, &ppn, 1, NULL), SHARE_OK);
    }
    assert_true(figures_read(&figures, &set, share));
    assert_int_equal(figures.false_match_pages, 3); /* "b" twice, and "c": only "a" has a hint */
    assert_int_equal(figures.reclaimed_pages, 2);
    assert_int_equal(figures.distinct_pages, PAGES - 2);
    assert_int_equal(figures.shared_pages, 3);
    figures_free(&figures);
    share_free(share);
    set_free(&set);
    fclose(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(false_matches_are_counted)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
