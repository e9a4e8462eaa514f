/* SPDX-License-Identifier: MIT */
/* QEMU migration streams and libvirt save images made by hand: what each record means, and those
 * that lie. (test_read_qemu has QEMU's own.) */
#include "test_read_util.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { ZERO = 2, MEM_SIZE = 4, WITH_BYTES = 8, EOS = 0x10, CONTINUE = 0x20 };

static void put_number(struct bytes *to, uint64_t value, size_t nbytes)
{
    uint8_t bytes[8];
    for (size_t i = 0; i < nbytes; i++)
        bytes[i] = (uint8_t)(value >> 8 * (nbytes - 1 - i));
    bytes_put(to, bytes, nbytes);
}

static void put_name(struct bytes *to, const char *name)
{
    put_number(to, strlen(name), 1);
    bytes_put(to, name, strlen(name));
}

static void put_head(struct bytes *to)
{
    bytes_put(to, "QEVM", 4);
    put_number(to, 3, 4);
    put_number(to, 7, 1);
    put_number(to, 8, 4);
    bytes_put(to, "virt-7.2", 8);
}

/* The section "ram", of two blocks of 8 and 4 pages. */
static void put_start(struct bytes *to)
{
    put_number(to, 1, 1);
    put_number(to, 2, 4);
    put_name(to, "ram");
    put_number(to, 0, 4);
    put_number(to, 4, 4);
    put_number(to, 12 * PAGE | MEM_SIZE, 8);
    put_name(to, "one");
    put_number(to, 8 * PAGE, 8);
    put_name(to, "two");
    put_number(to, 4 * PAGE, 8);
    put_number(to, EOS, 8);
    put_number(to, 0x7e, 1);
    put_number(to, 2, 4);
}

static void put_part(struct bytes *to, bool last)
{
    put_number(to, last ? 3 : 2, 1);
    put_number(to, 2, 4);
}

/* A page with the content `seed`, or of zeros; the block's name if it is not the one before. */
static void put_sent(struct bytes *to, const char *block, uint64_t page, int64_t seed)
{
    unsigned flags = (seed < 0 ? ZERO : WITH_BYTES) | (block ? 0 : CONTINUE);
    put_number(to, page * PAGE | flags, 8);
    if (block)
        put_name(to, block);
    if (seed < 0)
        put_number(to, 0, 1);
    else
        put_page(to, (uint64_t)seed);
}

static void put_end(struct bytes *to)
{
    put_number(to, EOS, 8);
    put_number(to, 0x7e, 1);
    put_number(to, 2, 4);
}

/* Pages 0 to 5 of "one" (3 and 4 are zero), 1 to 3 of "two"; then 1, 3 and 5 of "one" again, the
 * last one as zero; device state. */
static struct bytes whole(void)
{
    struct bytes s = {0};
    put_head(&s);
    put_start(&s);
    put_part(&s, false);
    put_sent(&s, "one", 0, 10);
    put_sent(&s, NULL, 1, 99);
    put_sent(&s, NULL, 2, 12);
    put_sent(&s, NULL, 3, -1);
    put_sent(&s, NULL, 4, -1);
    put_sent(&s, NULL, 5, 98);
    put_sent(&s, "two", 1, 21);
    put_sent(&s, NULL, 2, 22);
    put_sent(&s, NULL, 3, -1);
    put_end(&s);
    put_part(&s, true);
    put_sent(&s, "one", 1, 11);
    put_sent(&s, NULL, 3, 13);
    put_sent(&s, "one", 5, -1);
    put_end(&s);
    put_number(&s, 4, 1);
    bytes_put(&s, "devices, of no known length", 27);
    return s;
}

static enum ds_state state_of(const struct ds_source *source, uint64_t key)
{
    enum ds_state found;
    find_page(source, key, &found);
    return found;
}

static void check_whole(const struct ds_source *source)
{
    static const int64_t content[12] = {10, 11, 12, 13, -1, -1, -2, -2, -2, 21, 22, -1};
    const struct ds_info *info = ds_source_info(source);
    for (uint64_t i = 0; i < 12; i++) {
        enum ds_state expected = content[i] == -1   ? DS_ZERO
                                 : content[i] == -2 ? DS_ABSENT
                                                    : DS_DATA;
        assert_int_equal(state_of(source, i), expected);
        if (expected == DS_DATA)
            assert_true(is_page(find_page(source, i, NULL), (uint64_t)content[i]));
    }
    assert_int_equal(info->pages[DS_DATA], 6);
    assert_int_equal(info->pages[DS_ZERO], 3);
    assert_int_equal(info->pages[DS_ABSENT], 3);
    assert_string_equal(info->machine, "virt-7.2");
}

