/* SPDX-License-Identifier: MIT */
/*
 * Labels of any bytes in JSON and CSV, and long lists of sources.
 */
#include "../unit/test_read_util.h"
#include "run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

static const char *const labels[] = {"plain",
                                     "a \"quoted\" one",
                                     "back\\slash",
                                     "comma,semicolon;",
                                     "two\nlines\r\n",
                                     "tab\tbell\a",
                                     "\033[31mred",
                                     "\xc3\xa4\xe2\x82\xac",
                                     "\xff\xfe",
                                     "caf\xe9",
                                     "%s%n",
                                     "'",
                                     " "};
/* The same in JSON: what is no UTF-8 is taken as Latin-1. */
static const char *const in_json[] = {"plain",
                                      "a \"quoted\" one",
                                      "back\\slash",
                                      "comma,semicolon;",
                                      "two\nlines\r\n",
                                      "tab\tbell\a",
                                      "\033[31mred",
                                      "\xc3\xa4\xe2\x82\xac",
                                      "\xc3\xbf\xc3\xbe",
                                      "caf\xc3\xa9",
                                      "%s%n",
                                      "'",
                                      " "};
#define LABELS (sizeof labels / sizeof *labels)

/* A file for each label. */
static void name_all(char *sources[LABELS + 1])
{
    for (size_t i = 0; i < LABELS; i++) {
        char file[16];
        struct bytes bytes = {0};
        put_page(&bytes, 1);
        snprintf(file, sizeof file, "small_%zu", i);
        const char *path = write_file(file, bytes.at, bytes.size);
        bytes_free(&bytes);
        size_t nbytes = strlen(labels[i]) + strlen(path) + 2;
        sources[i] = malloc(nbytes);
        snprintf(sources[i], nbytes, "%s=%s", labels[i], path);
    }
    sources[LABELS] = NULL;
}

static void free_all(char **sources)
{
    for (; *sources; sources++)
        free(*sources);
}

static void labels_in_json(void **state)
{
    (void)state;
    char *sources[LABELS + 1];
    name_all(sources);
    json_t *root = run_json(PAGESHARE, (const char *[]){NULL}, (const char *const *)sources);
    check_measured(root);
    for (size_t i = 0; i < LABELS; i++) {
        json_t *source = json_array_get(json_object_get(root, "sources"), i);
        assert_string_equal(json_string_value(json_object_get(source, "name")), in_json[i]);
    }
    json_decref(root);
    free_all(sources);
}

/* The first field of a record, as RFC 4180 has it; returns what is behind it. */
static const char *read_field(const char *at, char *field)
{
    assert_int_equal(*at++, '"');
    for (;; at++) {
        assert_int_not_equal(*at, 0);
        if (*at == '"' && *++at != '"')
            break;
        *field++ = *at;
    }
    *field = 0;
    assert_int_equal(*at, ',');
    return strchr(at, '\n') + 1;
}

static void labels_in_csv(void **state)
{
    (void)state;
    char *sources[LABELS + 1], field[64];
    const char *argv[LABELS + 5] = {PAGESHARE, "measure", "--format", "csv"};
    name_all(sources);
    memcpy(argv + 4, sources, sizeof sources);
    struct run run = run_program(argv, NULL);
    assert_int_equal(run.exit_code, 0);
    const char *at = strchr(run.out, '\n') + 1;
    for (size_t i = 0; i < LABELS; i++) {
        at = read_field(at, field);
        assert_string_equal(field, labels[i]);
    }
    assert_int_equal(strncmp(at, "total,", 6), 0);
    run_free(&run);
    free_all(sources);
}

/* 300 files that all have one page in common; within a memory that has nothing to do with their
 * number squared. */
static void many_sources(void **state)
{
    (void)state;
    enum { FILES = 300 };
    char *path[FILES + 1] = {0};
    for (size_t i = 0; i < FILES; i++) {
        char name[32];
        struct bytes bytes = {0};
        put_page(&bytes, 0);
        put_page(&bytes, i + 1);
        snprintf(name, sizeof name, "many_%zu", i);
        path[i] = strdup(write_file(name, bytes.at, bytes.size));
        bytes_free(&bytes);
    }
    json_t *exact = check_exact((const char *[]){NULL}, (const char *const *)path);
    assert_int_equal(number(exact, "total", "pages"), 2 * FILES);
    assert_int_equal(number(exact, "total", "distinct_pages"), FILES + 1);
    json_decref(exact);
    struct rusage usage;
    getrusage(RUSAGE_CHILDREN, &usage);
    print_message("%ld KiB at most\n", usage.ru_maxrss);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    assert_in_range(usage.ru_maxrss, 1, 64 << 10);
#endif
    free_all(path);
}

/* Thousands, by a list: nothing is held open for each, and nothing is printed that grows with their
 * square. Each has a page of its own and one that all have. */
static void thousands_of_sources(void **state)
{
    (void)state;
    enum { FILES = 4000 };
    struct bytes list = {0};
    for (uint64_t i = 0; i < FILES; i++) {
        char name[32];
        struct bytes bytes = {0};
        put_page(&bytes, 0);
        put_page(&bytes, i + 1);
        snprintf(name, sizeof name, "of_list_%u", (unsigned)i);
        const char *path = write_file(name, bytes.at, bytes.size);
        bytes_put(&list, path, strlen(path) + 1); /* and the NUL */
        bytes_free(&bytes);
    }
    char *path = strdup(write_file("list", list.at, list.size));
    bytes_free(&list);
    const char *const argv[] = {PAGESHARE, "measure",      "--format", "json",
                                "-0",      "--files-from", path,       NULL};
    struct run run = run_program(argv, NULL);
    assert_string_equal(run.err, "");
    assert_in_range(run.out_nbytes, 1, FILES * 500);
    json_t *root = json_loadb(run.out, run.out_nbytes, 0, NULL);
    check_measured(root);
    assert_int_equal(number(root, "total", "pages"), 2 * FILES);
    assert_int_equal(number(root, "total", "reclaimed_pages"), FILES - 1);
    json_t *set = json_array_get(json_object_get(root, "holder_sets"), 0);
    assert_int_equal(json_integer_value(json_object_get(set, "holders")), FILES);
    assert_int_equal(json_array_size(json_object_get(set, "sources")),
                     1000); /* as many are named */
    json_decref(root);
    print_message("%lu KiB\n", (unsigned long)(run.rss_nbytes >> 10));
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    assert_in_range(run.rss_nbytes, 1, UINT64_C(32) << 20);
#endif
    run_free(&run);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels_in_json),
        cmocka_unit_test(labels_in_csv),
        cmocka_unit_test(many_sources),
        cmocka_unit_test(thousands_of_sources),
    };
    return cmocka_run_group_tests(tests, make_test_dir, remove_test_dir);
}
