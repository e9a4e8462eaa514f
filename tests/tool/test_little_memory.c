/* SPDX-License-Identifier: MIT */
/*
 * A set that is twice as large as the memory that there is for it, by a control group: what is read
 * from disk, and what is resident. Skipped where no such group can be made.
 */
#include "../unit/test_read_util.h"
#include "run.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { PAGES = 24000, FILES = 2 };
#define SET_NBYTES ((uint64_t)FILES * PAGES * PAGE)

static char cgroup[4096]; /* "": there is none */
static char *path[FILES + 1];

/* ------------------------------------------------------------------------------- the group -- */

static bool put_number(const char *file, uint64_t value)
{
    char name[4200];
    snprintf(name, sizeof name, "%s/%s", cgroup, file);
    FILE *to = fopen(name, "we");
    bool ok = to && fprintf(to, "%llu\n", (unsigned long long)value) > 0;
    return to && fclose(to) == 0 && ok;
}

/* A group inside this program's own: `own` is a line of /proc/self/cgroup from its path on. */
static bool make_group(const char *mount, const char *own, const char *limit)
{
    snprintf(cgroup, sizeof cgroup, "%s%.*s/libshare-test-%d", mount, (int)strcspn(own, "\n"), own,
             (int)getpid());
    if (mkdir(cgroup, 0700) == 0 && put_number(limit, SET_NBYTES / 2))
        return true;
    rmdir(cgroup);
    cgroup[0] = 0;
    return false;
}

static void find_group(void)
{
#ifdef __SANITIZE_THREAD__
    return; /* it takes more memory than the group has */
#endif
    char line[2048];
    FILE *file = fopen("/proc/self/cgroup", "re");
    while (file && !cgroup[0] && fgets(line, sizeof line, file)) {
        const char *v1 = strstr(line, ":memory:");
        if (v1)
            make_group("/sys/fs/cgroup/memory", v1 + strlen(":memory:"), "memory.limit_in_bytes");
        else if (strncmp(line, "0::", 3) == 0)
            make_group("/sys/fs/cgroup", line + 3, "memory.max");
    }
    if (file)
        fclose(file);
}

static int remove_group(void)
{
    for (int tries = 0; cgroup[0] && tries < 100; tries++) {
        if (rmdir(cgroup) == 0)
            return 0;
        usleep(10000); /* the last process is still leaving it */
    }
    return cgroup[0] ? 1 : 0;
}

/* --------------------------------------------------------------------------------- the set -- */

/* Each content is in both files, in another order: all of them are compared. */
static void write_files(void)
{
    static const uint64_t step[FILES] = {1, 7919}; /* prime to PAGES */
    for (size_t f = 0; f < FILES; f++) {
        char name[16];
        struct bytes bytes = {0};
        for (uint64_t i = 0; i < PAGES; i++)
            put_page(&bytes, i * step[f] % PAGES);
        snprintf(name, sizeof name, "half_%zu", f);
        path[f] = strdup(write_file(name, bytes.at, bytes.size));
        bytes_free(&bytes);
    }
}

static void forget_files(void)
{
    for (size_t f = 0; f < FILES; f++) {
        int fd = open(path[f], O_RDONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(fsync(fd), 0);
        posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        close(fd);
    }
}

/* Measures in the group; at most percent % of the set may be read from disk. */
static void check_reads(const char *verify, uint64_t percent)
{
    struct run_how how = {.cgroup = cgroup};
    const char *const argv[] = {PAGESHARE,  "measure", "--threads", "2",     "--format", "json",
                                "--verify", verify,    path[0],     path[1], NULL};
    forget_files();
    struct run run = run_program(argv, &how);
    assert_string_equal(run.err, "");
    assert_int_equal(run.exit_code, 0);
    json_t *root = json_loadb(run.out, run.out_nbytes, 0, NULL);
    check_measured(root);
    assert_int_equal(number(root, "total", "pages"), FILES * PAGES);
    assert_int_equal(number(root, "total", "distinct_pages"), PAGES);
    json_decref(root);
    print_message("%s: %llu %% of the set read from disk, %llu MiB resident\n", verify,
                  (unsigned long long)(run.disk_nbytes * 100 / SET_NBYTES),
                  (unsigned long long)(run.rss_nbytes >> 20));
    bool on_disk = run.disk_nbytes >= SET_NBYTES;
    if (on_disk) {
        assert_in_range(run.disk_nbytes * 100 / SET_NBYTES, 100, percent);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
        assert_in_range(run.rss_nbytes >> 20, 1, 72);
#endif
    }
    run_free(&run);
    if (!on_disk) /* a file system in memory */
        skip();
}

static void every_byte(void **state)
{
    (void)state;
    if (!cgroup[0])
        skip();
    check_reads("bytes", 250);
}

static void by_hashes(void **state)
{
    (void)state;
    if (!cgroup[0])
        skip();
    check_reads("hash", 110);
}

static int set_up(void **state)
{
    int failed = make_test_dir(state);
    find_group();
    if (!failed && cgroup[0])
        write_files();
    return failed;
}

static int tear_down(void **state)
{
    for (size_t f = 0; f < FILES; f++)
        free(path[f]);
    return remove_group() | remove_test_dir(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_byte), cmocka_unit_test(by_hashes)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
