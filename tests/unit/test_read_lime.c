/* SPDX-License-Identifier: MIT */
/* LiME and AVML dumps, made by their specifications: neither was seen from its producer. */
#include "test_read_util.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void put_little(struct bytes *to, uint64_t value, size_t nbytes)
{
    for (size_t i = 0; i < nbytes; i++)
        bytes_put(to, &(uint8_t){(uint8_t)(value >> 8 * i)}, 1);
}

static void put_header(struct bytes *to, const char *magic, uint32_t version, uint64_t start,
                       uint64_t end)
{
    bytes_put(to, magic, 4);
    put_little(to, version, 4);
    put_little(to, start, 8);
    put_little(to, end - 1, 8);
    put_little(to, 0, 8);
}

/* A LiME range: bytes of pages with the contents seed, seed + 1, ... as they lie in memory. */
static void put_range(struct bytes *to, uint64_t start, uint64_t end, uint64_t seed)
{
    put_header(to, "EMiL", 1, start, end);
    struct bytes memory = {0};
    for (uint64_t page = start / PAGE; page * PAGE < end; page++)
        put_page(&memory, seed++);
    bytes_put(to, memory.at + start % PAGE, end - start);
    bytes_free(&memory);
}

static enum ds_state state_of(const struct ds_source *source, uint64_t key)
{
    enum ds_state found;
    find_page(source, key, &found);
    return found;
}

/* As a PC has it: 0x1000 to 0x9fbff, then from 1 MiB on. */
static struct bytes pc(void)
{
    struct bytes dump = {0};
    put_range(&dump, 0x1000, 0x9fc00, 1);
    put_range(&dump, 0x100000, 0x120000, 0x100);
    return dump;
}

static void check_pc(const struct ds_source *source)
{
    const struct ds_info *info = ds_source_info(source);
    assert_int_equal(info->pages[DS_DATA], 0x9e + 0x20);
    assert_int_equal(info->pages[DS_EXCLUDED], 1); /* the page that memory ends in */
    assert_int_equal(info->pages[DS_ABSENT], 1 + 0x60);
    for (uint64_t i = 1; i < 0x9f; i++)
        assert_true(is_page(find_page(source, i, NULL), i));
    for (uint64_t i = 0x100; i < 0x120; i++)
        assert_true(is_page(find_page(source, i, NULL), i));
    assert_int_equal(state_of(source, 0), DS_ABSENT);
    assert_int_equal(state_of(source, 0x9f), DS_EXCLUDED);
    assert_int_equal(state_of(source, 0xa0), DS_ABSENT);
}

static void test_lime(void **state)
{
    (void)state;
    struct bytes dump = pc();
    struct ds_source *source = must_open(write_file("lime", dump.at, dump.size), NULL);
    assert_string_equal(ds_source_info(source)->format, "lime");
    assert_false(ds_source_info(source)->sequential);
    check_pc(source);
    ds_source_free(source);
    char command[256];
    snprintf(command, sizeof command, "zstd -qf %s", test_path("lime"));
    if (system(command) == 0) {
        source = must_open(test_path("lime.zst"), NULL);
        assert_string_equal(ds_source_info(source)->format, "lime+zstd");
        assert_true(ds_source_info(source)->sequential);
        check_pc(source);
        ds_source_free(source);
    }
    /* A copy that was padded to whole pages. */
    bytes_pad(&dump, (dump.size + PAGE - 1) / PAGE * PAGE);
    source = must_open(write_file("padded", dump.at, dump.size), NULL);
    check_pc(source);
    ds_source_free(source);
    bytes_free(&dump);
}

/* Ranges that begin and end within one page: nobody has all of it, and it is one page. */
static void test_parts(void **state)
{
    (void)state;
    struct bytes dump = {0};
    put_range(&dump, 0x1000, 0x2400, 1);
    put_range(&dump, 0x2400, 0x2500, 2);
    put_range(&dump, 0x2c00, 0x5000, 2);
    struct ds_source *source = must_open(write_file("parts", dump.at, dump.size), NULL);
    assert_int_equal(ds_source_info(source)->pages[DS_DATA], 3);
    assert_int_equal(ds_source_info(source)->pages[DS_EXCLUDED], 1);
    assert_int_equal(state_of(source, 2), DS_EXCLUDED);
    assert_true(is_page(find_page(source, 3, NULL), 3));
    ds_source_free(source);
    bytes_free(&dump);
}

