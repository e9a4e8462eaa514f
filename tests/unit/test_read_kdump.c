/* SPDX-License-Identifier: MIT */
/* Kdump-compressed and flattened dumps made by hand, from makedumpfile's diskdump_mod.h. (QEMU's
 * own are in test_read_qemu.) */
#include "kdump_page.h"
#include "test_read_util.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include <cmocka.h>

enum { PAGES = 64, DESCRIPTORS = 4 * PAGE, DESCRIPTOR_NBYTES = 24 };

/* What page i is: of every eight, two that the machine has not, one filtered out, five in it. */
static enum ds_state state_of(uint64_t page)
{
    return page % 8 < 2 ? DS_ABSENT : page % 8 == 2 ? DS_EXCLUDED : DS_DATA;
}

static void put_at(struct bytes *to, size_t offset, uint64_t value, size_t nbytes)
{
    memcpy(to->at + offset, &value, nbytes);
}

/* Header, second header, two bitmaps in a block each, descriptors, pages as they are: those of
 * [first, end). */
static struct bytes kdump_of(uint64_t first, uint64_t end)
{
    struct bytes dump = {0};
    uint64_t descriptor = DESCRIPTORS, data = 5 * PAGE;
    bytes_pad(&dump, data);
    memcpy(dump.at, "KDUMP   ", 8);
    put_at(&dump, 8, 6, 4);
    memcpy(dump.at + 12 + 4 * 65, "x86_64", 6);
    memcpy(dump.at + 12 + 2 * 65, "6.1.0", 5);
    put_at(&dump, 428, PAGE, 4);
    put_at(&dump, 432, 1, 4);
    put_at(&dump, 436, 2, 4);
    put_at(&dump, 440, PAGES, 4);
    put_at(&dump, PAGE + 96, PAGES, 8);
    for (uint64_t i = 0; i < PAGES; i++) {
        uint8_t bit = (uint8_t)(1 << i % 8);
        if (state_of(i) != DS_ABSENT)
            dump.at[2 * PAGE + i / 8] |= bit;
        if (state_of(i) != DS_DATA)
            continue;
        dump.at[3 * PAGE + i / 8] |= bit;
        if (i < first || i >= end)
            continue;
        put_at(&dump, descriptor, data, 8);
        put_at(&dump, descriptor + 8, PAGE, 4);
        descriptor += DESCRIPTOR_NBYTES;
        data += PAGE;
        put_page(&dump, i);
    }
    return dump;
}

static struct bytes kdump(void)
{
    return kdump_of(0, PAGES);
}

static struct bytes part_of(uint64_t first, uint64_t end)
{
    struct bytes dump = kdump_of(first, end);
    put_at(&dump, PAGE + 12, 1, 4);
    put_at(&dump, PAGE + 80, first, 8);
    put_at(&dump, PAGE + 88, end, 8);
    return dump;
}

static void check_pages(const char *path, const char *format)
{
    struct ds_source *source = must_open(path, NULL);
    const struct ds_info *info = ds_source_info(source);
    assert_string_equal(info->format, format);
    assert_int_equal(info->pages[DS_DATA], PAGES / 8 * 5);
    assert_int_equal(info->pages[DS_EXCLUDED], PAGES / 8);
    for (uint64_t i = 0; i < PAGES; i++) {
        enum ds_state found;
        const uint8_t *page = find_page(source, i, &found);
        assert_int_equal(found, state_of(i));
        assert_true(found != DS_DATA || is_page(page, i));
    }
    assert_string_equal(info->machine, "x86_64");
    assert_int_equal(info->page_nbytes, PAGE);
    ds_source_free(source);
}

static void test_kdump(void **state)
{
    (void)state;
    struct bytes dump = kdump();
    check_pages(write_file("kdump", dump.at, dump.size), "kdump");
    char command[256];
    snprintf(command, sizeof command, "zstd -qf %s", test_path("kdump"));
    if (system(command) == 0)
        check_pages(test_path("kdump.zst"), "kdump+zstd");
    bytes_free(&dump);
}