static void test_last_wins(void **state)
{
    (void)state;
    struct bytes s = whole();
    struct ds_source *source = must_open(write_file("stream", s.at, s.size), NULL);
    assert_string_equal(ds_source_info(source)->format, "qemu");
    assert_false(ds_source_info(source)->sequential);
    check_whole(source);
    /* In the order of the file: page 0, 2, 21, 22, 11, 13. */
    assert_int_equal(ds_source_info(source)->extent[0].index, 0);
    ds_source_free(source);
    bytes_free(&s);
}

/* Packed it is sequential, and gone through once more than it is looked at; a pipe is spooled. */
static void test_packed(void **state)
{
    (void)state;
    struct bytes s = whole();
    char command[512];
    const char *path = write_file("packed", s.at, s.size);
    snprintf(command, sizeof command, "gzip -kf %s && zstd -qf %s", path, path);
    if (system(command) == 0) {
        static const char *const names[] = {"packed.zst", "packed.gz"};
        for (size_t i = 0; i < (has_reader("gzip") ? 2 : 1); i++) {
            struct ds_source *source = must_open(test_path(names[i]), NULL);
            assert_true(ds_source_info(source)->sequential);
            check_whole(source);
            ds_source_free(source);
        }
    }
    bytes_free(&s);
}

static void test_piped(void **state)
{
    (void)state;
    struct bytes s = whole();
    int fds[2], kept = dup(STDIN_FILENO);
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write(fds[1], s.at, s.size), s.size); /* a pipe holds 64 KiB */
    close(fds[1]);
    dup2(fds[0], STDIN_FILENO);
    close(fds[0]);
    struct ds_source *source = must_open("-", NULL);
    dup2(kept, STDIN_FILENO);
    close(kept);
    check_whole(source);
    ds_source_free(source);
    bytes_free(&s);
}

/* Cut anywhere before the memory's end it is an error, or measured so far as it goes. */
static void test_truncated(void **state)
{
    (void)state;
    struct ds_options partial = {.partial = true};
    struct bytes s = whole();
    uint64_t most = 0;
    for (size_t size = 4; size < s.size - 33; size += size < 200 ? 1 : 397) {
        const char *path = write_file("cut", s.at, size);
        must_fail(path, NULL, "at offset 0x", "truncated", NULL);
        if (size < 150)
            continue;
        struct ds_source *source = must_open(path, &partial);
        const struct ds_info *info = ds_source_info(source);
        assert_int_equal(info->pages[DS_EXCLUDED], info->cut_pages);
        assert_int_equal(info->pages[DS_DATA] + info->pages[DS_ZERO] + info->cut_pages, 12);
        assert_true(info->pages[DS_DATA] + info->pages[DS_ZERO] >= most);
        most = info->pages[DS_DATA] + info->pages[DS_ZERO];
        ds_source_free(source);
    }
    assert_true(most >= 8);
    bytes_free(&s);
}

/* Guest pages of 16 KiB are four of ours. */
static void test_page_bits(void **state)
{
    (void)state;
    struct bytes s = {0};
    put_head(&s);
    put_number(&s, 5, 1);
    put_name(&s, "configuration/target-page-bits");
    put_number(&s, 1, 4);
    put_number(&s, 14, 4);
    put_start(&s);
    put_part(&s, true);
    put_number(&s, 4 * PAGE | WITH_BYTES, 8);
    put_name(&s, "one");
    for (uint64_t i = 0; i < 4; i++)
        put_page(&s, i);
    put_sent(&s, NULL, 0, -1);
    put_end(&s);
    struct ds_source *source = must_open(write_file("bits", s.at, s.size), NULL);
    assert_int_equal(ds_source_info(source)->page_nbytes, 4 * PAGE);
    assert_int_equal(ds_source_info(source)->pages[DS_DATA], 4);
    assert_int_equal(ds_source_info(source)->pages[DS_ZERO], 4);
    for (uint64_t i = 0; i < 4; i++)
        assert_true(is_page(find_page(source, 4 + i, NULL), i));
    ds_source_free(source);
    bytes_free(&s);
}

