/* SPDX-License-Identifier: MIT */
/* Flat raw memory, and everything that is not a readable file. */
#include "test_read_util.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void test_pages(void **state)
{
    (void)state;
    struct bytes file = {0};
    for (uint64_t i = 0; i < 5; i++)
        put_page(&file, i);
    struct ds_source *source = must_open(write_file("five", file.at, file.size), NULL);
    const struct ds_info *info = ds_source_info(source);
    assert_string_equal(info->format, "raw");
    assert_int_equal(info->pages[DS_DATA], 5);
    assert_int_equal(info->extents, 1);
    for (uint64_t i = 0; i < 5; i++)
        assert_true(is_page(find_page(source, i, NULL), i));
    ds_source_free(source);
    bytes_free(&file);
}

/* Pages 0 data, 1..9 hole, 10 data, 11..15 hole. */
static const char *write_sparse(void)
{
    uint8_t page[PAGE];
    const char *path = test_path("sparse");
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    fill_page(page, 0);
    assert_int_equal(pwrite(fd, page, PAGE, 0), PAGE);
    fill_page(page, 10);
    assert_int_equal(pwrite(fd, page, PAGE, 10 * PAGE), PAGE);
    assert_int_equal(ftruncate(fd, 16 * PAGE), 0);
    if (lseek(fd, PAGE, SEEK_HOLE) != PAGE) {
        close(fd);
        skip(); /* this file system keeps no holes */
    }
    close(fd);
    return path;
}

static void test_holes(void **state)
{
    (void)state;
    const char *path = write_sparse();
    struct ds_source *source = must_open(path, NULL);
    const struct ds_info *info = ds_source_info(source);
    assert_int_equal(info->pages[DS_DATA], 2);
    assert_int_equal(info->pages[DS_HOLE], 14);
    assert_int_equal(info->extents, 4);
    assert_true(is_page(find_page(source, 10, NULL), 10));
    enum ds_state found;
    find_page(source, 11, &found);
    assert_int_equal(found, DS_HOLE);
    ds_source_free(source);
}

static void test_holes_zero(void **state)
{
    (void)state;
    struct ds_options options = {.holes_zero = true};
    struct ds_source *source = must_open(write_sparse(), &options);
    assert_int_equal(ds_source_info(source)->pages[DS_DATA], 2);
    assert_int_equal(ds_source_info(source)->pages[DS_ZERO], 14);
    assert_int_equal(ds_source_info(source)->pages[DS_HOLE], 0);
    enum ds_state found;
    find_page(source, 5, &found);
    assert_int_equal(found, DS_ZERO);
    assert_true(is_page(find_page(source, 10, NULL), 10));
    ds_source_free(source);
}

/* A terabyte of hole costs nothing. */
static void test_huge_hole(void **state)
{
    (void)state;
    const char *path = write_file("huge", "", 0);
    if (truncate(path, (off_t)1 << 40) != 0)
        skip();
    struct ds_source *source = must_open(path, NULL);
    assert_int_equal(ds_source_info(source)->pages[DS_HOLE], (uint64_t)1 << 28);
    assert_int_equal(ds_source_info(source)->extents, 1);
    ds_source_free(source);
}

/* What is open is neither mapped nor holds a descriptor: sets have a hundred thousand sources. */
static void test_nothing_kept(void **state)
{
    (void)state;
    enum { SOURCES = 2000 };
    static struct ds_source *source[SOURCES];
    uint8_t page[PAGE] = {1};
    const char *path = write_file("one", page, sizeof page);
    struct ds_error error;
    int before = dup(STDIN_FILENO);
    close(before);
    for (size_t i = 0; i < SOURCES; i++)
        assert_true(ds_source_open(path, NULL, &source[i], &error));
    int after = dup(STDIN_FILENO);
    close(after);
    assert_int_equal(after, before);
    for (size_t i = 0; i < SOURCES; i++)
        ds_source_free(source[i]);
}