/* Pages packed by each library, as literals. One that is not built in is named. */
static void test_packed_pages(void **state)
{
    (void)state;
    uint8_t page[PAGE], zstd[2 * PAGE];
    struct bytes snappy = {0}, lzo = {0};
    fill_page(page, 5);
    bytes_put(&snappy, "\x80\x20\xf4\xff\x0f", 5); /* 4096 bytes; a literal of 4095 + 1 */
    bytes_put(&snappy, page, PAGE);
    bytes_pad(&lzo, 16); /* a literal of 18 + 15 * 255 + 253 */
    bytes_put(&lzo, "\xfd", 1);
    bytes_put(&lzo, page, PAGE);
    bytes_put(&lzo, "\x11\0\0", 3); /* the end */
    size_t zstd_nbytes = ZSTD_compress(zstd, sizeof zstd, page, PAGE, 1);
    const struct {
        uint32_t flags;
        const uint8_t *bytes;
        size_t nbytes;
        const char *library;
    } packed[] = {{0x20, zstd, zstd_nbytes, "libzstd"},
                  {4, snappy.at, snappy.size, "libsnappy"},
                  {2, lzo.at, lzo.size, "none"}};
    for (size_t i = 0; i < 3; i++) {
        uint8_t to[PAGE];
        const char *wrong =
            ds_kdump_unpack(packed[i].flags, packed[i].bytes, packed[i].nbytes, to, PAGE);
        if (wrong && strstr(wrong, "built without") && strstr(wrong, packed[i].library))
            continue;
        assert_null(wrong);
        assert_true(is_page(to, 5));
        for (size_t nbytes = 0; nbytes < packed[i].nbytes; nbytes += 41)
            assert_non_null(ds_kdump_unpack(packed[i].flags, packed[i].bytes, nbytes, to, PAGE));
        assert_non_null(
            ds_kdump_unpack(packed[i].flags, packed[i].bytes, packed[i].nbytes, to, PAGE / 2));
    }
    bytes_free(&lzo);
    bytes_free(&snappy);
}

/* A part of a split dump is its own range of pages. */
static void test_part(void **state)
{
    (void)state;
    struct bytes dump = part_of(16, 32);
    struct ds_source *source = must_open(write_file("part", dump.at, dump.size), NULL);
    assert_int_equal(ds_source_info(source)->pages[DS_DATA], 10);
    assert_int_equal(ds_source_info(source)->pages[DS_EXCLUDED], 2);
    assert_true(is_page(find_page(source, 31, NULL), 31));
    ds_source_free(source);
    bytes_free(&dump);
}

/* Writes parts "0", "1" ..., each from bounds[i] to bounds[i + 1], and names them in an order. */
static const char *write_parts(const uint64_t *bounds, size_t parts, const char *order)
{
    static char spec[1024];
    size_t length = (size_t)snprintf(spec, sizeof spec, "split:");
    for (size_t i = 0; i < parts; i++) {
        struct bytes dump = part_of(bounds[i], bounds[i + 1]);
        write_file((const char[]){(char)('0' + i), '\0'}, dump.at, dump.size);
        bytes_free(&dump);
    }
    for (const char *at = order; *at; at++)
        length += (size_t)snprintf(spec + length, sizeof spec - length, "%s%s",
                                   at == order ? "" : "+", test_path((char[]){*at, '\0'}));
    return spec;
}

/* All parts are the whole dump, whatever their order. */
static void test_split(void **state)
{
    (void)state;
    static const uint64_t bounds[] = {0, 5, 16, 17, PAGES};
    check_pages(write_parts(bounds, 4, "0123"), "kdump");
    check_pages(write_parts(bounds, 4, "2031"), "kdump");
    must_fail(write_parts(bounds, 4, "023"), NULL, "pages from 0x5 on", "from 0x10 on", NULL);
    must_fail(write_parts(bounds, 4, "012"), NULL, "pages from 0x11 on, found no such", NULL);
    must_fail(write_parts(bounds, 4, "01223"), NULL, "pages from 0x11 on", "from 0x10 on", NULL);
    must_fail(write_parts(bounds, 4, "0"), NULL, "expected split:PART+PART", NULL);
}

