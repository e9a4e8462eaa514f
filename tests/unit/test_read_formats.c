/* SPDX-License-Identifier: MIT */
/* A file with a known magic is not read as raw memory, unless told to. */
#include "reader.h"
#include "test_read_util.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    const char *magic;
    size_t nbytes;
    const char *said;
} foreign[] = {
    {"DISKDUMP", 8, "diskdump"},
    {"EMiL\2\0\0\0", 8, "LiME"},
    {"AVML\1\0\0\0", 8, "AVML"},
    {"LibvirtQemudPart", 16, "libvirt"},
    {"PAGEDU64", 8, "64-bit Windows crash dump"},
    {"PAGEDUMP", 8, "32-bit Windows crash dump"},
    {"\xd2\xbe\xd2\xbe", 4, "VMware"},
    {"\xd0\xbe\xd2\xbe", 4, "VMware"},
    {"\xd1\xba\xd1\xba", 4, "VMware"},
    {"\x19\x43\x56\x54", 4, "CRIU"},
    {"QFI\xfb", 4, "qcow2"},
    {"hibr", 4, "hibernation"},
    {"RSTR", 4, "hibernation"},
    {"wake", 4, "hibernation"},
    {"Xen saved domain, xl format\n \0 \r", 32, "xl save"},
    {"\xcf\xfa\xed\xfe", 4, "Mach-O"},
    {"EVF\x09\x0d\x0a\xff\x00", 8, "EWF"},
    {"7z\xbc\xaf\x27\x1c", 6, "7z"},
    {"\x89LZO\x00\x0d\x0a\x1a\x0a", 9, "lzop"},
};

static void test_foreign(void **state)
{
    (void)state;
    struct ds_options as_raw = {.as_raw = true};
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++) {
        uint8_t page[PAGE];
        fill_page(page, i);
        memcpy(page, foreign[i].magic, foreign[i].nbytes);
        const char *path = write_file("foreign", page, sizeof page);
        must_fail(path, NULL, "at offset 0x0", foreign[i].said, "not supported", NULL);
        struct ds_source *source = must_open(path, &as_raw);
        assert_string_equal(ds_source_info(source)->format, "raw");
        assert_memory_equal(find_page(source, 0, NULL), page, PAGE);
        ds_source_free(source);
    }
}

static void test_as_raw(void **state)
{
    (void)state;
    struct ds_options as_raw = {.as_raw = true};
    struct bytes core = elf_core64(NULL, 0);
    bytes_pad(&core, PAGE);
    struct ds_source *source = must_open(write_file("elf", core.at, core.size), &as_raw);
    assert_string_equal(ds_source_info(source)->format, "raw");
    ds_source_free(source);
    bytes_free(&core);
}

/* The table itself: each magic is found, and one byte short of it is raw. */
static void test_find(void **state)
{
    (void)state;
    uint8_t head[64] = {0};
    const uint8_t elf[] = {0x7f, 'E', 'L', 'F'}, zstd[] = {0x28, 0xb5, 0x2f, 0xfd};
    const uint8_t skippable[] = {0x5f, 0x2a, 0x4d, 0x18};
    const char *refused = NULL;
    assert_ptr_equal(ds_format_find(head, sizeof head, &refused), &ds_format_raw);
    assert_ptr_equal(ds_format_find(head, 0, &refused), &ds_format_raw);
    assert_ptr_equal(ds_format_find(elf, 4, &refused), &ds_format_elf);
    assert_ptr_equal(ds_format_find(elf, 3, &refused), &ds_format_raw);
    assert_null(refused);
    assert_ptr_equal(ds_packing_find(zstd, 4), &ds_packing_zstd);
    assert_ptr_equal(ds_packing_find(skippable, 4), &ds_packing_zstd);
    assert_null(ds_packing_find(zstd, 3));
}

static void test_state_names(void **state)
{
    (void)state;
    assert_string_equal(ds_state_name(DS_DATA), "data");
    assert_string_equal(ds_state_name(DS_KERNEL_SHARED), "kernel-shared");
    assert_string_equal(ds_state_name(DS_STATES), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_foreign),
        cmocka_unit_test(test_as_raw),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_state_names),
    };
    return cmocka_run_group_tests(tests, make_test_dir, remove_test_dir);
}
