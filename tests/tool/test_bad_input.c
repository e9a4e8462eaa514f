/* SPDX-License-Identifier: MIT */
/*
 * Bad input, as the command line meets it: one line on stderr that names source, offset and reason,
 * exit code 1, nothing on stdout; with --keep-going the others are measured, and the bad ones
 * named. Arguments: the preloaded library `interfere`, the program live_target.
 */
#include "../unit/test_read_util.h"
#include "run.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zstd.h>

#include <cmocka.h>

#define NOBODY 65534

static const char *interfere, *live_target;

static void check_one_line(const struct run *run, const char *const *texts)
{
    assert_int_equal(run->exit_code, 1);
    assert_string_equal(run->out, "");
    size_t length = strlen(run->err);
    if (length == 0 || strchr(run->err, '\n') != run->err + length - 1 ||
        strncmp(run->err, "pageshare: ", 11) != 0)
        fail_msg("not one line: \"%s\"", run->err);
    for (; *texts; texts++)
        if (!strstr(run->err, *texts))
            fail_msg("no \"%s\" in: %s", *texts, run->err);
}

/* The others are measured: the good file's 3 pages, and no trace of the bad one in the sum. */
static void check_keep_going(const char *bad)
{
    char *good = strdup(test_path("good"));
    struct bytes bytes = {0};
    for (uint64_t i = 0; i < 3; i++)
        put_page(&bytes, i);
    write_file("good", bytes.at, bytes.size);
    bytes_free(&bytes);

    char named[600];
    snprintf(named, sizeof named, "it=%s", bad);
    const char *const json[] = {PAGESHARE, "measure", "--keep-going", "--format",
                                "json",    named,     good,           NULL};
    struct run run = run_program(json, NULL);
    assert_int_equal(run.exit_code, 1);
    json_t *root = json_loadb(run.out, run.out_nbytes, 0, NULL);
    assert_non_null(root);
    check_measured(root);
    assert_int_equal(number(root, "total", "pages"), 3);
    assert_int_equal(json_array_size(json_object_get(root, "sources")), 1);
    json_t *failed = json_object_get(root, "failed");
    assert_int_equal(json_array_size(failed), 1);
    failed = json_array_get(failed, 0);
    assert_string_equal(json_string_value(json_object_get(failed, "name")), "it");
    assert_non_null(json_string_value(json_object_get(failed, "error")));
    json_decref(root);
    run_free(&run);

    const char *const table[] = {PAGESHARE, "measure", "--keep-going", good, named, NULL};
    run = run_program(table, NULL);
    assert_int_equal(run.exit_code, 1);
    assert_non_null(strstr(run.out, "\nfailed: it ("));
    run_free(&run);
    const char *const csv[] = {PAGESHARE, "measure", "--keep-going", "--format",
                               "csv",     good,      named,          NULL};
    run = run_program(csv, NULL);
    assert_int_equal(run.exit_code, 1);
    assert_non_null(strstr(run.out, "\n\"it\",\"failed\",,"));
    run_free(&run);
    free(good);
}

/* Measuring `spec` fails with one line that holds all the texts; so does `info`. */
#define check_bad(spec, ...) check_bad_texts(spec, NULL, (const char *const[]){__VA_ARGS__, NULL})

static void check_bad_texts(const char *spec, const struct run_how *how, const char *const *texts)
{
    static const char *const formats[] = {"table", "json", "csv"};
    for (size_t i = 0; i < 3; i++) {
        const char *const argv[] = {PAGESHARE, "measure", "--format", formats[i], spec, NULL};
        struct run run = run_program(argv, how);
        check_one_line(&run, texts);
        run_free(&run);
    }
    const char *const info[] = {PAGESHARE, "info", spec, NULL};
    struct run run = run_program(info, how);
    check_one_line(&run, texts);
    run_free(&run);
    if (!how && *spec)
        check_keep_going(spec);
}

static char *save(const char *name, struct bytes *bytes)
{
    char *path = strdup(write_file(name, bytes->at, bytes->size));
    bytes_free(bytes);
    return path;
}

static void missing(void **state)
{
    (void)state;
    char *path = strdup(test_path("no_such_file"));
    check_bad(path, path, "No such file");
    check_bad("", "pageshare: '': the source is empty");
    check_bad("name=", "pageshare: name='': the source is empty");
    free(path);
}

