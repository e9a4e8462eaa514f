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

/* How memory of real machines begins, or might: never refused, whatever libmagic calls it. */
static void test_memory(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        const char *bytes;
        size_t nbytes;
    } memory[] = {
        {"zeros", "", 0},
        {"a PC's interrupt vectors", "\x53\xff\x00\xf0\x53\xff\x00\xf0\xc3\xe2\x00\xf0", 12},
        {"a boot sector", "\xeb\x3c\x90MSDOS5.0\x00\x02\x01", 14},
        {"code", "\xfa\x31\xc0\x8e\xd8\x8e\xd0\xbc\x00\x7c", 10},
        {"text", "Linux version 6.1.0 (gcc 12)\nCommand line: quiet\n", 48},
        {"a script", "#!/bin/sh\nexec true\n", 20},
        {"a document", "<!DOCTYPE html><html><body>", 27},
        {"an object", "{\"key\": [1, 2, 3]}", 18},
        {"a Windows program", "MZ\x90\x00\x03\x00\x00\x00\x04\x00", 10},
        {"a sound, perhaps", "\xff\xfb\x90\x44", 4},
        {"a picture, perhaps", "BM\x36\x00\x0c\x00\x00\x00", 8},
        {"a font, perhaps", "\x00\x01\x00\x00\x00\x10\x01\x00", 8},
        {"a RISC-V kernel", "MZ\x6f\x10\x80\x00\x00\x00\x20\x00", 10},
        {"a device tree", "\xd0\x0d\xfe\xed\x00\x00\x12\x34", 8},
    };
    for (size_t i = 0; i < sizeof memory / sizeof memory[0]; i++) {
        struct bytes file = {0};
        const char *refused = NULL;
        bytes_put(&file, memory[i].bytes, memory[i].nbytes);
        bytes_pad(&file, 510);
        bytes_put(&file, "\x55\xaa", 2);
        bytes_pad(&file, 16 * PAGE);
        const struct ds_format *format = ds_format_find(file.at, file.size, &refused);
        if (format != &ds_format_raw || ds_packing_find(file.at, file.size))
            fail_msg("%s is taken for %s", memory[i].what, refused ? refused : "a dump");
        bytes_free(&file);
    }
}

/* What only libmagic knows. */
static void test_libmagic(void **state)
{
    (void)state;
    static const struct {
        const char *magic;
        size_t nbytes;
        const char *said;
    } known[] = {
        {"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\2", 26, "PNG"},
        {"070701", 6, "cpio"},
        {"!<arch>\ndebian-binary   ", 24, "Debian package"},
        {"xar!\0\x1c\0\1", 8, "xar"},
    };
    if (!has_reader("names of foreign files"))
        skip();
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        struct bytes file = {0};
        bytes_put(&file, known[i].magic, known[i].nbytes);
        bytes_pad(&file, 4 * PAGE);
        must_fail(write_file("known", file.at, file.size), NULL, known[i].said, "not supported",
                  NULL);
        bytes_free(&file);
    }
}

/* A page of a UEFI guest's memory that libmagic calls a tar. */
static void test_no_tar(void **state)
{
    (void)state;
    uint8_t page[PAGE] = {0x2e, 0xa6, 0x54, 0x49, 0xa7, 0x75, 0x95, 0x84};
    const char *refused = NULL;
    memcpy(page + 0x5c, "TCPAd", 5);
    page[0x64] = 2;
    page[0x80] = 1;
    memset(page + 0x8c, 0xff, 4);
    memcpy(page + 0x94, " \1", 2);
    page[0xa3] = 1;
    page[0xbc] = 0xff;
    assert_ptr_equal(ds_format_find(page, sizeof page, &refused), &ds_format_raw);
}

/* A tar is told by its checksum: half of all tars have whole pages. */
static void test_tar(void **state)
{
    (void)state;
    uint8_t file[4 * PAGE] = "checkpoint/pages-1.img";
    unsigned sum = 0;
    const char *refused = NULL;
    memcpy(file + 100, "0000644", 7);
    memcpy(file + 124, "00000010000", 11);
    memset(file + 148, ' ', 8);
    for (size_t i = 0; i < 512; i++)
        sum += file[i];
    snprintf((char *)file + 148, 8, "%06o", sum);
    must_fail(write_file("tar", file, sizeof file), NULL, "a tar archive", NULL);
    memcpy(file + 100, "no mode", 7);
    assert_ptr_equal(ds_format_find(file, sizeof file, &refused), &ds_format_raw);
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
        cmocka_unit_test(test_foreign),  cmocka_unit_test(test_as_raw),
        cmocka_unit_test(test_find),     cmocka_unit_test(test_memory),
        cmocka_unit_test(test_libmagic), cmocka_unit_test(test_tar),
        cmocka_unit_test(test_no_tar),   cmocka_unit_test(test_state_names),
    };
    return cmocka_run_group_tests(tests, make_test_dir, remove_test_dir);
}
