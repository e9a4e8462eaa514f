/* SPDX-License-Identifier: MIT */
/*
 * datasets/small is what its catalogue says: the same files, by checksum; the same figures, by the
 * exact counter and by pageshare; licences named for every package. The argument is its directory.
 */
#include "run.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define FILES_MAX    64
#define SET_NBYTES   (8 << 20) /* the set may take so much of a checkout */
#define DIGEST_CHARS 64
#define TEXT_NBYTES  (1 << 16)

static json_t *catalogue;

static void check_digest(const char *name, const char *digest)
{
    const char *const argv[] = {"/usr/bin/sha256sum", "-b", name, NULL};
    struct run run = run_program(argv, NULL);
    assert_int_equal(run.exit_code, 0);
    assert_true(run.out_nbytes > DIGEST_CHARS);
    run.out[DIGEST_CHARS] = '\0';
    assert_string_equal(run.out, digest);
    run_free(&run);
}

static long size_of(const char *name)
{
    FILE *file = fopen(name, "rbe");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    long size = ftell(file);
    fclose(file);
    return size;
}

static const char *name_of(const json_t *file)
{
    const char *name = json_string_value(json_object_get(file, "name"));
    assert_non_null(name);
    return name;
}

static void files_are_listed(void **state)
{
    (void)state;
    json_t *file;
    size_t i, dumps = 0;
    long total = 0;
    json_array_foreach(json_object_get(catalogue, "files"), i, file)
    {
        long size = size_of(name_of(file));
        assert_int_equal(size, json_integer_value(json_object_get(file, "bytes")));
        check_digest(name_of(file), json_string_value(json_object_get(file, "sha256")));
        total += size;
    }
    assert_in_range(total, 1, SET_NBYTES);

    /* No dump is here that the catalogue does not list. */
    DIR *dir = opendir(".");
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));)
        dumps += strstr(entry->d_name, ".zst") || strstr(entry->d_name, ".raw") ||
                 strstr(entry->d_name, ".elf");
    closedir(dir);
    assert_int_equal(dumps, i);
}

/* A text file, which must hold each row that is asked for. */
static char *read_text(const char *name)
{
    char *text = calloc(1, TEXT_NBYTES);
    FILE *file = fopen(name, "re");
    assert_non_null(text);
    assert_non_null(file);
    assert_in_range(fread(text, 1, TEXT_NBYTES - 1, file), 1, TEXT_NBYTES - 2);
    fclose(file);
    return text;
}

static void check_row(const char *text, const char *row)
{
    if (!strstr(text, row))
        fail_msg("no row \"%s\"", row);
}

static void licences_are_named(void **state)
{
    (void)state;
    char *text = read_text("LICENSES.md");
    const char *package;
    json_t *version;
    json_object_foreach(json_object_get(catalogue, "packages"), package, version)
    {
        char row[256];
        snprintf(row, sizeof row, "| %s | %s |", package, json_string_value(version));
        check_row(text, row);
    }
    free(text);
}

static json_int_t of(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static void put_row(const char *text, const char *head, const json_t *figures)
{
    char row[256];
    snprintf(row, sizeof row, "%s | %d | %d | %d | %d | %d |", head, (int)of(figures, "pages"),
             (int)of(figures, "zero_pages"), (int)of(figures, "distinct_pages"),
             (int)of(figures, "self_reclaimed_pages"), (int)of(figures, "shared_pages"));
    check_row(text, row);
}

/* The table for people says the same. */
static void the_readme_agrees(void **state)
{
    (void)state;
    char *text = read_text("../README.md"), head[256];
    const json_t *figures = json_object_get(catalogue, "figures");
    json_int_t total_nbytes = 0;
    json_t *file;
    size_t i;
    json_array_foreach(json_object_get(catalogue, "files"), i, file)
    {
        const char *program = strrchr(json_string_value(json_object_get(file, "program")), '/');
        snprintf(head, sizeof head, "| %s | %s | %d", name_of(file), program + 1,
                 (int)of(file, "bytes"));
        put_row(text, head, json_array_get(json_object_get(figures, "sources"), i));
        total_nbytes += of(file, "bytes");
    }
    snprintf(head, sizeof head, "| total | | %d", (int)total_nbytes);
    put_row(text, head, json_object_get(figures, "total"));
    free(text);
}

static void figures_are_exact(void **state)
{
    (void)state;
    const char *sources[FILES_MAX + 1] = {NULL};
    json_t *file;
    size_t i;
    json_array_foreach(json_object_get(catalogue, "files"), i, file)
    {
        assert_true(i < FILES_MAX);
        sources[i] = name_of(file);
    }
    json_t *exact = check_exact((const char *[]){NULL}, sources);
    check_same(json_object_get(catalogue, "figures"), exact, NULL);
    /* It would be no set for page sharing without these. */
    assert_true(number(exact, "total", "zero_reclaimed_pages") > 0);
    assert_true(number(exact, "total", "self_nonzero_reclaimed_pages") > 0);
    assert_true(number(exact, "total", "inter_nonzero_reclaimed_pages") > 0);
    json_decref(exact);
}

int main(int argc, char **argv)
{
    if (argc != 2 || chdir(argv[1]) != 0) {
        fprintf(stderr, "usage: test_small DIRECTORY\n");
        return 2;
    }
    json_error_t error;
    catalogue = json_load_file("catalogue.json", JSON_REJECT_DUPLICATES, &error);
    if (!catalogue) {
        fprintf(stderr, "catalogue.json: line %d: %s\n", error.line, error.text);
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_listed),
        cmocka_unit_test(licences_are_named),
        cmocka_unit_test(the_readme_agrees),
        cmocka_unit_test(figures_are_exact),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    json_decref(catalogue);
    return failed;
}