/* A label stands in front of what it labels. */
static void labelled(void **state)
{
    (void)state;
    char *path = strdup(test_path("no_such_file")), argument[600], expected[700];
    snprintf(argument, sizeof argument, "web\n1=%s", path);
    snprintf(expected, sizeof expected, "pageshare: web?1=%s: cannot open", path);
    check_bad(argument, expected);
    free(path);
}

static void empty(void **state)
{
    (void)state;
    char *path = strdup(write_file("empty", "", 0));
    check_bad(path, path, "empty file");
    free(path);
}

static void directory(void **state)
{
    (void)state;
    check_bad("/usr", "/usr", "a directory");
}

static void devices(void **state)
{
    (void)state;
    check_bad("/dev/null", "/dev/null", "a character device");
}

static void unreadable(void **state)
{
    (void)state;
    struct bytes bytes = {0};
    put_page(&bytes, 1);
    char *path = save("unreadable", &bytes);
    assert_int_equal(chmod(path, 0), 0);
    struct run_how as_nobody = {.uid = geteuid() == 0 ? NOBODY : 0};
    const char *const version[] = {PAGESHARE, "--version", NULL};
    struct run run = run_program(version, &as_nobody);
    bool can_run = run.exit_code == 0; /* nobody may be kept out of the build directory */
    run_free(&run);
    char *dir = strdup(test_path(""));
    if (can_run) {
        assert_int_equal(chmod(dir, 0711), 0);
        check_bad_texts(path, &as_nobody, (const char *const[]){path, "Permission denied", NULL});
    }
    free(dir);
    free(path);
    if (!can_run)
        skip();
}

static void part_of_a_page(void **state)
{
    (void)state;
    struct bytes bytes = {0};
    put_page(&bytes, 1);
    bytes_put(&bytes, "tail", 4);
    char *path = save("odd", &bytes);
    check_bad(path, path, "at offset 0x1000", "whole pages", "4 bytes");
    free(path);
}

static void foreign_formats(void **state)
{
    (void)state;
    struct bytes bytes = {0};
    bytes_put(&bytes, "KDUMP   ", 8);
    bytes_pad(&bytes, 2 * PAGE);
    char *path = save("kdump", &bytes);
    check_bad(path, path, "kdump-compressed");
    const char *const as_raw[] = {"--as", "raw", NULL}, *const sources[] = {path, NULL};
    json_t *root = run_json(PAGESHARE, as_raw, sources);
    assert_int_equal(number(root, "total", "pages"), 2);
    json_decref(root);
    free(path);
}

static void a_program(void **state)
{
    (void)state;
    check_bad(PAGESHARE, PAGESHARE, "expected an ELF core dump, found a program");
}

/* Two pages at 0x10000 and one at 0x20000, all in the file. */
static struct bytes good_core(void)
{
    static const struct segment segments[] = {
        {.vaddr = 0x10000, .offset = PAGE, .filesz = 2 * PAGE, .memsz = 2 * PAGE},
        {.vaddr = 0x20000, .offset = 3 * PAGE, .filesz = PAGE, .memsz = PAGE}};
    struct bytes core = elf_core64(segments, 2);
    bytes_pad(&core, PAGE);
    for (uint64_t i = 0; i < 3; i++)
        put_page(&core, i);
    return core;
}

static void truncated_cores(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t nbytes;
        const char *text;
    } cuts[] = {{"cut_data", 3 * PAGE + 100, "truncated: 12388 of 16384 bytes"},
                {"cut_headers", 100, "program headers"},
                {"cut_header", 20, "ELF header"}};
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        struct bytes core = good_core();
        core.size = cuts[i].nbytes;
        char *path = save(cuts[i].name, &core);
        check_bad(path, path, "at offset 0x", cuts[i].text);
        free(path);
    }
}