/* A look says which file is not what it was. */
static void test_changed(void **state)
{
    (void)state;
    struct bytes file = {0};
    for (uint64_t i = 0; i < 300; i++)
        put_page(&file, i);
    const char *path = write_file("changed", file.at, file.size);
    struct ds_source *source = must_open(path, NULL);
    struct ds_error error;
    assert_true(ds_source_check(source, &error));
    assert_int_equal(truncate(path, 100 * PAGE), 0);
    assert_false(ds_source_check(source, &error));
    assert_non_null(strstr(error.text, "shorter"));
    look_must_fail(source, path, "became shorter", NULL);
    ds_source_free(source);
    source = must_open(write_file("changed", file.at, file.size), NULL);
    write_file("other", file.at, file.size);
    assert_int_equal(rename(test_path("other"), path), 0);
    assert_false(ds_source_check(source, &error));
    look_must_fail(source, path, "changed while it was read", "another file", NULL);
    ds_source_free(source);
    bytes_free(&file);
}

/* It becomes shorter, or is written to, while a look is at it: an error, no signal. */
static void test_changed_meanwhile(void **state)
{
    (void)state;
    struct bytes file = {0};
    for (uint64_t i = 0; i < 300; i++)
        put_page(&file, i);
    for (int shorter = 0; shorter < 2; shorter++) {
        const char *path = write_file("meanwhile", file.at, file.size);
        struct ds_source *source = must_open(path, NULL);
        struct ds_error error;
        struct ds_run run;
        struct ds_look *look = ds_look_new(source, &error);
        assert_true(ds_look_at(look, 0, 10, &run, &error));
        if (shorter) {
            assert_int_equal(truncate(path, 100 * PAGE), 0);
        } else {
            usleep(20000); /* a tick of the file system's clock */
            int fd = open(path, O_WRONLY);
            assert_int_equal(pwrite(fd, "x", 1, 5 * PAGE), 1);
            close(fd);
        }
        assert_false(ds_look_at(look, 200, 10, &run, &error));
        assert_non_null(strstr(error.text, shorter ? "became shorter" : "changed"));
        ds_look_free(look);
        ds_source_free(source);
    }
    bytes_free(&file);
}

/* One file by two names is one device and inode; equal bytes in two files are not. */
static void test_identity(void **state)
{
    (void)state;
    uint8_t page[PAGE] = {1};
    const char *path = write_file("file", page, sizeof page), *name = test_path("link");
    assert_int_equal(symlink(path, name), 0);
    struct ds_source *one = must_open(path, NULL), *two = must_open(name, NULL);
    struct ds_source *copy = must_open(write_file("copy", page, sizeof page), NULL);
    const struct ds_info *info = ds_source_info(one);
    assert_true(info->inode != 0);
    assert_int_equal(info->inode, ds_source_info(two)->inode);
    assert_int_equal(info->device, ds_source_info(two)->device);
    assert_int_not_equal(info->inode, ds_source_info(copy)->inode);
    ds_source_free(copy);
    ds_source_free(two);
    ds_source_free(one);
}

/* Pages in any order, by several looks at once. */
static void test_any_order(void **state)
{
    (void)state;
    struct bytes file = {0};
    for (uint64_t i = 0; i < 300; i++)
        put_page(&file, i);
    struct ds_source *source = must_open(write_file("any", file.at, file.size), NULL);
    struct ds_error error;
    struct ds_look *one = ds_look_new(source, &error), *two = ds_look_new(source, &error);
    struct ds_run run, other;
    for (uint64_t i = 0; i < 300; i++) {
        uint64_t index = i * 7919 % 300;
        assert_true(ds_look_at(one, index, 1, &run, &error));
        assert_true(ds_look_at(two, 299 - index, 3, &other, &error));
        ds_look_ahead(one, 299 - index, 100); /* hints, which change no answer */
        ds_look_next(one, 0);
        ds_look_idle(two);
        ds_look_behind(two, index, 7);
        assert_true(run.pages == 1 && is_page(run.bytes, index));
        assert_true(other.pages >= 1 && is_page(other.bytes, 299 - index));
    }
    assert_true(ds_look_at(one, 300, 1, &run, &error));
    assert_int_equal(run.pages, 0);
    ds_look_free(two);
    ds_look_free(one);
    ds_source_free(source);
    bytes_free(&file);
}

