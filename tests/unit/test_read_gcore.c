/* SPDX-License-Identifier: MIT */
/* gcore's dump of a process, against the live process. Skipped where gcore is not installed, or may
 * not trace. */
#include "test_read_util.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static bool skipped;

/* A fork-shared page is the kernel's, so this one executes a program of its own. */
static void be_perl(void *ctx)
{
    (void)ctx;
    execlp("perl", "perl", "-e", "@a = map { \"text $_ \" x 200 } 1 .. 3000; sleep", NULL);
    _exit(127);
}

static bool same_page(const struct ds_source *dump, uint64_t key, const uint8_t *page)
{
    const uint8_t *found = find_page(dump, key, NULL);
    return found && memcmp(found, page, PAGE) == 0;
}

static char state_of(pid_t pid)
{
    char path[64], text[256] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "r");
    const char *end = file && fgets(text, sizeof text, file) ? strrchr(text, ')') : NULL;
    if (file)
        fclose(file);
    return end ? end[2] : '?';
}

/* Waits until it sleeps at the end of its script: has grown, and does not run. */
static void wait_until_idle(pid_t pid)
{
    for (int quiet = 0, tries = 0; quiet < 50 && tries < 20000; tries++) {
        usleep(1000);
        quiet = state_of(pid) == 'S' ? quiet + 1 : 0;
    }
}

static void test_gcore(void **state)
{
    (void)state;
    char spec[32], command[512], path[256];
    pid_t pid = start_child(be_perl, NULL);
    wait_until_idle(pid);
    snprintf(spec, sizeof spec, "pid:%d", (int)pid);
    struct ds_source *live = must_open(spec, NULL);
    snprintf(path, sizeof path, "%s.%d", test_path("core"), (int)pid);
    snprintf(command, sizeof command, "gcore -o %s %d >/dev/null 2>&1 </dev/null",
             test_path("core"), (int)pid);
    int dumped = system(command);
    stop_child(pid);
    if (dumped != 0) {
        ds_source_free(live);
        printf("skipped: gcore cannot dump here\n");
        skipped = true;
        skip();
    }
    struct ds_source *core = must_open(path, NULL);
    assert_string_equal(ds_source_info(core)->format, "elf");
    const struct ds_info *info = ds_source_info(live);
    assert_true(info->pages[DS_DATA] > 500);
    for (size_t i = 0; i < info->extents; i++) {
        const struct ds_extent *e = &info->extent[i];
        for (uint64_t p = 0; e->state == DS_DATA && p < e->pages; p++)
            assert_true(same_page(core, e->key + p, find_page(live, e->key + p, NULL)));
    }
    ds_source_free(core);
    ds_source_free(live);
}

static bool has(const char *program)
{
    char command[128];
    snprintf(command, sizeof command, "command -v %s >/dev/null", program);
    return system(command) == 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gcore),
    };
    if (!has("gcore") || !has("perl")) {
        printf("skipped: gcore (package gdb) or perl is not installed\n");
        return 77;
    }
    int failed = cmocka_run_group_tests(tests, make_test_dir, remove_test_dir);
    return skipped ? 77 : failed;
}