static void lying_headers(void **state)
{
    (void)state;
    static const struct segment lies[] = {
        {.vaddr = 0x10000, .offset = UINT64_MAX - PAGE, .filesz = PAGE, .memsz = PAGE},
        {.vaddr = 0x10000,
         .offset = PAGE,
         .filesz = UINT64_MAX & ~UINT64_C(0xfff),
         .memsz = UINT64_MAX & ~UINT64_C(0xfff)},
        {.vaddr = 0x10000, .offset = PAGE, .filesz = 4 * PAGE, .memsz = PAGE},
        {.vaddr = UINT64_MAX & ~UINT64_C(0xfff),
         .offset = PAGE,
         .filesz = PAGE,
         .memsz = 16 * PAGE}};
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        struct bytes core = elf_core64(&lies[i], 1);
        bytes_pad(&core, 6 * PAGE);
        char name[16];
        snprintf(name, sizeof name, "lies_%zu", i);
        char *path = save(name, &core);
        check_bad(path, path, "at offset 0x40", "segment 0");
        free(path);
    }
}

/* As many program headers as a file can claim, in one that has none. */
static void countless_headers(void **state)
{
    (void)state;
    Elf64_Ehdr header = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                         .e_type = ET_CORE,
                         .e_version = EV_CURRENT,
                         .e_phoff = sizeof header,
                         .e_phentsize = sizeof(Elf64_Phdr),
                         .e_phnum = 0xfffe};
    struct bytes core = {0};
    bytes_put(&core, &header, sizeof header);
    char *path = save("countless", &core);
    check_bad(path, path, "65534 program headers", "the end of the file");
    free(path);
}

static void overlapping_segments(void **state)
{
    (void)state;
    static const struct segment segments[] = {
        {.vaddr = 0x10000, .offset = PAGE, .filesz = 2 * PAGE, .memsz = 2 * PAGE},
        {.vaddr = 0x11000, .offset = 3 * PAGE, .filesz = PAGE, .memsz = PAGE}};
    struct bytes core = elf_core64(segments, 2);
    bytes_pad(&core, PAGE);
    for (uint64_t i = 0; i < 3; i++)
        put_page(&core, i);
    char *path = save("overlap", &core);
    check_bad(path, path, "at offset 0x3000", "page 0x11", "overlapping");
    free(path);
}

static void cut_zstd(void **state)
{
    (void)state;
    struct bytes core = good_core();
    size_t bound = ZSTD_compressBound(core.size);
    uint8_t *packed = malloc(bound);
    ZSTD_CCtx *zstd = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 1); /* as the zstd program does */
    size_t nbytes = ZSTD_compress2(zstd, packed, bound, core.at, core.size);
    assert_false(ZSTD_isError(nbytes));
    ZSTD_freeCCtx(zstd);
    char *path = strdup(write_file("whole.zst", packed, nbytes));
    json_t *root = run_json(PAGESHARE, (const char *[]){NULL}, (const char *[]){path, NULL});
    assert_int_equal(number(root, "total", "pages"), 3);
    json_decref(root);
    free(path);

    path = strdup(write_file("cut.zst", packed, nbytes / 2));
    check_bad(path, path, "at offset 0x", "zstd", "end of the file (truncated)");
    free(path);
    packed[nbytes / 2] ^= 0xff;
    packed[nbytes / 2 + 1] ^= 0xff;
    path = strdup(write_file("bent.zst", packed, nbytes));
    check_bad(path, path, "at offset 0x", "corrupt");
    free(path);
    /* What comes out must be good, too. */
    nbytes = ZSTD_compress(packed, bound, core.at, 3 * PAGE, 3);
    path = strdup(write_file("inner.zst", packed, nbytes));
    check_bad(path, path, "(decompressed)", "truncated: 12288 of 16384 bytes");
    free(path);
    free(packed);
    bytes_free(&core);
}

static void standard_input(void **state)
{
    (void)state;
    struct bytes bytes = {0};
    bytes_put(&bytes, "no page", 7);
    char *path = save("stdin", &bytes);
    struct run_how how = {.stdin_path = path};
    check_bad_texts("-", &how, (const char *const[]){"- (standard input)", "7 bytes", NULL});
    check_bad_texts("-", &(struct run_how){0},
                    (const char *const[]){"- (standard input)", "empty", NULL});
    free(path);
}

static void processes_that_are_none(void **state)
{
    (void)state;
    check_bad("pid:0", "pid:0", "expected pid:N");
    check_bad("pid:x", "pid:x", "expected pid:N");
    check_bad("pid:999999999", "pid:999999999", "no such process");
}

