/* SPDX-License-Identifier: MIT */
/* Lines of /proc/N/maps: what each kind of mapping is, and what is no such line. */
#include "pid.h"
#include "test_read_util.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static enum ds_vma_kind kind_of(const char *perms, const char *path)
{
    char line[256];
    struct ds_vma vma;
    snprintf(line, sizeof line, "7f0000001000-7f0000003000 %s 00002000 fe:00 1234   %s", perms,
             path);
    assert_true(ds_maps_parse_line(line, strlen(line), &vma));
    assert_int_equal(vma.first, 0x7f0000001);
    assert_int_equal(vma.end, 0x7f0000003);
    return vma.kind;
}

static void test_kinds(void **state)
{
    (void)state;
    assert_int_equal(kind_of("rw-p", ""), DS_VMA_PRIVATE);
    assert_int_equal(kind_of("r-xp", "/usr/bin/cat"), DS_VMA_PRIVATE);
    assert_int_equal(kind_of("--xp", "/usr/bin/cat"), DS_VMA_PRIVATE);
    assert_int_equal(kind_of("rw-p", "[heap]"), DS_VMA_PRIVATE);
    assert_int_equal(kind_of("rw-p", "[anon:name (x)]"), DS_VMA_PRIVATE);
    assert_int_equal(kind_of("rw-s", "/memfd:ram (deleted)"), DS_VMA_SHARED);
    assert_int_equal(kind_of("rw-s", "/dev/shm/ram"), DS_VMA_SHARED);
    assert_int_equal(kind_of("rw-s", "/dev/zero (deleted)"), DS_VMA_SHARED);
    assert_int_equal(kind_of("rw-s", "/dev/hugepages/ram"), DS_VMA_SHARED);
    assert_int_equal(kind_of("r--s", "/usr/lib/gconv-modules.cache"), DS_VMA_READ_ONLY);
}

static void test_not_memory(void **state)
{
    (void)state;
    assert_int_equal(kind_of("---p", ""), DS_VMA_NONE);
    assert_int_equal(kind_of("---s", "/memfd:x"), DS_VMA_NONE);
    assert_int_equal(kind_of("r--p", "[vvar]"), DS_VMA_NONE);
    assert_int_equal(kind_of("r--p", "[vvar_vclock]"), DS_VMA_NONE);
    assert_int_equal(kind_of("r-xp", "[vdso]"), DS_VMA_NONE);
    assert_int_equal(kind_of("--xp", "[vsyscall]"), DS_VMA_NONE);
    assert_int_equal(kind_of("rw-s", "/dev/vfio/12"), DS_VMA_NONE);
    assert_int_equal(kind_of("rw-p", "/dev/mem"), DS_VMA_NONE);
    assert_int_equal(kind_of("rw-s", "anon_inode:kvm-vcpu:0"), DS_VMA_NONE);
    assert_int_equal(kind_of("rw-s", "/[aio] (deleted)"), DS_VMA_NONE);
}

static void test_bad_lines(void **state)
{
    (void)state;
    const char *const bad[] = {
        "",
        "-",
        "1000",
        "1000-2000",
        "1000-2000 ",
        "1000-2000 rw-",
        "1000-2000 rw-x 0 0:0 0",
        "1000-1000 rw-p 0 0:0 0",
        "2000-1000 rw-p 0 0:0 0",
        "1001-2000 rw-p 0 0:0 0",
        "1000-2fff rw-p 0 0:0 0",
        "1000 -2000 rw-p 0 0:0 0",
        "x000-2000 rw-p 0 0:0 0",
        "00000000000001000-2000 rw-p 0 0:0 0",
    };
    struct ds_vma vma;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (ds_maps_parse_line(bad[i], strlen(bad[i]), &vma))
            fail_msg("accepted \"%s\"", bad[i]);
    }
    /* The end of the line is its length, not a NUL. */
    assert_false(ds_maps_parse_line("1000-2000 rw-p 0 0:0 0", 12, &vma));
    assert_true(ds_maps_parse_line("1000-2000 rw-p", 14, &vma));
}

/* The last page of the address space has an end that still is a page number. */
static void test_limits(void **state)
{
    (void)state;
    struct ds_vma vma;
    const char *line = "fffffffffffff000-ffffffffffffffff rw-p 0 0:0 0";
    assert_false(ds_maps_parse_line(line, strlen(line), &vma));
    line = "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0      [vsyscall]";
    assert_true(ds_maps_parse_line(line, strlen(line), &vma));
    assert_int_equal(vma.first, 0xffffffffff600);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_not_memory),
        cmocka_unit_test(test_bad_lines),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
