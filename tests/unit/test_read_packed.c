/* SPDX-License-Identifier: MIT */
/*
 * Every packing, by the tool that people use: what it packs is the same memory, cut short or
 * corrupt it is an error, and what may lie between and behind its parts does no harm. A tool that
 * is not installed leaves its packing untested here.
 */
#include "input.h"
#include "test_read_util.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const struct {
    const char *name;
    bool checked; /* has a checksum by default */
} tools[] = {{"zstd", true}, {"gzip", true}, {"xz", true}, {"lz4", true}, {"bzip2", true}};
#define TOOLS (sizeof tools / sizeof *tools)

static bool run(const char *format, ...)
{
    char command[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    return system(command) == 0;
}

/* The path of `name`, packed; NULL: there is no such tool, or this build cannot unpack. */
static const char *packed(size_t tool, const char *name, struct bytes bytes)
{
    static char to[256]; /* beyond the next calls of test_path */
    char out[64];
    const char *path = write_file(name, bytes.at, bytes.size);
    snprintf(out, sizeof out, "%s.%s", name, tools[tool].name);
    snprintf(to, sizeof to, "%s", test_path(out));
    if (!run("command -v %s >/dev/null && %s -c %s >%s", tools[tool].name, tools[tool].name, path,
             to))
        return NULL;
    uint8_t head[16];
    int fd = open(to, O_RDONLY);
    size_t got = (size_t)read(fd, head, sizeof head);
    close(fd);
    return ds_packing_find(head, got) ? to : NULL;
}

static struct bytes some_pages(uint64_t pages)
{
    struct bytes raw = {0};
    for (uint64_t i = 0; i < pages; i++)
        put_page(&raw, i);
    bytes_pad(&raw, raw.size + 5 * PAGE);
    return raw;
}

static void check_pages(const char *path, const char *inner, const char *tool, uint64_t pages)
{
    char format[32];
    struct ds_source *source = must_open(path, NULL);
    const struct ds_info *info = ds_source_info(source);
    snprintf(format, sizeof format, "%s+%s", inner, tool);
    assert_string_equal(info->format, format);
    assert_int_equal(info->pages[DS_DATA], pages + 5);
    assert_true(info->sequential);
    for (uint64_t i = 0; i < pages; i++)
        assert_true(is_page(find_page(source, i, NULL), i));
    ds_source_free(source);
}

static void test_raw(void **state)
{
    (void)state;
    struct bytes raw = some_pages(700);
    for (size_t i = 0; i < TOOLS; i++) {
        const char *path = packed(i, "raw", raw);
        if (!path)
            print_message("%s: not tested\n", tools[i].name);
        else
            check_pages(path, "raw", tools[i].name, 700);
    }
    bytes_free(&raw);
}

static void test_elf(void **state)
{
    (void)state;
    const struct segment segment = {0, 0, 0x498, 75 * PAGE, 75 * PAGE};
    struct bytes raw = some_pages(70), core = elf_core64(&segment, 1);
    bytes_pad(&core, 0x498);
    bytes_put(&core, raw.at, raw.size);
    for (size_t i = 0; i < TOOLS; i++) {
        const char *path = packed(i, "elf", core);
        if (path)
            check_pages(path, "elf", tools[i].name, 70);
    }
    bytes_free(&core);
    bytes_free(&raw);
}

/* Two packed files in a row are their contents in a row; what follows them is not skipped. */
static void test_in_a_row(void **state)
{
    (void)state;
    struct bytes raw = some_pages(70);
    for (size_t i = 0; i < TOOLS; i++) {
        const char *path = packed(i, "row", raw);
        if (!path)
            continue;
        assert_true(run("cat %s %s >%s", path, path, test_path("twice")));
        struct ds_source *source = must_open(test_path("twice"), NULL);
        assert_int_equal(ds_source_info(source)->pages[DS_DATA], 150);
        assert_true(is_page(find_page(source, 75, NULL), 0));
        ds_source_free(source);
        assert_true(run("(cat %s; echo garbage) >%s", path, test_path("behind")));
        must_fail(test_path("behind"), NULL, tools[i].name, NULL);
    }
    bytes_free(&raw);
}

/* Zeros behind a gzip member, as tapes and dd leave them. */
static void test_gzip_padding(void **state)
{
    (void)state;
    struct bytes raw = some_pages(7);
    const char *path = packed(1, "padded", raw);
    if (!path)
        skip();
    assert_true(
        run("(cat %s; head -c 9999 /dev/zero; cat %s) >%s", path, path, test_path("zeros")));
    struct ds_source *source = must_open(test_path("zeros"), NULL);
    assert_int_equal(ds_source_info(source)->pages[DS_DATA], 24);
    ds_source_free(source);
    bytes_free(&raw);
}

static void test_cut_and_corrupt(void **state)
{
    (void)state;
    struct bytes raw = some_pages(40);
    for (size_t i = 0; i < TOOLS; i++) {
        const char *path = packed(i, "whole", raw);
        if (!path)
            continue;
        struct stat st;
        assert_int_equal(stat(path, &st), 0);
        for (long size = 12; size < st.st_size; size += size < 60 ? 1 : 7777) {
            assert_true(run("head -c %ld %s >%s", size, path, test_path("cut")));
            must_fail(test_path("cut"), NULL, "at offset 0x", tools[i].name, NULL);
        }
        long middle = st.st_size / 2;
        assert_true(run("(head -c %ld %s; printf 'no!'; tail -c +%ld %s) >%s", middle, path,
                        middle + 4, path, test_path("bent")));
        must_fail(test_path("bent"), NULL, "at offset 0x0", "corrupt", tools[i].name, NULL);
    }
    bytes_free(&raw);
}

/* Packed twice is refused by name: nobody does it on purpose. */
static void test_twice(void **state)
{
    (void)state;
    struct bytes raw = some_pages(7);
    for (size_t i = 0; i < TOOLS; i++) {
        const char *path = packed(i, "once", raw);
        if (!path)
            continue;
        assert_true(run("zstd -q -f %s -o %s", path, test_path("double.zst")));
        must_fail(test_path("double.zst"), NULL, "(decompressed)", tools[i].name, NULL);
    }
    bytes_free(&raw);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_raw),
        cmocka_unit_test(test_elf),
        cmocka_unit_test(test_in_a_row),
        cmocka_unit_test(test_gzip_padding),
        cmocka_unit_test(test_cut_and_corrupt),
        cmocka_unit_test(test_twice),
    };
    return cmocka_run_group_tests(tests, make_test_dir, remove_test_dir);
}
