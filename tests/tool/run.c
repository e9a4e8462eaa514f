/* SPDX-License-Identifier: MIT */
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define ARGS_MAX 512

static char *read_all(FILE *file, size_t *nbytes)
{
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    long size = ftell(file);
    assert_true(size >= 0);
    rewind(file);
    char *text = malloc((size_t)size + 1);
    assert_non_null(text);
    *nbytes = fread(text, 1, (size_t)size, file);
    text[*nbytes] = '\0';
    fclose(file);
    return text;
}

/* This process into a control group. */
static bool join(const char *cgroup)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/cgroup.procs", cgroup);
    FILE *file = fopen(path, "we");
    bool ok = file && fprintf(file, "%d\n", (int)getpid()) > 0;
    return file && fclose(file) == 0 && ok;
}

static void become(const char *const *argv, const struct run_how *how, FILE *out, FILE *err)
{
    int in = open(how->stdin_path ? how->stdin_path : "/dev/null", O_RDONLY);
    if (in < 0 || dup2(in, STDIN_FILENO) < 0 || dup2(fileno(out), STDOUT_FILENO) < 0 ||
        dup2(fileno(err), STDERR_FILENO) < 0)
        _exit(126);
    if (how->preload) {
        setenv("LD_PRELOAD", how->preload, 1);
        setenv("ASAN_OPTIONS", "verify_asan_link_order=0", 1);
    }
    if (how->cgroup && !join(how->cgroup))
        _exit(126);
    if (how->uid && (setgid(how->uid) != 0 || setuid(how->uid) != 0))
        _exit(126);
    execv(argv[0], (char *const *)(uintptr_t)argv);
    _exit(127);
}

struct run run_program(const char *const *argv, const struct run_how *how)
{
    struct run_how plain = {0};
    FILE *out = tmpfile(), *err = tmpfile();
    assert_non_null(out);
    assert_non_null(err);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        become(argv, how ? how : &plain, out, err);
    int status = 0;
    struct rusage usage;
    while (wait4(pid, &status, 0, &usage) < 0)
        assert_int_equal(errno, EINTR);
    struct run run = {.exit_code =
                          WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status)};
    run.disk_nbytes = (uint64_t)usage.ru_inblock * 512;
    run.rss_nbytes = (uint64_t)usage.ru_maxrss << 10;
    run.out = read_all(out, &run.out_nbytes);
    run.err = read_all(err, &run.err_nbytes);
    return run;
}

void run_free(struct run *run)
{
    free(run->out);
    free(run->err);
    *run = (struct run){0};
}

json_t *run_json(const char *program, const char *const *options, const char *const *sources)
{
    const char *argv[ARGS_MAX] = {program};
    size_t args = 1;
    if (strcmp(program, PAGESHARE) == 0) {
        argv[args++] = "measure";
        argv[args++] = "--format";
        argv[args++] = "json";
    }
    for (; *options; options++)
        argv[args++] = *options;
    for (; *sources; sources++) {
        assert_true(args + 1 < ARGS_MAX);
        argv[args++] = *sources;
    }
    struct run run = run_program(argv, NULL);
    assert_string_equal(run.err, "");
    assert_int_equal(run.exit_code, 0);
    json_error_t error;
    json_t *root = json_loadb(run.out, run.out_nbytes, 0, &error);
    if (!root)
        fail_msg("not JSON: line %d: %s", error.line, error.text);
    run_free(&run);
    return root;
}

/* --------------------------------------------------------------------------------- compare -- */

static bool is_in(const char *const *list, const char *path)
{
    for (; list && *list; list++)
        if (strcmp(*list, path) == 0)
            return true;
    return false;
}

static void same_at(const char *path, const json_t *expected, const json_t *actual,
                    const char *const *except);

static void same_arrays(const char *path, const json_t *expected, const json_t *actual,
                        const char *const *except)
{
    char inner[256];
    snprintf(inner, sizeof inner, "%s[]", path);
    if (json_array_size(expected) != json_array_size(actual))
        fail_msg("%s: %zu items expected, %zu found", path, json_array_size(expected),
                 json_array_size(actual));
    for (size_t i = 0; i < json_array_size(expected); i++)
        same_at(inner, json_array_get(expected, i), json_array_get(actual, i), except);
}