/* Every page sent several times in an order that nobody expects. */
static void test_many_times(void **state)
{
    (void)state;
    struct bytes s = {0};
    int64_t last[8];
    uint64_t random = 12345;
    put_head(&s);
    put_start(&s);
    put_part(&s, true);
    put_sent(&s, "one", 0, 0);
    for (int i = 0; i < 8; i++)
        last[i] = i == 0 ? 0 : -2;
    for (int64_t i = 1; i < 500; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        uint64_t page = random >> 61;
        last[page] = (random >> 50) % 3 == 0 ? -1 : i;
        put_sent(&s, NULL, page, last[page]);
    }
    put_end(&s);
    struct ds_source *source = must_open(write_file("times", s.at, s.size), NULL);
    for (uint64_t i = 0; i < 8; i++) {
        if (last[i] >= 0)
            assert_true(is_page(find_page(source, i, NULL), (uint64_t)last[i]));
        else
            assert_int_equal(state_of(source, i), last[i] == -1 ? DS_ZERO : DS_ABSENT);
    }
    ds_source_free(source);
    bytes_free(&s);
}

static struct bytes libvirt(uint32_t version, uint32_t compressed)
{
    struct bytes image = {0}, s = whole();
    uint32_t header[19] = {version, 1000, 1, compressed};
    bytes_put(&image, "LibvirtQemudSave", 16);
    bytes_put(&image, header, sizeof header);
    bytes_pad(&image, image.size + 1000);
    bytes_put(&image, s.at, s.size);
    bytes_free(&s);
    return image;
}

static void test_libvirt(void **state)
{
    (void)state;
    struct bytes image = libvirt(2, 0);
    struct ds_source *source = must_open(write_file("save", image.at, image.size), NULL);
    assert_string_equal(ds_source_info(source)->format, "libvirt");
    check_whole(source);
    ds_source_free(source);
    bytes_free(&image);
    image = libvirt(2, 4);
    must_fail(write_file("save", image.at, image.size), NULL, "at offset 0x1c", "found lzop", NULL);
    bytes_free(&image);
    image = libvirt(0x02000000, 0);
    must_fail(write_file("save", image.at, image.size), NULL, "byte order", NULL);
    bytes_free(&image);
}

/* An image whose stream is packed, of a file and of a pipe. */
static void test_libvirt_packed(void **state)
{
    (void)state;
    static const struct {
        uint32_t number;
        const char *name;
    } packings[] = {{1, "gzip"}, {2, "bzip2"}, {3, "xz"}, {5, "zstd"}};
    struct bytes s = whole();
    char stream[256], save[256], format[32], command[1200];
    snprintf(stream, sizeof stream, "%s", write_file("stream", s.at, s.size));
    bytes_free(&s);
    for (size_t i = 0; i < sizeof packings / sizeof *packings; i++) {
        struct bytes image = libvirt(2, packings[i].number);
        snprintf(save, sizeof save, "%s", write_file("save", image.at, 92 + 1000));
        bytes_free(&image);
        snprintf(command, sizeof command, "command -v %s >/dev/null && %s -c %s >>%s",
                 packings[i].name, packings[i].name, stream, save);
        if (!has_reader(packings[i].name) || system(command) != 0)
            continue;
        struct ds_source *source = must_open(save, NULL);
        snprintf(format, sizeof format, "libvirt+%s", packings[i].name);
        assert_string_equal(ds_source_info(source)->format, format);
        assert_true(ds_source_info(source)->sequential);
        check_whole(source);
        ds_source_free(source);
        snprintf(command, sizeof command, "rm -f %s.fifo; mkfifo %s.fifo && (cat %s >%s.fifo &)",
                 save, save, save, save);
        assert_int_equal(system(command), 0);
        snprintf(command, sizeof command, "%s.fifo", save);
        source = must_open(command, NULL);
        check_whole(source);
        ds_source_free(source);
        assert_int_equal(truncate(save, 92 + 1000 + 50), 0);
        must_fail(save, NULL, "at offset 0x4", packings[i].name, NULL); /* behind 0x444 */
    }
}

