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
    static const uint8_t zero[PAGE];
    struct ds_options options = {.holes_zero = true};
    struct ds_source *source = must_open(write_sparse(), &options);
    assert_int_equal(ds_source_info(source)->pages[DS_DATA], 16);
    assert_int_equal(ds_source_info(source)->pages[DS_HOLE], 0);
    assert_memory_equal(find_page(source, 5, NULL), zero, PAGE);
    assert_true(is_page(find_page(source, 10, NULL), 10));
    ds_source_free(source);
}

/* A terabyte of hole costs nothing. */
#ifdef __SANITIZE_THREAD__
#define HUGE_LOG2 36 /* its shadow leaves no room for more */
#else
#define HUGE_LOG2 40
#endif

static void test_huge_hole(void **state)
{
    (void)state;
    const char *path = write_file("huge", "", 0);
    if (truncate(path, (off_t)1 << HUGE_LOG2) != 0)
        skip();
    struct ds_source *source = must_open(path, NULL);
    assert_int_equal(ds_source_info(source)->pages[DS_HOLE], (uint64_t)1 << (HUGE_LOG2 - 12));
    assert_int_equal(ds_source_info(source)->extents, 1);
    ds_source_free(source);
}

static struct ds_look *must_look(struct ds_source *source)
{
    struct ds_error error;
    struct ds_look *look = ds_look_new(source, &error);
    if (!look)
        fail_msg("%s", error.text);
    return look;
}

static void check_look_fails(struct ds_source *source, const char *text)
{
    struct ds_error error;
    assert_null(ds_look_new(source, &error));
    if (!strstr(error.text, text) || !strstr(error.text, ds_source_info(source)->spec))
        fail_msg("no \"%s\" in: %s", text, error.text);
}

/* A source at rest keeps nothing; looks open it again, and know another file when they see it. */
static void test_rest(void **state)
{
    (void)state;
    struct bytes bytes = {0};
    for (uint64_t i = 0; i < 3; i++)
        put_page(&bytes, i);
    const char *path = write_file("rest", bytes.at, bytes.size);
    struct ds_source *source = must_open(path, NULL);
    ds_source_rest(source);
    struct ds_look *look = must_look(source), *other = must_look(source);
    struct ds_run run;
    struct ds_error error;
    ds_look_ahead(look, 0, 3);
    for (uint64_t i = 0; i < 3; i++) {
        assert_true(ds_look_at(look, i, 8, &run, &error));
        assert_int_equal(run.pages, 3 - i);
        assert_true(is_page(run.bytes, i));
        ds_look_idle(other); /* shares the mapping, and takes nothing away */
        assert_true(is_page(run.bytes, i));
    }
    ds_look_behind(look, 0, 3);
    assert_true(ds_look_at(look, 3, 1, &run, &error));
    assert_int_equal(run.pages, 0);
    ds_look_free(look);
    ds_look_free(other);

    assert_int_equal(truncate(path, 2 * PAGE), 0);
    check_look_fails(source, "became shorter");
    assert_int_equal(unlink(path), 0);
    check_look_fails(source, "cannot open it again: No such file");
    write_file("rest", bytes.at, bytes.size);
    check_look_fails(source, "changed while it was read");
    assert_int_equal(ds_source_info(source)->pages[DS_DATA], 3);
    ds_source_free(source);
    bytes_free(&bytes);
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
    const char *fifo = test_path("fifo");
    assert_int_equal(mkfifo(fifo, 0600), 0);
    must_fail(fifo, NULL, "a FIFO", NULL);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", test_path("socket"));
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    must_fail(address.sun_path, NULL, "cannot open", NULL);
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
        cmocka_unit_test(test_pages),      cmocka_unit_test(test_holes),
        cmocka_unit_test(test_holes_zero), cmocka_unit_test(test_huge_hole),
        cmocka_unit_test(test_bad_sizes),  cmocka_unit_test(test_not_a_file),
        cmocka_unit_test(test_unreadable), cmocka_unit_test(test_odd_names),
        cmocka_unit_test(test_rest),
    };
    return cmocka_run_group_tests(tests, make_test_dir, remove_test_dir);
}