static void same_at(const char *path, const json_t *expected, const json_t *actual,
                    const char *const *except)
{
    if (is_in(except, path))
        return;
    if (!actual)
        fail_msg("%s: missing", path);
    if (json_is_array(expected)) {
        same_arrays(path, expected, actual, except);
        return;
    }
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)expected, key, value)
    {
        char inner[256];
        snprintf(inner, sizeof inner, "%s%s%s", path, *path ? "." : "", key);
        same_at(inner, value, json_object_get(actual, key), except);
    }
    if (json_is_object(expected) || json_equal(expected, actual))
        return;
    char *want = json_dumps(expected, JSON_ENCODE_ANY), *have = json_dumps(actual, JSON_ENCODE_ANY);
    fail_msg("%s: expected %s, found %s", path, want, have);
}

void check_same(const json_t *expected, const json_t *actual, const char *const *except)
{
    same_at("", expected, actual, except);
}

json_int_t number(const json_t *root, const char *group, const char *key)
{
    const json_t *value = json_object_get(json_object_get(root, group), key);
    if (!json_is_integer(value))
        fail_msg("%s.%s: no number", group, key);
    return json_integer_value(value);
}

static json_int_t at(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_integer(value))
        fail_msg("%s: no number", key);
    return json_integer_value(value);
}

/* The keys of a measurement: stable. */
static void check_keys(const json_t *measured)
{
    static const char *const of_source[] = {
        "pages",          "absent_pages",        "excluded_pages",
        "hole_pages",     "kernel_shared_pages", "zero_pages",
        "distinct_pages", "shared_pages",        "self_reclaimed_pages"};
    static const char *const of_total[] = {"pages",
                                           "zero_pages",
                                           "distinct_pages",
                                           "shared_pages",
                                           "reclaimed_pages",
                                           "zero_reclaimed_pages",
                                           "self_reclaimed_pages",
                                           "inter_reclaimed_pages",
                                           "self_nonzero_reclaimed_pages",
                                           "inter_nonzero_reclaimed_pages",
                                           "metadata_bytes",
                                           "analysis_bytes",
                                           "net_reclaimed_bytes"};
    static const char *const of_growth[] = {"sources", "pages", "shared_pages", "reclaimed_pages"};
    const json_t *sources = json_object_get(measured, "sources");
    const json_t *growth = json_object_get(measured, "growth");
    size_t n = json_array_size(sources);
    assert_int_equal(at(measured, "page_size"), 4096);
    assert_int_equal(json_array_size(growth), n);
    const json_t *common = json_object_get(measured, "common");
    if (n > 64)
        assert_true(json_is_null(common));
    else
        assert_int_equal(json_array_size(common), n);
    for (size_t s = 0; s < n; s++) {
        const json_t *source = json_array_get(sources, s), *point = json_array_get(growth, s);
        assert_true(json_is_string(json_object_get(source, "name")));
        assert_true(json_is_string(json_object_get(source, "format")));
        for (size_t k = 0; k < sizeof of_source / sizeof *of_source; k++)
            at(source, of_source[k]);
        for (size_t k = 0; k < sizeof of_growth / sizeof *of_growth; k++)
            at(point, of_growth[k]);
    }
    for (size_t k = 0; k < sizeof of_total / sizeof *of_total; k++)
        number(measured, "total", of_total[k]);
}

/* What sets of sources save is all that is saved but by the zero page. */
static void check_holder_sets(const json_t *measured)
{
    const json_t *total = json_object_get(measured, "total");
    json_t *set;
    size_t i;
    json_int_t reclaimed = at(json_object_get(measured, "holder_sets_rest"), "reclaimed_pages");
    json_int_t last = 0;
    json_array_foreach(json_object_get(measured, "holder_sets"), i, set)
    {
        json_int_t saved = at(set, "reclaimed_pages");
        assert_true(saved > 0 && (i == 0 || saved <= last));
        assert_int_equal(at(set, "pages") - at(set, "contents"), saved);
        last = saved;
        reclaimed += saved;
    }
    if (json_is_false(json_object_get(measured, "holder_sets_exact")))
        reclaimed += at(json_object_get(measured, "holder_sets_left_out"), "reclaimed_pages");
    assert_int_equal(reclaimed, at(total, "reclaimed_pages") - at(total, "zero_reclaimed_pages"));
}

