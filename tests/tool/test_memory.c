/* SPDX-License-Identifier: MIT */
/* How much memory there is, by folders that look like /proc and /sys. */
#include "../unit/test_read_util.h"
#include "memory.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define MIB(n) (UINT64_C(n) << 20)

static char root[512];

/* A file under the root, and the folders above it. */
static void put(const char *name, const char *text)
{
    char path[1024];
    snprintf(path, sizeof path, "%s%s", root, name);
    for (char *slash = strchr(path + strlen(root) + 1, '/'); slash;
         slash = strchr(slash + 1, '/')) {
        *slash = 0;
        mkdir(path, 0700);
        *slash = '/';
    }
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static void begin(const char *name)
{
    snprintf(root, sizeof root, "%s", test_path(name));
    assert_int_equal(mkdir(root, 0700), 0);
}

static void the_machine_alone(void **state)
{
    (void)state;
    begin("machine");
    assert_true(memory_available(root) == UINT64_MAX);
    put("/proc/meminfo", "MemTotal:  9 kB\nMemAvailable:    2048 kB\n");
    assert_int_equal(memory_available(root), MIB(2));
    put("/proc/self/cgroup", "0::/\n");
    assert_int_equal(memory_available(root), MIB(2));
    assert_true(memory_available("") > 0 && memory_available("") != UINT64_MAX);
}

/* A limit of 100 MiB, 60 MiB used, of them 50 MiB cached pages: 90 MiB. */
static void version_1(void **state)
{
    (void)state;
    begin("v1");
    put("/proc/meminfo", "MemAvailable: 1048576 kB\n");
    put("/proc/self/cgroup", "5:cpu,cpuacct:/x\n4:memory:/a/b\n0::/\n");
    put("/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", "104857600\n");
    put("/sys/fs/cgroup/memory/a/b/memory.usage_in_bytes", "62914560\n");
    put("/sys/fs/cgroup/memory/a/b/memory.stat",
        "inactive_file 7\ntotal_inactive_file 41943040\ntotal_active_file 10485760\n");
    assert_int_equal(memory_available(root), MIB(90));
    /* The group above has less. */
    put("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "73400320\n");
    put("/sys/fs/cgroup/memory/a/memory.usage_in_bytes", "62914560\n");
    assert_int_equal(memory_available(root), MIB(10));
    put("/sys/fs/cgroup/memory/a/memory.usage_in_bytes", "83886080\n");
    assert_int_equal(memory_available(root), 0);
}

/* A container sees its own group where the mount is, and its name from outside. */
static void version_1_in_a_container(void **state)
{
    (void)state;
    begin("v1c");
    put("/proc/meminfo", "MemAvailable: 1048576 kB\n");
    put("/proc/self/cgroup", "4:memory:/docker/0123\n");
    put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "104857600\n");
    put("/sys/fs/cgroup/memory/memory.usage_in_bytes", "0\n");
    assert_int_equal(memory_available(root), MIB(100));
}

static void version_2(void **state)
{
    (void)state;
    begin("v2");
    put("/proc/meminfo", "MemAvailable: 1048576 kB\n");
    put("/proc/self/cgroup", "0::/a/b\n");
    put("/sys/fs/cgroup/a/b/memory.max", "max\n");
    put("/sys/fs/cgroup/a/b/memory.current", "62914560\n");
    put("/sys/fs/cgroup/a/memory.max", "104857600\n");
    put("/sys/fs/cgroup/a/memory.current", "62914560\n");
    put("/sys/fs/cgroup/a/memory.stat", "anon 5\ninactive_file 41943040\nactive_file 10485760\n");
    assert_int_equal(memory_available(root), MIB(90));
}

/* Beside version 1: "unified". */
static void version_2_beside_1(void **state)
{
    (void)state;
    begin("v2b1");
    put("/proc/meminfo", "MemAvailable: 1048576 kB\n");
    put("/proc/self/cgroup", "4:memory:/\n0::/a\n");
    put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    put("/sys/fs/cgroup/memory/memory.usage_in_bytes", "4096\n");
    put("/sys/fs/cgroup/unified/a/memory.max", "1048576\n");
    put("/sys/fs/cgroup/unified/a/memory.current", "0\n");
    assert_int_equal(memory_available(root), MIB(1));
}

static int forget(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st;
    (void)type;
    (void)where;
    return remove(path);
}

static int remove_folders(void **state)
{
    static const char *const names[] = {"machine", "v1", "v1c", "v2", "v2b1"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        nftw(test_path(names[i]), forget, 8, FTW_DEPTH | FTW_PHYS);
    return remove_test_dir(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_machine_alone),        cmocka_unit_test(version_1),
        cmocka_unit_test(version_1_in_a_container), cmocka_unit_test(version_2),
        cmocka_unit_test(version_2_beside_1),
    };
    return cmocka_run_group_tests(tests, make_test_dir, remove_folders);
}
