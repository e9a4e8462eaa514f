/* SPDX-License-Identifier: MIT */
/* Diff snapshots over their base: a hole of a diff means unchanged. Made by Firecracker's
 * documentation, not seen from it. */
#include "test_read_util.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { PAGES = 32 };

/* A sparse file: page i has the content seed[i], or is a hole if that is negative. */
static const char *write_sparse(const char *name, const int64_t seed[PAGES])
{
    static char path[8][256];
    static size_t next;
    char *to = path[next++ % 8];
    uint8_t page[PAGE];
    snprintf(to, sizeof path[0], "%s", test_path(name));
    int fd = open(to, O_RDWR | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, PAGES * PAGE), 0);
    if (lseek(fd, 0, SEEK_HOLE) != 0) {
        close(fd);
        skip(); /* this file system keeps no holes */
    }
    for (uint64_t i = 0; i < PAGES; i++) {
        if (seed[i] < 0)
            continue;
        fill_page(page, (uint64_t)seed[i]);
        assert_int_equal(pwrite(fd, page, PAGE, (off_t)(i * PAGE)), PAGE);
    }
    close(fd);
    return to;
}

static void check_pages(const char *spec, const int64_t expected[PAGES])
{
    for (int zero = 0; zero < 2; zero++) {
        struct ds_options options = {.holes_zero = zero};
        struct ds_source *source = must_open(spec, &options);
        assert_string_equal(ds_source_info(source)->format, "diff");
        assert_false(ds_source_info(source)->has_file); /* a base may be under many diffs */
        for (uint64_t i = 0; i < PAGES; i++) {
            enum ds_state found;
            const uint8_t *page = find_page(source, i, &found);
            if (expected[i] < 0)
                assert_int_equal(found, zero ? DS_ZERO : DS_HOLE);
            else
                assert_true(is_page(page, (uint64_t)expected[i]));
        }
        ds_source_free(source);
    }
}

/* Against the overlay that a loop makes, for files of any shape. */
static void test_overlay(void **state)
{
    (void)state;
    uint64_t random = 99;
    for (int round = 0; round < 30; round++) {
        int64_t seed[3][PAGES], expected[PAGES];
        const char *path[3];
        char spec[900];
        for (int i = 0; i < PAGES; i++)
            expected[i] = -1;
        for (int file = 0; file < 3; file++) {
            for (int i = 0; i < PAGES; i++) {
                random = random * 6364136223846793005u + 1442695040888963407u;
                bool hole = random >> 62 != 0 && round % 3 != 2;
                hole |= random >> 60 == 0;
                seed[file][i] = hole ? -1 : (int64_t)(random >> 40);
                expected[i] = hole ? expected[i] : seed[file][i];
            }
            char name[16];
            snprintf(name, sizeof name, "part%d", file);
            path[file] = write_sparse(name, seed[file]);
        }
        snprintf(spec, sizeof spec, "diff:%s+%s+%s", path[0], path[1], path[2]);
        check_pages(spec, expected);
    }
}

static const char *spec_of(const char *base, const char *diff)
{
    static char spec[600];
    snprintf(spec, sizeof spec, "diff:%s+%s", base, diff);
    return spec;
}

static const int64_t none[PAGES] = {[0 ... PAGES - 1] = -1};

/* '+' in names: a plain argument is a file, and of a diff the split by which all parts exist. */
static void test_names(void **state)
{
    (void)state;
    int64_t some[PAGES], other[PAGES];
    memcpy(some, none, sizeof some);
    memcpy(other, none, sizeof other);
    some[1] = other[1] = 5;
    other[2] = 6;
    const char *base = write_sparse("a+b", some), *diff = write_sparse("c+d", other);
    check_pages(spec_of(base, diff), other);
    struct ds_source *source = must_open(base, NULL);
    assert_string_equal(ds_source_info(source)->format, "raw");
    ds_source_free(source);
    must_fail(spec_of(base, test_path("missing")), NULL, "no way to split", NULL);
    must_fail("diff:", NULL, "found 0", NULL);
    must_fail("diff:a++++++++++++++b", NULL, "up to 12 '+'", NULL);
    /* x + y+z, or x+y + z */
    char spec[900];
    const char *x = write_sparse("x", some), *z;
    snprintf(spec, sizeof spec, "%s+y", strrchr(x, '/') + 1);
    write_sparse(spec, some);
    write_sparse("z", other);
    z = test_path("");
    assert_int_equal(chdir(z), 0);
    write_sparse("y+z", other);
    must_fail("diff:x+y+z", NULL, "found two: the first is x", "or x+y", NULL);
    assert_int_equal(chdir("/"), 0);
}

static void test_bad(void **state)
{
    (void)state;
    int64_t some[PAGES];
    memcpy(some, none, sizeof some);
    some[3] = 3;
    const char *base = write_sparse("base", some), *diff = write_sparse("diff", some);
    char spec[600];
    snprintf(spec, sizeof spec, "%s", spec_of(base, diff));
    assert_int_equal(truncate(diff, (PAGES + 1) * PAGE), 0);
    must_fail(spec, NULL, "one size", "135168 bytes", NULL);
    assert_int_equal(truncate(base, 100), 0);
    must_fail(spec, NULL, "whole pages", NULL);
    must_fail(spec_of("/tmp", diff), NULL, "regular file", NULL);
    struct bytes core = elf_core64(NULL, 0);
    bytes_pad(&core, PAGES * PAGE);
    must_fail(spec_of(write_file("core", core.at, core.size), write_sparse("diff", some)), NULL,
              "expected raw memory", NULL);
    bytes_free(&core);
}

static void test_changed(void **state)
{
    (void)state;
    int64_t some[PAGES];
    memcpy(some, none, sizeof some);
    some[3] = 3;
    const char *base = write_sparse("base", some), *diff = write_sparse("diff", some);
    struct ds_source *source = must_open(spec_of(base, diff), NULL);
    struct ds_error error;
    assert_true(ds_source_check(source, &error));
    assert_int_equal(truncate(diff, PAGE), 0);
    assert_false(ds_source_check(source, &error));
    look_must_fail(source, "diff:", "became shorter", NULL);
    assert_int_equal(unlink(diff), 0);
    look_must_fail(source, "cannot open it again", NULL);
    ds_source_free(source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_overlay),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_changed),
    };
    return cmocka_run_group_tests(tests, make_test_dir, remove_test_dir);
}