/* After a good start: a record of this word, followed by `rest`. */
static void fail_after_start(uint64_t word, const void *rest, size_t nbytes, const char *said)
{
    struct bytes s = {0};
    put_head(&s);
    put_start(&s);
    put_part(&s, true);
    put_number(&s, word, 8);
    bytes_put(&s, rest, nbytes);
    bytes_pad(&s, s.size + 2 * PAGE);
    must_fail(write_file("lie", s.at, s.size), NULL, "at offset 0x", said, NULL);
    bytes_free(&s);
}

static void test_lies(void **state)
{
    (void)state;
    fail_after_start(WITH_BYTES | CONTINUE, "", 0, "expected the name of a RAM block");
    fail_after_start(WITH_BYTES, "\3who", 4, "found one of \"who\"");
    fail_after_start(8 * PAGE | WITH_BYTES, "\3one", 4, "inside of one, found 0x8000");
    fail_after_start((UINT64_MAX & ~(uint64_t)0xfff) | ZERO, "\3one", 4, "inside of one");
    fail_after_start(ZERO, "\3one\7", 5, "expected 0 of a zero page, found 7");
    fail_after_start(MEM_SIZE | PAGE, "", 0, "found two");
    fail_after_start(0x40, "", 0, "xbzrle");
    fail_after_start(0x80, "", 0, "RDMA");
    fail_after_start(0x100, "", 0, "compress");
    fail_after_start(0, "", 0, "unknown flags");
}

/* Block sizes that no machine has: nothing is allocated by them. */
static void test_huge_blocks(void **state)
{
    (void)state;
    for (int blocks = 1; blocks <= 3; blocks++) {
        struct bytes s = {0};
        uint64_t size = (uint64_t)1 << 62;
        put_head(&s);
        put_number(&s, 1, 1);
        put_number(&s, 2, 4);
        put_name(&s, "ram");
        put_number(&s, 0, 4);
        put_number(&s, 4, 4);
        put_number(&s, size * (uint64_t)blocks | MEM_SIZE, 8);
        for (int i = 0; i < blocks; i++) {
            char name[2] = {(char)('a' + i), 0};
            put_name(&s, name);
            put_number(&s, size, 8);
        }
        put_sent(&s, "a", 5, 55);
        put_end(&s);
        put_part(&s, true);
        put_end(&s);
        const char *path = write_file("huge", s.at, s.size);
        if (blocks == 1) {
            struct ds_source *source = must_open(path, NULL);
            assert_true(is_page(find_page(source, 5, NULL), 55));
            assert_int_equal(ds_source_info(source)->pages[DS_ABSENT], (size >> 12) - 1);
            ds_source_free(source);
        } else {
            must_fail(path, NULL, "below 2^63", NULL);
        }
        bytes_free(&s);
    }
}

static void test_other_sections(void **state)
{
    (void)state;
    struct bytes s = {0};
    bytes_put(&s, "QEVM\0\0\0\2", 8);
    must_fail(write_file("old", s.at, s.size), NULL, "found version 2", NULL);
    s.size = 0;
    put_head(&s);
    put_number(&s, 4, 1);
    put_number(&s, 1, 4);
    put_name(&s, "virtio-mem-early");
    put_number(&s, 0, 4);
    put_number(&s, 4, 4);
    must_fail(write_file("early", s.at, s.size), NULL, "found \"virtio-mem-early\"", NULL);
    s.size = 0;
    put_head(&s);
    put_number(&s, 0, 1);
    must_fail(write_file("eof", s.at, s.size), NULL, "the end of the stream", NULL);
    s.size = 0;
    put_head(&s);
    put_number(&s, 5, 1);
    put_name(&s, "configuration/capabilities");
    put_number(&s, 1, 4);
    put_number(&s, 1, 4);
    put_name(&s, "multifd");
    must_fail(write_file("multifd", s.at, s.size), NULL, "multifd", NULL);
    bytes_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_last_wins),      cmocka_unit_test(test_packed),
        cmocka_unit_test(test_piped),          cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_page_bits),      cmocka_unit_test(test_many_times),
        cmocka_unit_test(test_libvirt),        cmocka_unit_test(test_libvirt_packed),
        cmocka_unit_test(test_lies),           cmocka_unit_test(test_huge_blocks),
        cmocka_unit_test(test_other_sections),
    };
    return cmocka_run_group_tests(tests, make_test_dir, remove_test_dir);
}
