/* SPDX-License-Identifier: MIT */
/*
 * The figures of live processes: read by number, frozen or not, they are those of the exact counter
 * and those of a raw copy. The processes wait for input all the while, so they do not change.
 * Arguments: the programs live_target and dump_source.
 */
#include "../unit/test_read_util.h"
#include "run.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static const char *live_target, *dump_source;

struct process {
    pid_t pid;
    int stdin_fd;
    char source[32]; /* "pid:N" */
};

/* Starts a program that prints something once it is ready, and then waits for its input to end. */
static struct process start(const char *const *argv)
{
    int in[2], out[2];
    char first[64];
    assert_int_equal(pipe(in), 0);
    assert_int_equal(pipe(out), 0);
    struct process process = {fork(), in[1], ""};
    assert_true(process.pid >= 0);
    if (process.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(in[0], STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        close(in[1]);
        execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    assert_true(read(out[0], first, sizeof first) > 0);
    close(out[0]);
    struct timespec settle = {0, 200000000}; /* from saying so to waiting */
    nanosleep(&settle, NULL);
    snprintf(process.source, sizeof process.source, "pid:%d", (int)process.pid);
    return process;
}

static void stop(struct process *process)
{
    close(process->stdin_fd);
    kill(process->pid, SIGKILL);
    waitpid(process->pid, NULL, 0);
}

static struct process start_target(const char *pages, const char *seed)
{
    const char *const argv[] = {live_target, pages, seed, NULL};
    return start(argv);
}

static void copy_to(const char *source, const char *path)
{
    const char *const argv[] = {dump_source, "--freeze", source, path, NULL};
    struct run run = run_program(argv, NULL);
    assert_string_equal(run.err, "");
    assert_int_equal(run.exit_code, 0);
    run_free(&run);
}

static void check_live_and_copied(struct process *a, struct process *b)
{
    static const char *const none[] = {NULL}, *const freeze[] = {"--freeze", NULL};
    /* What the copy cannot know. */
    static const char *const of_live[] = {"sources[].name",
                                          "sources[].format",
                                          "sources[].absent_pages",
                                          "sources[].hole_pages",
                                          "sources[].kernel_shared_pages",
                                          NULL};
    const char *const live[] = {a->source, b->source, NULL};
    char *copy_a = strdup(test_path("a.raw")), *copy_b = strdup(test_path("b.raw"));
    copy_to(a->source, copy_a);
    copy_to(b->source, copy_b);
    json_t *frozen = check_exact(freeze, live);
    json_t *running = check_exact(none, live);
    json_t *copied = check_exact(none, (const char *[]){copy_a, copy_b, NULL});
    check_same(frozen, running, NULL);
    check_same(frozen, copied, of_live);
    json_decref(frozen);
    json_decref(running);
    json_decref(copied);
    free(copy_a);
    free(copy_b);
}

/* Of 4000 pages each: 2000 contents, the same in both processes, 250 of them zero. */
static void known_memory(void **state)
{
    (void)state;
    struct process a = start_target("4000", "8"), b = start_target("4000", "8");
    check_live_and_copied(&a, &b);
    json_t *measured = run_json(PAGESHARE, (const char *[]){"--freeze", NULL},
                                (const char *[]){a.source, b.source, NULL});
    assert_in_range(number(measured, "total", "pages"), 8000, 8800); /* and the C library's */
    assert_in_range(number(measured, "total", "self_nonzero_reclaimed_pages"), 3500, 3700);
    assert_in_range(number(measured, "total", "inter_nonzero_reclaimed_pages"), 1750, 1900);
    json_decref(measured);
    stop(&a);
    stop(&b);
}

static void ordinary_programs(void **state)
{
    (void)state;
    static const char *const shell[] = {
        "sh", "-c", "i=0; while [ $i -lt 2000 ]; do i=$((i+1)); a=\"$a $i\"; done; echo; read x",
        NULL};
    static const char *const perl[] = {"perl", "-e", "$|=1; @a = (1 .. 9999); print 1; <STDIN>",
                                       NULL};
    struct process a = start(shell), b = start(perl);
    check_live_and_copied(&a, &b);
    stop(&a);
    stop(&b);
}

/* After --freeze it runs as before. */
static void a_frozen_process_goes_on(void **state)
{
    (void)state;
    struct process a = start_target("100", "1");
    json_decref(
        run_json(PAGESHARE, (const char *[]){"--freeze", NULL}, (const char *[]){a.source, NULL}));
    int status = -1;
    close(a.stdin_fd);
    assert_int_equal(waitpid(a.pid, &status, 0), a.pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* Some systems allow no process to read another one's memory. */
static bool can_read_processes(void)
{
    struct process a = start_target("10", "1");
    const char *const argv[] = {PAGESHARE, "info", a.source, NULL};
    struct run run = run_program(argv, NULL);
    bool can = run.exit_code == 0;
    if (!can)
        printf("skipped: %s", run.err);
    run_free(&run);
    stop(&a);
    return can;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: test_live LIVE_TARGET DUMP_SOURCE\n");
        return 2;
    }
    live_target = argv[1];
    dump_source = argv[2];
    if (!can_read_processes())
        return 77;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_memory),
        cmocka_unit_test(ordinary_programs),
        cmocka_unit_test(a_frozen_process_goes_on),
    };
    return cmocka_run_group_tests(tests, make_test_dir, remove_test_dir);
}