static pid_t start_target(void)
{
    int in[2], out[2];
    char first[16];
    assert_int_equal(pipe(in), 0);
    assert_int_equal(pipe(out), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        dup2(in[0], STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        close(in[1]);
        execl(live_target, live_target, "3000", "1", (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    assert_true(read(out[0], first, sizeof first) > 0);
    close(out[0]);
    return pid; /* in[1] stays open: it waits until it is killed */
}

/* It is there when it is opened, and gone when its memory is copied. */
static void a_process_that_exits(void **state)
{
    (void)state;
    pid_t pid = start_target();
    char spec[32], victim[32];
    snprintf(spec, sizeof spec, "pid:%d", (int)pid);
    snprintf(victim, sizeof victim, "%d", (int)pid);
    const char *const info[] = {PAGESHARE, "info", spec, NULL};
    struct run run = run_program(info, NULL);
    bool permitted = run.exit_code == 0;
    run_free(&run);
    if (permitted) {
        setenv("INTERFERE_KILL", victim, 1);
        struct run_how how = {.preload = interfere};
        const char *const argv[] = {PAGESHARE, "measure", spec, NULL};
        run = run_program(argv, &how);
        unsetenv("INTERFERE_KILL");
        check_one_line(&run, (const char *const[]){spec, "exited", "while it was read", NULL});
        run_free(&run);
    }
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    if (!permitted)
        skip();
}

/* Once a dump is mapped, truncating it makes its pages unreadable. */
static void a_file_that_shrinks(void **state)
{
    (void)state;
    struct bytes bytes = {0};
    for (uint64_t i = 0; i < 600; i++)
        put_page(&bytes, i);
    char *path = save("shrinks", &bytes), named[256];
    snprintf(named, sizeof named, "it=%s", path);
    setenv("INTERFERE_TRUNCATE", path, 1);
    struct run_how how = {.preload = interfere};
    const char *const argv[] = {PAGESHARE, "measure", named, NULL};
    struct run run = run_program(argv, &how);
    unsetenv("INTERFERE_TRUNCATE");
    check_one_line(&run, (const char *const[]){path, "became shorter", NULL});
    run_free(&run);
    free(path);
}

/* Names from outside do not reach the terminal as they are, nor break the line. */
static void hostile_names(void **state)
{
    (void)state;
    check_bad("/no\nsuch\033[1mfile", "/no?such?[1mfile", "No such file");
    const char *const argv[] = {PAGESHARE, "measure", "a\n=/no/such", NULL};
    struct run run = run_program(argv, NULL);
    check_one_line(&run, (const char *const[]){"/no/such", NULL});
    run_free(&run);
}

/* If every source fails, nothing is printed that looks like a result. */
static void all_fail(void **state)
{
    (void)state;
    const char *const argv[] = {PAGESHARE, "measure", "--keep-going", "/no/such", NULL};
    struct run run = run_program(argv, NULL);
    check_one_line(&run, (const char *const[]){"/no/such", NULL});
    run_free(&run);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: test_bad_input INTERFERE LIVE_TARGET\n");
        return 2;
    }
    interfere = argv[1];
    live_target = argv[2];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(missing),
        cmocka_unit_test(labelled),
        cmocka_unit_test(empty),
        cmocka_unit_test(directory),
        cmocka_unit_test(devices),
        cmocka_unit_test(unreadable),
        cmocka_unit_test(part_of_a_page),
        cmocka_unit_test(foreign_formats),
        cmocka_unit_test(a_program),
        cmocka_unit_test(truncated_cores),
        cmocka_unit_test(lying_headers),
        cmocka_unit_test(countless_headers),
        cmocka_unit_test(overlapping_segments),
        cmocka_unit_test(cut_zstd),
        cmocka_unit_test(standard_input),
        cmocka_unit_test(processes_that_are_none),
        cmocka_unit_test(a_process_that_exits),
        cmocka_unit_test(a_file_that_shrinks),
        cmocka_unit_test(hostile_names),
        cmocka_unit_test(all_fail),
    };
    return cmocka_run_group_tests(tests, make_test_dir, remove_test_dir);
}