/* --partial: the page that the file ends in is excluded, and said to be cut away. */
static void test_partial(void **state)
{
    (void)state;
    struct ds_options options = {.partial = true};
    struct bytes file = {0};
    put_page(&file, 0);
    put_page(&file, 1);
    struct ds_source *source = must_open(write_file("cut", file.at, PAGE + 100), &options);
    assert_int_equal(ds_source_info(source)->pages[DS_DATA], 1);
    assert_int_equal(ds_source_info(source)->pages[DS_EXCLUDED], 1);
    assert_int_equal(ds_source_info(source)->cut_pages, 1);
    ds_source_free(source);
    bytes_free(&file);
}

static void test_bad_sizes(void **state)
{
    (void)state;
    uint8_t bytes[PAGE + 100] = {1};
    must_fail(write_file("empty", bytes, 0), NULL, "empty", NULL);
    must_fail(write_file("odd", bytes, sizeof bytes), NULL, "at offset 0x1000", "100 bytes", NULL);
    must_fail(write_file("short", bytes, 10), NULL, "at offset 0x0", "10 bytes", NULL);
}

static void test_not_a_file(void **state)
{
    (void)state;
    must_fail(test_path("missing"), NULL, "No such file", NULL);
    must_fail("/tmp", NULL, "a directory", NULL);
    must_fail("/dev/null", NULL, "a character device", NULL);
    must_fail("", NULL, "'': the source is empty", NULL);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", test_path("socket"));
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    must_fail(address.sun_path, NULL, "a special file", NULL);
    close(fd);
}

static void open_unreadable(void *ctx)
{
    struct ds_source *source;
    struct ds_error error;
    if (getuid() == 0 && setuid(65534) != 0)
        _exit(2);
    bool opened = ds_source_open(ctx, NULL, &source, &error);
    _exit(!opened && strstr(error.text, "Permission denied") ? 0 : 1);
}

static void test_unreadable(void **state)
{
    (void)state;
    uint8_t page[PAGE] = {1};
    const char *path = write_file("unreadable", page, sizeof page);
    assert_int_equal(chmod(path, 0), 0);
    int status;
    pid_t pid = start_child(open_unreadable, (void *)(uintptr_t)path);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* A name is printed on one line whatever it holds, and a long one keeps its end. */
static void test_odd_names(void **state)
{
    (void)state;
    struct ds_source *source;
    struct ds_error error;
    assert_false(ds_source_open("/nowhere/a\nb\033[2J", NULL, &source, &error));
    assert_non_null(strstr(error.text, "a?b?[2J: cannot open"));
    char name[4000];
    memset(name, 'n', sizeof name);
    memcpy(name + sizeof name - 5, "tail", 5);
    assert_false(ds_source_open(name, NULL, &source, &error));
    assert_non_null(strstr(error.text, "tail: cannot open"));
    assert_true(strlen(error.text) < sizeof error.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pages),
        cmocka_unit_test(test_holes),
        cmocka_unit_test(test_holes_zero),
        cmocka_unit_test(test_huge_hole),
        cmocka_unit_test(test_bad_sizes),
        cmocka_unit_test(test_not_a_file),
        cmocka_unit_test(test_unreadable),
        cmocka_unit_test(test_odd_names),
        cmocka_unit_test(test_nothing_kept),
        cmocka_unit_test(test_changed),
        cmocka_unit_test(test_changed_meanwhile),
        cmocka_unit_test(test_identity),
        cmocka_unit_test(test_any_order),
        cmocka_unit_test(test_partial),
    };
    return cmocka_run_group_tests(tests, make_test_dir, remove_test_dir);
}