/* Parts that are none, and one that changes between the opening and a look. */
static void test_split_bad(void **state)
{
    (void)state;
    static const uint64_t bounds[] = {0, 16, PAGES};
    struct bytes dump = part_of(16, PAGES);
    const char *spec = write_parts(bounds, 2, "01");
    struct ds_source *source = must_open(spec, NULL);
    write_file("1", dump.at, dump.size - PAGE);
    struct ds_error error;
    assert_null(ds_look_new(source, &error));
    assert_non_null(strstr(error.text, "became shorter"));
    assert_non_null(strstr(error.text, test_path("1")));
    ds_source_free(source);
    must_fail(spec, NULL, "truncated", test_path("1"), NULL);
    put_at(&dump, PAGE + 96, 2 * PAGES, 8);
    write_file("1", dump.at, dump.size);
    must_fail(spec, NULL, "of 64 pages", "of 128", NULL);
    put_at(&dump, PAGE + 96, PAGES, 8);
    dump.at[12 + 2 * 65] = '7';
    write_file("1", dump.at, dump.size);
    must_fail(spec, NULL, "kdump of 6.1.0", "kdump of 7.1.0", NULL);
    write_file("1", "memory", 6);
    must_fail(spec, NULL, "something else", test_path("1"), NULL);
    bytes_free(&dump);
}

/* Pages of 64 KiB are 16 of ours; a page of zeros that others name again is found at once. */
static void test_large_pages(void **state)
{
    (void)state;
    enum { LARGE = 16 * PAGE };
    struct bytes dump = {0};
    bytes_pad(&dump, 4 * LARGE);
    memcpy(dump.at, "KDUMP   ", 8);
    put_at(&dump, 8, 5, 4);
    put_at(&dump, 428, LARGE, 4);
    put_at(&dump, 436, 2, 4);
    put_at(&dump, 440, 3, 4);
    dump.at[LARGE] = dump.at[2 * LARGE] = 7;
    static const int place[] = {1, 0, 1};
    for (size_t i = 0; i < 3; i++) {
        put_at(&dump, 3 * LARGE + 24 * i, (uint64_t)(4 + place[i]) * LARGE, 8);
        put_at(&dump, 3 * LARGE + 24 * i + 8, LARGE, 4);
    }
    for (uint64_t i = 0; i < 16; i++)
        put_page(&dump, i);
    bytes_pad(&dump, 6 * LARGE);
    struct ds_source *source = must_open(write_file("large", dump.at, dump.size), NULL);
    static const uint8_t zeros[PAGE];
    assert_int_equal(ds_source_info(source)->pages[DS_DATA], 48);
    for (uint64_t i = 0; i < 16; i++) {
        assert_memory_equal(find_page(source, i, NULL), zeros, PAGE);
        assert_true(is_page(find_page(source, 16 + i, NULL), i));
        assert_memory_equal(find_page(source, 32 + i, NULL), zeros, PAGE);
    }
    ds_source_free(source);
    bytes_free(&dump);
}

static void put_record(struct bytes *to, uint64_t offset, uint64_t nbytes)
{
    for (int i = 7; i >= 0; i--)
        bytes_put(to, &(uint8_t){(uint8_t)(offset >> 8 * i)}, 1);
    for (int i = 7; i >= 0; i--)
        bytes_put(to, &(uint8_t){(uint8_t)(nbytes >> 8 * i)}, 1);
}

/* The pieces from the back to the front, of odd sizes. */
static struct bytes flattened(const struct bytes *dump)
{
    struct bytes flat = {0};
    bytes_put(&flat, "makedumpfile\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\1", 32);
    bytes_pad(&flat, PAGE);
    for (size_t end = dump->size, nbytes; end > 0; end -= nbytes) {
        nbytes = end < 5001 ? end : 5001;
        put_record(&flat, end - nbytes, nbytes);
        bytes_put(&flat, dump->at + end - nbytes, nbytes);
    }
    put_record(&flat, UINT64_MAX, UINT64_MAX);
    return flat;
}

static void test_flattened(void **state)
{
    (void)state;
    struct bytes dump = kdump(), flat = flattened(&dump);
    check_pages(write_file("flat", flat.at, flat.size), "kdump");
    char command[256];
    snprintf(command, sizeof command, "zstd -qf %s", test_path("flat"));
    if (system(command) == 0)
        check_pages(test_path("flat.zst"), "kdump+zstd");
    for (size_t size = 16; size < flat.size; size += size < PAGE + 40 ? 97 : 9999)
        must_fail(write_file("cut", flat.at, size), NULL, "found the end of the file", NULL);
    bytes_free(&flat);
    bytes_free(&dump);
}

static void test_flattened_lies(void **state)
{
    (void)state;
    static const uint64_t lies[][2] = {
        {UINT64_MAX - 1, 5}, {5, UINT64_MAX}, {0, 0}, {(uint64_t)1 << 62, 16}};
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        struct bytes flat = {0};
        bytes_put(&flat, "makedumpfile\0\0\0\0", 16);
        bytes_pad(&flat, PAGE);
        put_record(&flat, lies[i][0], lies[i][1]);
        bytes_pad(&flat, 3 * PAGE);
        must_fail(write_file("lie", flat.at, flat.size), NULL, "at offset 0x1000",
                  "offset and length", NULL);
        bytes_free(&flat);
    }
}