static void test_lime_truncated(void **state)
{
    (void)state;
    struct ds_options partial = {.partial = true};
    struct bytes dump = pc();
    for (size_t size = 8; size < dump.size; size += size < 64 ? 1 : 4097) {
        if (size == 32 + 0x9ec00)
            continue; /* a whole range */
        const char *path = write_file("cut", dump.at, size);
        must_fail(path, NULL, "at offset 0x", "truncated", NULL);
        struct ds_source *source = must_open(path, &partial);
        assert_true(ds_source_info(source)->pages[DS_DATA] <= size / PAGE);
        assert_true(ds_source_info(source)->pages[DS_DATA] + 2 >= size / PAGE);
        ds_source_free(source);
    }
    bytes_free(&dump);
}

static void fail_with(uint64_t start, uint64_t end, const char *said)
{
    struct bytes dump = {0};
    put_range(&dump, 0x10000, 0x12000, 1);
    put_header(&dump, "EMiL", 1, start, end);
    bytes_pad(&dump, dump.size + PAGE);
    must_fail(write_file("lie", dump.at, dump.size), NULL, "at offset 0x", said, NULL);
    bytes_free(&dump);
}

static void test_lime_lies(void **state)
{
    (void)state;
    fail_with(0x11000, 0x13000, "expected a range from 0x12000 on");
    fail_with(0x30000, 0x20000, "below 2^63");
    fail_with(0x20000, (uint64_t)1 << 63 | 1, "below 2^63");
    fail_with(0, 0, "below 2^63");
    fail_with(0x20000, (uint64_t)1 << 62, "truncated");
    struct bytes dump = {0};
    put_range(&dump, 0x10000, 0x12000, 1);
    bytes_put(&dump, "garbage that is no header at all, of 41 b", 41);
    must_fail(write_file("lie", dump.at, dump.size), NULL, "at offset 0x2020", "other bytes", NULL);
    bytes_free(&dump);
}

/* ----------------------------------------------------------------------------------- AVML -- */

#define BLOCK (UINT64_C(16) << 20)

static uint32_t crc32c(const uint8_t *bytes, size_t nbytes)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < nbytes; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
    }
    return ~crc;
}

static void put_chunk(struct bytes *to, uint8_t type, const uint8_t *bytes, size_t nbytes,
                      uint32_t crc)
{
    put_little(to, type, 1);
    put_little(to, nbytes + 4, 3);
    put_little(to, (crc >> 15 | crc << 17) + 0xa282ead8, 4);
    bytes_put(to, bytes, nbytes);
}

/* Framed snappy: chunks of up to 64 KiB, every other one "packed" as one literal, one of zeros as a
 * literal and copies of it. */
static void put_snappy(struct bytes *to, const uint8_t *bytes, size_t nbytes)
{
    bytes_put(to, "\xff\x06\0\0sNaPpY", 10);
    for (size_t done = 0, n = 0, some; done < nbytes; done += some, n++) {
        struct bytes packed = {0};
        some = nbytes - done < 65536 ? nbytes - done : 65536;
        uint32_t crc = crc32c(bytes + done, some);
        if (n % 2) {
            put_chunk(to, 1, bytes + done, some, crc);
            continue;
        }
        for (size_t rest = some; rest > 0; rest >>= 7) /* the length, 7 bits a byte */
            put_little(&packed, (rest & 127) | (rest > 127 ? 128 : 0), 1);
        put_little(&packed, 61 << 2, 1); /* a literal whose length, less 1, has two bytes */
        put_little(&packed, some - 1, 2);
        bytes_put(&packed, bytes + done, some);
        put_chunk(to, 0, packed.at, packed.size, crc);
        bytes_free(&packed);
    }
}

static void put_block(struct bytes *to, uint64_t start, const struct bytes *memory)
{
    put_header(to, "AVML", 2, start, start + memory->size);
    size_t before = to->size;
    put_snappy(to, memory->at, memory->size);
    put_little(to, to->size - before, 8);
}

/* Four blocks of 16 MiB from 1 MiB on, of which the second and third are zero and left out; then,
 * behind a gap of no whole blocks, a small one. */
