/* SPDX-License-Identifier: MIT */
/* A process held still while it is read goes on afterwards, whatever becomes of the reader. */
#include "test_read_util.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { THREADS = 3 };
static atomic_ulong *counter; /* one a thread of the target; in a mapping of both */

static void *count(void *ctx)
{
    for (;;)
        atomic_fetch_add((atomic_ulong *)ctx, 1);
    return NULL;
}

static void run_target(void *ctx)
{
    (void)ctx;
    pthread_t thread;
    for (int i = 1; i < THREADS; i++) {
        if (pthread_create(&thread, NULL, count, &counter[i]) != 0)
            abort();
    }
    count(&counter[0]);
}

static bool all_move(void)
{
    unsigned long before[THREADS];
    for (int i = 0; i < THREADS; i++)
        before[i] = atomic_load(&counter[i]);
    for (int tries = 0; tries < 5000; tries++) {
        int moved = 0;
        for (int i = 0; i < THREADS; i++)
            moved += atomic_load(&counter[i]) != before[i];
        if (moved == THREADS)
            return true;
        usleep(1000);
    }
    return false;
}

static bool none_moves(void)
{
    unsigned long before[THREADS];
    for (int i = 0; i < THREADS; i++)
        before[i] = atomic_load(&counter[i]);
    usleep(20000);
    for (int i = 0; i < THREADS; i++) {
        if (atomic_load(&counter[i]) != before[i])
            return false;
    }
    return true;
}

static char state_of(pid_t pid)
{
    char path[64], text[256] = "", state = '?';
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "r");
    if (file && fgets(text, sizeof text, file) && strrchr(text, ')'))
        state = strrchr(text, ')')[2];
    if (file)
        fclose(file);
    return state;
}

static const char *spec_of(pid_t pid)
{
    static char spec[32];
    snprintf(spec, sizeof spec, "pid:%d", (int)pid);
    return spec;
}

static pid_t start_target(void)
{
    pid_t pid = start_child(run_target, NULL);
    assert_true(all_move());
    return pid;
}

static void look_while_read(void *ctx, uint64_t done_nbytes, uint64_t total_nbytes)
{
    bool *still = ctx;
    (void)done_nbytes;
    (void)total_nbytes;
    *still = none_moves();
}

static void test_still_while_read(void **state)
{
    (void)state;
    bool still = false;
    struct ds_options options = {
        .freeze = true, .progress = look_while_read, .progress_ctx = &still};
    pid_t pid = start_target();
    for (int i = 0; i < 3; i++) {
        ds_source_free(must_open(spec_of(pid), &options));
        assert_true(still);
        assert_true(all_move());
    }
    assert_int_equal(waitpid(-1, NULL, WNOHANG), 0); /* no guard is left behind */
    stop_child(pid);
}

static void test_without_freeze(void **state)
{
    (void)state;
    bool still = true;
    struct ds_options options = {.progress = look_while_read, .progress_ctx = &still};
    pid_t pid = start_target();
    ds_source_free(must_open(spec_of(pid), &options));
    assert_false(still);
    stop_child(pid);
}

/* What somebody else stopped stays stopped. */
static void test_already_stopped(void **state)
{
    (void)state;
    struct ds_options options = {.freeze = true};
    pid_t pid = start_target();
    kill(pid, SIGSTOP);
    assert_int_equal(waitpid(pid, NULL, WUNTRACED), pid);
    ds_source_free(must_open(spec_of(pid), &options));
    assert_int_equal(state_of(pid), 'T');
    assert_true(none_moves());
    kill(pid, SIGCONT);
    assert_true(all_move());
    stop_child(pid);
}

static int death_signal;
static pid_t target;

static void die(void *ctx, uint64_t done_nbytes, uint64_t total_nbytes)
{
    (void)ctx;
    (void)done_nbytes;
    (void)total_nbytes;
    if (state_of(target) != 'T')
        _exit(1);
    kill(death_signal == SIGKILL ? getpid() : -getpgrp(), death_signal);
    for (;;)
        pause();
}

static void read_and_die(void *ctx)
{
    struct ds_options options = {.freeze = true, .progress = die};
    struct ds_source *source;
    struct ds_error error;
    (void)ctx;
    setpgid(0, 0);
    ds_source_open(spec_of(target), &options, &source, &error);
    _exit(2);
}

/* Killed at once, or interrupted together with its whole process group as by Ctrl-C: the target
 * goes on. */
static void test_reader_dies(void **state)
{
    (void)state;
    const int signals[] = {SIGKILL, SIGINT, SIGTERM, SIGHUP};
    target = start_target();
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        int status;
        death_signal = signals[i];
        pid_t reader = start_child(read_and_die, NULL);
        assert_int_equal(waitpid(reader, &status, 0), reader);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == signals[i]);
        assert_true(all_move());
        assert_int_not_equal(state_of(target), 'T');
    }
    stop_child(target);
}

static void kill_target(void *ctx, uint64_t done_nbytes, uint64_t total_nbytes)
{
    siginfo_t info;
    (void)done_nbytes;
    (void)total_nbytes;
    kill(*(pid_t *)ctx, SIGKILL);
    waitid(P_PID, (id_t) * (pid_t *)ctx, &info, WEXITED | WNOWAIT);
}

static void test_target_dies(void **state)
{
    (void)state;
    pid_t pid = start_target();
    struct ds_options options = {.freeze = true, .progress = kill_target, .progress_ctx = &pid};
    must_fail(spec_of(pid), &options, "exited", NULL);
    stop_child(pid);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void test_self(void **state)
{
    (void)state;
    struct ds_options options = {.freeze = true};
    must_fail(spec_of(getpid()), &options, "cannot freeze", NULL);
}

static int set_up(void **state)
{
    (void)state;
    counter = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return counter == MAP_FAILED ? -1 : 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_still_while_read), cmocka_unit_test(test_without_freeze),
        cmocka_unit_test(test_already_stopped),  cmocka_unit_test(test_reader_dies),
        cmocka_unit_test(test_target_dies),      cmocka_unit_test(test_self),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