/* Headers that lie. */
static void test_lies(void **state)
{
    (void)state;
    static const struct {
        size_t offset;
        uint64_t value;
        size_t nbytes;
        const char *said;
    } lies[] = {
        {8, 0x06000000, 4, "the version"},
        {428, 0, 4, "the block size"},
        {428, 1 << 30, 4, "the block size"},
        {428, 12345, 4, "the block size"},
        {432, UINT32_MAX, 4, "bitmaps"},
        {436, UINT32_MAX, 4, "bitmaps"},
        {436, 0, 4, "bitmaps"},
        {PAGE + 96, UINT64_MAX, 8, "the number of pages"},
        {PAGE + 96, UINT32_MAX, 8, "bitmaps"},
        {DESCRIPTORS, UINT64_MAX, 8, "truncated"},
        {DESCRIPTORS, 1 << 30, 8, "truncated"},
        {DESCRIPTORS + 8, UINT32_MAX, 4, "packed bytes"},
        {DESCRIPTORS + 8, 100, 4, "another size"},
        {DESCRIPTORS + 12, 64, 4, "unknown way"},
        {DESCRIPTORS + 12, 0x20, 4, "corrupt"},
        {PAGE + 12, 1, 4, "a range of pages"},
    };
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        struct bytes dump = kdump();
        put_at(&dump, lies[i].offset, lies[i].value, lies[i].nbytes);
        must_fail(write_file("lie", dump.at, dump.size), NULL, "at offset 0x", lies[i].said, NULL);
        bytes_free(&dump);
    }
    struct bytes dump = kdump();
    for (size_t size = 8; size < dump.size; size += size < 500 ? 41 : 4099)
        must_fail(write_file("cut", dump.at, size), NULL, "at offset 0x", "end of the file", NULL);
    bytes_free(&dump);
}

/* --partial: pages that the file does not have are excluded, and said to be cut away. Here
 * page 11 lies where page 63 would, and page 63 is page 3 once more. */
static void test_partial(void **state)
{
    (void)state;
    struct ds_options partial = {.partial = true};
    struct bytes dump = kdump();
    put_at(&dump, DESCRIPTORS + 5 * DESCRIPTOR_NBYTES, (uint64_t)(5 + 39) * PAGE, 8); /* page 11 */
    put_at(&dump, DESCRIPTORS + 39 * DESCRIPTOR_NBYTES, 5 * PAGE, 8);                 /* page 63 */
    for (size_t pages = 0; pages <= 39; pages++) {
        const char *path = write_file("cut", dump.at, (5 + pages) * PAGE + PAGE / 2);
        must_fail(path, NULL, "truncated", "--partial", NULL);
        struct ds_source *source = must_open(path, &partial);
        const struct ds_info *info = ds_source_info(source);
        assert_int_equal(info->pages[DS_DATA] + info->cut_pages, PAGES / 8 * 5);
        assert_int_equal(info->pages[DS_EXCLUDED], PAGES / 8 + info->cut_pages);
        uint64_t there = 0;
        for (uint64_t i = 0; i < PAGES; i++) {
            enum ds_state found;
            const uint8_t *page = find_page(source, i, &found);
            assert_true(found != DS_DATA || is_page(page, i == 63 ? 3 : i == 11 ? 63 : i));
            there += found == DS_DATA;
        }
        assert_int_equal(there, info->pages[DS_DATA]);
        /* Five pages in a row are a piece, which is cut where it first ends: one by page 11. */
        assert_true(there + 10 > pages && there <= pages);
        ds_source_free(source);
    }
    bytes_free(&dump);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kdump),     cmocka_unit_test(test_packed_pages),
        cmocka_unit_test(test_part),      cmocka_unit_test(test_split),
        cmocka_unit_test(test_split_bad), cmocka_unit_test(test_large_pages),
        cmocka_unit_test(test_flattened), cmocka_unit_test(test_flattened_lies),
        cmocka_unit_test(test_lies),      cmocka_unit_test(test_partial),
    };
    return cmocka_run_group_tests(tests, make_test_dir, remove_test_dir);
}