void check_measured(const json_t *measured)
{
    check_keys(measured);
    const json_t *total = json_object_get(measured, "total");
    const json_t *sources = json_object_get(measured, "sources");
    const json_t *growth = json_object_get(measured, "growth");
    json_int_t pages = at(total, "pages"), reclaimed = at(total, "reclaimed_pages");
    assert_int_equal(pages - at(total, "distinct_pages"), reclaimed);
    assert_int_equal(at(total, "self_reclaimed_pages") + at(total, "inter_reclaimed_pages"),
                     reclaimed);
    assert_int_equal(at(total, "zero_reclaimed_pages") + at(total, "self_nonzero_reclaimed_pages") +
                         at(total, "inter_nonzero_reclaimed_pages"),
                     reclaimed);
    assert_int_equal(at(total, "net_reclaimed_bytes"),
                     reclaimed * 4096 - at(total, "metadata_bytes"));
    assert_int_equal(at(total, "metadata_bytes"), 16 * pages);
    assert_true(at(total, "analysis_bytes") > 0);
    check_holder_sets(measured);

    json_int_t sum_pages = 0, sum_self = 0, sum_shared = 0, sum_refs = 0, contents = 0, last = 0;
    size_t n = json_array_size(sources), i;
    json_t *item;
    json_array_foreach((json_t *)(uintptr_t)sources, i, item)
    {
        sum_pages += at(item, "pages");
        sum_self += at(item, "self_reclaimed_pages");
        sum_shared += at(item, "shared_pages");
        assert_int_equal(at(item, "pages") - at(item, "distinct_pages"),
                         at(item, "self_reclaimed_pages"));
        assert_int_equal(at(json_array_get(growth, i), "sources"), i + 1);
        assert_int_equal(at(json_array_get(growth, i), "pages"), sum_pages);
    }
    assert_int_equal(sum_pages, pages);
    assert_int_equal(sum_self, at(total, "self_reclaimed_pages"));
    assert_int_equal(sum_shared, at(total, "shared_pages"));
    if (n) {
        const json_t *whole = json_array_get(growth, n - 1);
        assert_int_equal(at(whole, "shared_pages"), at(total, "shared_pages"));
        assert_int_equal(at(whole, "reclaimed_pages"), reclaimed);
    }
    json_array_foreach(json_object_get(measured, "refs"), i, item)
    {
        json_int_t count = json_integer_value(json_array_get(item, 0));
        json_int_t of = json_integer_value(json_array_get(item, 1));
        assert_true(count > last && of > 0); /* ascending, none empty */
        last = count;
        sum_refs += count * of;
        contents += of;
    }
    assert_int_equal(sum_refs, pages);
    assert_int_equal(contents, at(total, "distinct_pages"));
}

json_t *check_exact(const char *const *options, const char *const *sources)
{
    static const char *const threads[] = {"1", "2"};
    const char *with[16] = {"--isolate"};
    size_t n = 1;
    for (; *options; options++)
        with[n++] = *options;
    json_t *exact = NULL;
    for (size_t t = 0; t < 2; t++) {
        with[n] = NULL;
        /* Twice, since a live process may have changed: it must not have. */
        json_t *counted = run_json(EXACT, with, sources);
        if (exact)
            check_same(exact, counted, NULL);
        json_decref(exact);
        exact = counted;
        with[n] = "--threads";
        with[n + 1] = threads[t];
        with[n + 2] = NULL;
        json_t *measured = run_json(PAGESHARE, with, sources);
        check_measured(measured);
        check_same(exact, measured, NULL);
        json_decref(measured);
        measured = run_json(PAGESHARE, with + 1, sources); /* not isolated */
        check_measured(measured);
        assert_null(
            json_object_get(json_object_get(measured, "total"), "isolated_reclaimed_pages"));
        static const char *const isolated[] = {"total.isolated_reclaimed_pages", NULL};
        check_same(exact, measured, isolated);
        json_decref(measured);
    }
    return exact;
}