static struct bytes avml(void)
{
    struct bytes dump = {0}, low = {0}, block = {0}, last = {0};
    for (uint64_t i = 0; i < 10; i++)
        put_page(&low, i);
    low.size -= 0x400;
    put_block(&dump, 0x1000, &low);
    for (uint64_t i = 0; i < 40; i++)
        put_page(&block, 100 + i);
    bytes_pad(&block, BLOCK);
    put_block(&dump, 0x100000, &block);
    put_block(&dump, 0x100000 + 3 * BLOCK, &block);
    put_page(&last, 7);
    put_block(&dump, 0x100000 + 4 * BLOCK + 0x5000, &last);
    bytes_free(&last);
    bytes_free(&block);
    bytes_free(&low);
    return dump;
}

static void test_avml(void **state)
{
    (void)state;
    if (!has_reader("avml"))
        skip();
    struct bytes dump = avml();
    struct ds_source *source = must_open(write_file("avml", dump.at, dump.size), NULL);
    const struct ds_info *info = ds_source_info(source);
    assert_string_equal(info->format, "avml");
    assert_true(info->sequential);
    assert_int_equal(info->pages[DS_DATA], 9 + 2 * (BLOCK / PAGE) + 1);
    assert_int_equal(info->pages[DS_ZERO], 2 * (BLOCK / PAGE));
    assert_int_equal(info->pages[DS_EXCLUDED], 1);
    assert_int_equal(info->pages[DS_ABSENT], 1 + (0x100 - 0xb) + 5);
    assert_true(is_page(find_page(source, 1, NULL), 0));
    assert_int_equal(state_of(source, 0x100 + BLOCK / PAGE), DS_ZERO);
    for (uint64_t i = 0; i < 40; i++) {
        assert_true(is_page(find_page(source, 0x100 + i, NULL), 100 + i));
        assert_true(is_page(find_page(source, 0x100 + 3 * BLOCK / PAGE + i, NULL), 100 + i));
    }
    assert_true(is_page(find_page(source, 0x105 + 4 * BLOCK / PAGE, NULL), 7));
    ds_source_free(source);
    bytes_free(&dump);
}

static void test_avml_bad(void **state)
{
    (void)state;
    if (!has_reader("avml"))
        skip();
    struct bytes dump = {0}, memory = {0};
    for (uint64_t i = 0; i < 40; i++)
        put_page(&memory, i);
    put_block(&dump, 0x1000, &memory);
    for (size_t size = 8; size < dump.size; size += size < 100 ? 1 : 999) {
        struct ds_options partial = {.partial = true};
        const char *path = write_file("cut", dump.at, size);
        must_fail(path, NULL, "at offset 0x", "truncated", NULL);
        struct ds_source *source = must_open(path, &partial);
        const struct ds_info *info = ds_source_info(source);
        uint64_t there = info->pages[DS_DATA];
        /* Chunks of 16 pages, packed by a few bytes more than they have. */
        assert_int_equal(there, size < 32 + 10 + 16 * PAGE ? 0 : size / PAGE / 16 * 16);
        assert_int_equal(info->cut_pages, size < 32 ? 0 : 40 - there);
        for (uint64_t i = 0; i < there; i++)
            assert_true(is_page(find_page(source, 1 + i, NULL), i));
        ds_source_free(source);
    }
    static const struct {
        size_t offset;
        const char *said;
    } bad[] = {{16, NULL}, {32 + 10, "unknown kind"}, {32 + 10 + 4, "checksum"}, {5000, NULL}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        dump.at[bad[i].offset] ^= 0x22;
        must_fail(write_file("bent", dump.at, dump.size), NULL, "at offset 0x", bad[i].said, NULL);
        dump.at[bad[i].offset] ^= 0x22;
    }
    dump.at[dump.size - 8] ^= 1;
    must_fail(write_file("bent", dump.at, dump.size), NULL, "another number", NULL);
    bytes_free(&memory);
    bytes_free(&dump);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lime),           cmocka_unit_test(test_parts),
        cmocka_unit_test(test_lime_truncated), cmocka_unit_test(test_lime_lies),
        cmocka_unit_test(test_avml),           cmocka_unit_test(test_avml_bad),
    };
    return cmocka_run_group_tests(tests, make_test_dir, remove_test_dir);
}
