/* SPDX-License-Identifier: MIT */
/*
 * The same memory gives the same figures, whatever it is wrapped in: dense, sparse, packed, through
 * a pipe, as a core, with holes in a core, as ranges, as what changed over a base.
 */
#include "../unit/test_read_util.h"
#include "run.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { PAGES = 600 };

/* Runs of zeros, copies, and pages of their own. */
static struct bytes memory(void)
{
    struct bytes bytes = {0};
    for (uint64_t i = 0; i < PAGES; i++) {
        if (i % 100 >= 40 && i % 100 < 90)
            bytes_pad(&bytes, (i + 1) * PAGE);
        else
            put_page(&bytes, i % 3 ? i : i % 20);
    }
    return bytes;
}

static struct bytes core_of(const struct bytes *bytes)
{
    const struct segment segment = {0, 0x100000, PAGE, bytes->size, bytes->size};
    struct bytes core = elf_core64(&segment, 1);
    bytes_pad(&core, PAGE);
    bytes_put(&core, bytes->at, bytes->size);
    return core;
}

static struct bytes lime_of(const struct bytes *bytes)
{
    struct bytes dump = {0};
    uint64_t header[3] = {0x100000, 0x100000 + bytes->size - 1, 0};
    bytes_put(&dump, "EMiL\1\0\0\0", 8);
    bytes_put(&dump, header, sizeof header);
    bytes_put(&dump, bytes->at, bytes->size);
    return dump;
}

/* What is the same in every wrapping: all of the total but what the analysis itself took. */
static json_t *total_of(const char *source)
{
    json_t *root = run_json(PAGESHARE, (const char *[]){"--holes", "zero", NULL},
                            (const char *[]){source, NULL});
    json_t *total = json_incref(json_object_get(root, "total"));
    assert_non_null(total);
    static const char *const own[] = {"metadata_bytes", "analysis_bytes", "net_reclaimed_bytes"};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        json_object_del(total, own[i]);
    json_decref(root);
    return total;
}

static void check_total(const json_t *expected, const char *source)
{
    json_t *found = total_of(source);
    if (!json_equal(expected, found))
        fail_msg("%s: %s, expected %s", source, json_dumps(found, 0), json_dumps(expected, 0));
    json_decref(found);
}

static bool run(const char *format, ...)
{
    char command[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    return system(command) == 0;
}

/* Packed by each tool that is there and that this build can read. */
static void check_packed(const json_t *expected, const char *path)
{
    static const char *const tools[] = {"zstd", "gzip", "xz", "lz4", "bzip2"};
    for (size_t i = 0; i < sizeof tools / sizeof *tools; i++) {
        char packed[300];
        snprintf(packed, sizeof packed, "%s.%s", path, tools[i]);
        if (has_reader(tools[i]) &&
            run("command -v %s >/dev/null && %s -c %s >%s", tools[i], tools[i], path, packed))
            check_total(expected, packed);
    }
}

static char *save(const char *name, struct bytes bytes)
{
    return strdup(write_file(name, bytes.at, bytes.size));
}

/* A copy with holes where zeros are. */
static void check_sparse(const json_t *expected, const char *path)
{
    char sparse[300];
    snprintf(sparse, sizeof sparse, "%s.sparse", path);
    if (run("cp --sparse=always %s %s", path, sparse))
        check_total(expected, sparse);
}

static void check_fifo(const json_t *expected, const char *path)
{
    char fifo[300];
    snprintf(fifo, sizeof fifo, "%s.fifo", path);
    assert_true(run("mkfifo %s && (cat %s >%s &)", fifo, path, fifo));
    check_total(expected, fifo);
}

static void one_memory(void **state)
{
    (void)state;
    struct bytes bytes = memory(), core = core_of(&bytes), lime = lime_of(&bytes);
    char *paths[] = {save("raw", bytes), save("core", core), save("lime", lime)};
    json_t *expected = total_of(paths[0]);
    assert_int_equal(json_integer_value(json_object_get(expected, "pages")), PAGES);
    assert_int_equal(json_integer_value(json_object_get(expected, "zero_pages")), PAGES / 2);
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        check_total(expected, paths[i]);
        check_packed(expected, paths[i]);
        check_sparse(expected, paths[i]);
        check_fifo(expected, paths[i]);
        free(paths[i]);
    }
    json_decref(expected);
    bytes_free(&lime);
    bytes_free(&core);
    bytes_free(&bytes);
}

/* A diff over its base is what a copy with the diff written into it is. */
static void over_a_base(void **state)
{
    (void)state;
    struct bytes bytes = memory();
    char *base = save("base", bytes), diff[300], spec[700];
    snprintf(diff, sizeof diff, "%s.diff", base);
    int fd = open(diff, O_RDWR | O_CREAT, 0600);
    assert_int_equal(ftruncate(fd, PAGES * PAGE), 0);
    for (uint64_t i = 5; i < PAGES; i += 7) {
        fill_page(bytes.at + i * PAGE, i % 5);
        assert_int_equal(pwrite(fd, bytes.at + i * PAGE, PAGE, (off_t)(i * PAGE)), PAGE);
    }
    bool holes = lseek(fd, 0, SEEK_HOLE) == 0;
    close(fd);
    if (!holes)
        skip(); /* this file system keeps none */
    char *merged = save("merged", bytes);
    json_t *expected = total_of(merged);
    snprintf(spec, sizeof spec, "diff:%s+%s", base, diff);
    check_total(expected, spec);
    json_decref(expected);
    free(merged);
    free(base);
    bytes_free(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_memory),
        cmocka_unit_test(over_a_base),
    };
    return cmocka_run_group_tests(tests, make_test_dir, remove_test_dir);
}
