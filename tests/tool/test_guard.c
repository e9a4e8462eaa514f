/* SPDX-License-Identifier: MIT */
/* A file that becomes shorter while a thread reads it through a mapping: one line that names it. */
#include "../unit/test_read_util.h"
#include "guard.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct reader {
    const char *path;
    bool told_bytes; /* the thread said which bytes it reads, not only of which source */
};

/* Maps two pages, loses the second one, and reads it. */
static void *read_lost_page(void *ctx)
{
    const struct reader *reader = ctx;
    int fd = open(reader->path, O_RDWR | O_CLOEXEC);
    const uint8_t *bytes = mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, fd, 0);
    guard_open(reader->told_bytes ? "another" : "a\nfile");
    if (reader->told_bytes) {
        guard_run(0, "a\nfile", bytes, 2 * PAGE);
        guard_run(1, "beside it", bytes + 2 * PAGE, PAGE);
    }
    if (fd < 0 || bytes == MAP_FAILED || ftruncate(fd, PAGE) != 0)
        _exit(99);
    return (void *)(uintptr_t) * (const volatile uint8_t *)(bytes + PAGE);
}

static void check_named(bool told_bytes, bool in_a_thread)
{
    struct bytes bytes = {0};
    int out[2], status;
    char line[256];
    bytes_pad(&bytes, 2 * PAGE);
    struct reader reader = {write_file("lost", bytes.at, bytes.size), told_bytes};
    bytes_free(&bytes);
    assert_int_equal(pipe(out), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        pthread_t thread;
        dup2(out[1], STDERR_FILENO);
        guard_start();
        if (in_a_thread && pthread_create(&thread, NULL, read_lost_page, &reader) == 0)
            pthread_join(thread, NULL);
        read_lost_page(&reader);
        _exit(0);
    }
    close(out[1]);
    ssize_t nbytes = read(out[0], line, sizeof line - 1);
    close(out[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 1);
    assert_true(nbytes > 0);
    line[nbytes] = 0;
    assert_string_equal(line, "pageshare: a?file: became shorter while it was read\n");
}

static void the_source_is_named(void **state)
{
    (void)state;
    for (unsigned how = 0; how < 4; how++)
        check_named(how & 1, how & 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_source_is_named)};
    return cmocka_run_group_tests(tests, make_test_dir, remove_test_dir);
}
