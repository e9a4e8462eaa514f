/* SPDX-License-Identifier: MIT */
/* What is spooled: standard input, and raw memory or ELF cores inside zstd. */
#include "test_read_util.h"

#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zstd.h>

#include <cmocka.h>

/* Appends one frame; a window log above 0 makes a frame of that window, without its size. */
static void put_frame(struct bytes *to, const void *from, size_t nbytes, int window_log)
{
    size_t room = ZSTD_compressBound(nbytes);
    void *out = malloc(room);
    ZSTD_CCtx *zstd = ZSTD_createCCtx();
    assert_true(out && zstd);
    ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 1);
    if (window_log) {
        ZSTD_CCtx_setParameter(zstd, ZSTD_c_contentSizeFlag, 0);
        ZSTD_CCtx_setParameter(zstd, ZSTD_c_windowLog, window_log);
    }
    ZSTD_inBuffer in = {from, nbytes, 0};
    ZSTD_outBuffer frame = {out, room, 0};
    assert_int_equal(ZSTD_compressStream2(zstd, &frame, &in, ZSTD_e_end), 0);
    bytes_put(to, out, frame.pos);
    ZSTD_freeCCtx(zstd);
    free(out);
}

static struct bytes raw_pages(uint64_t pages)
{
    struct bytes raw = {0};
    for (uint64_t i = 0; i < pages; i++)
        put_page(&raw, i);
    return raw;
}

static struct bytes compressed(const struct bytes *raw)
{
    struct bytes frame = {0};
    put_frame(&frame, raw->at, raw->size, 0);
    return frame;
}

static void test_raw(void **state)
{
    (void)state;
    struct bytes raw = raw_pages(600); /* more than two stream buffers */
    struct bytes frame = compressed(&raw);
    struct ds_source *source = must_open(write_file("raw.zst", frame.at, frame.size), NULL);
    assert_string_equal(ds_source_info(source)->format, "raw+zstd");
    assert_int_equal(ds_source_info(source)->pages[DS_DATA], 600);
    assert_memory_equal(find_page(source, 0, NULL), raw.at, raw.size);
    ds_source_free(source);
    bytes_free(&frame);
    bytes_free(&raw);
}

/* Zeros that zstd wrote are data: the spool must have no holes where the content has zeros. */
static void test_zeros(void **state)
{
    (void)state;
    struct bytes raw = {0};
    bytes_pad(&raw, 5000 * PAGE);
    struct bytes frame = compressed(&raw);
    struct ds_source *source = must_open(write_file("zero.zst", frame.at, frame.size), NULL);
    assert_int_equal(ds_source_info(source)->pages[DS_DATA], 5000);
    ds_source_free(source);
    bytes_free(&frame);
    bytes_free(&raw);
}

static void test_elf(void **state)
{
    (void)state;
    const struct segment segment = {0, 0x10000, 0x498, 2 * PAGE, 3 * PAGE};
    struct bytes core = elf_core64(&segment, 1);
    bytes_pad(&core, 0x498);
    put_page(&core, 4);
    put_page(&core, 5);
    struct bytes frame = compressed(&core);
    struct ds_source *source = must_open(write_file("elf.zst", frame.at, frame.size), NULL);
    assert_string_equal(ds_source_info(source)->format, "elf+zstd");
    assert_int_equal(ds_source_info(source)->pages[DS_EXCLUDED], 1);
    assert_true(is_page(find_page(source, 0x11, NULL), 5));
    ds_source_free(source);
    bytes_free(&frame);
    core.at[offsetof(Elf64_Ehdr, e_type)] = ET_EXEC;
    frame = compressed(&core);
    must_fail(write_file("elf.zst", frame.at, frame.size), NULL, "(decompressed)", "program", NULL);
    bytes_free(&frame);
    bytes_free(&core);
}

/* Frames of all kinds in a row: with and without size, empty, skippable, a long window. */
static void test_frames(void **state)
{
    (void)state;
    struct bytes raw = raw_pages(30);
    struct bytes file = {0};
    put_frame(&file, raw.at, 10 * PAGE + 77, 0);
    put_frame(&file, NULL, 0, 0);
    bytes_put(&file, "\x50\x2a\x4d\x18\x03\0\0\0abc", 11);
    put_frame(&file, raw.at + 10 * PAGE + 77, 20 * PAGE - 77, 27);
    struct ds_source *source = must_open(write_file("frames.zst", file.at, file.size), NULL);
    assert_int_equal(ds_source_info(source)->pages[DS_DATA], 30);
    assert_memory_equal(find_page(source, 0, NULL), raw.at, raw.size);
    ds_source_free(source);
    bytes_free(&file);
    bytes_free(&raw);
}

static void test_cut_short(void **state)
{
    (void)state;
    struct bytes raw = raw_pages(3);
    struct bytes frame = compressed(&raw);
    char offset[32];
    for (size_t size = 4; size < frame.size; size += size < 40 ? 1 : 97) {
        snprintf(offset, sizeof offset, "at offset 0x%zx:", size);
        must_fail(write_file("cut.zst", frame.at, size), NULL, offset, "end of the stream", NULL);
    }
    bytes_free(&frame);
    bytes_free(&raw);
}

static void test_corrupt(void **state)
{
    (void)state;
    struct bytes raw = raw_pages(3);
    struct bytes frame = compressed(&raw);
    frame.at[frame.size - 1] ^= 1; /* the checksum */
    must_fail(write_file("bad.zst", frame.at, frame.size), NULL,
              "at offset 0x0:", "corrupt somewhere", "checksum", NULL);
    frame.at[frame.size - 1] ^= 1;
    /* What is corrupt is the second frame: that one is named. */
    char offset[32];
    struct bytes two = compressed(&raw);
    snprintf(offset, sizeof offset, "at offset 0x%zx:", two.size);
    bytes_put(&two, frame.at, frame.size);
    two.at[two.size - 1] ^= 1;
    must_fail(write_file("bad.zst", two.at, two.size), NULL, offset, "checksum", NULL);
    bytes_free(&two);
    bytes_put(&frame, "garbage", 7);
    must_fail(write_file("bad.zst", frame.at, frame.size), NULL, "corrupt", offset, NULL);
    bytes_free(&frame);
    bytes_free(&raw);
}

static void test_bad_content(void **state)
{
    (void)state;
    struct bytes raw = raw_pages(2);
    struct bytes once = compressed(&raw);
    struct bytes twice = compressed(&once);
    must_fail(write_file("twice.zst", twice.at, twice.size), NULL, "found the magic of zstd", NULL);
    struct bytes none = {0};
    put_frame(&none, NULL, 0, 0);
    must_fail(write_file("none.zst", none.at, none.size), NULL, "empty", NULL);
    bytes_put(&raw, "x", 1);
    struct bytes odd = compressed(&raw);
    must_fail(write_file("odd.zst", odd.at, odd.size), NULL, "at offset 0x2000", NULL);
    memcpy(raw.at, "KDUMP   ", 8);
    struct bytes kdump = compressed(&raw);
    must_fail(write_file("kdump.zst", kdump.at, kdump.size), NULL, "kdump", NULL);
    bytes_free(&kdump);
    bytes_free(&odd);
    bytes_free(&none);
    bytes_free(&twice);
    bytes_free(&once);
    bytes_free(&raw);
}

static void test_as_raw(void **state)
{
    (void)state;
    struct ds_options options = {.as_raw = true};
    struct bytes raw = {0};
    put_frame(&raw, "x", 1, 0);
    bytes_pad(&raw, PAGE);
    struct ds_source *source = must_open(write_file("as.zst", raw.at, raw.size), &options);
    assert_string_equal(ds_source_info(source)->format, "raw");
    ds_source_free(source);
    bytes_free(&raw);
}

/* Standard input */

struct feed {
    int fds[2];
    struct bytes bytes;
};

static void feed_pipe(void *ctx)
{
    struct feed *feed = ctx;
    close(feed->fds[0]);
    for (size_t done = 0; done < feed->bytes.size;) {
        /* Small odd pieces: a read gets less than it asks for. */
        size_t piece = feed->bytes.size - done < 3001 ? feed->bytes.size - done : 3001;
        ssize_t some = write(feed->fds[1], feed->bytes.at + done, piece);
        if (some <= 0)
            _exit(1);
        done += (size_t)some;
    }
}

/* Opens "-" with these bytes coming through a pipe. */
static bool open_piped(struct bytes bytes, struct ds_source **source, struct ds_error *error)
{
    struct feed feed = {.bytes = bytes};
    assert_int_equal(pipe(feed.fds), 0);
    pid_t pid = start_child(feed_pipe, &feed);
    close(feed.fds[1]);
    int kept = dup(STDIN_FILENO);
    dup2(feed.fds[0], STDIN_FILENO);
    close(feed.fds[0]);
    bool ok = ds_source_open("-", NULL, source, error);
    dup2(kept, STDIN_FILENO);
    close(kept);
    stop_child(pid);
    return ok;
}

static void check_piped(struct bytes bytes, const char *format, uint64_t pages)
{
    struct ds_source *source;
    struct ds_error error;
    if (!open_piped(bytes, &source, &error))
        fail_msg("%s", error.text);
    assert_string_equal(ds_source_info(source)->format, format);
    assert_int_equal(ds_source_info(source)->pages[DS_DATA], pages);
    for (uint64_t i = 0; i < pages; i++)
        assert_true(is_page(find_page(source, i, NULL), i));
    check_source(source);
    ds_source_free(source);
}

static void test_stdin(void **state)
{
    (void)state;
    struct bytes raw = raw_pages(700);
    check_piped(raw, "raw", 700);
    struct bytes frame = compressed(&raw);
    check_piped(frame, "raw+zstd", 700);
    const struct segment segment = {0, 0, 0x498, 700 * PAGE, 700 * PAGE};
    struct bytes core = elf_core64(&segment, 1);
    bytes_pad(&core, 0x498);
    bytes_put(&core, raw.at, raw.size);
    check_piped(core, "elf", 700);
    bytes_free(&core);
    bytes_free(&frame);
    bytes_free(&raw);
}

static void test_bad_stdin(void **state)
{
    (void)state;
    struct ds_source *source;
    struct ds_error error;
    struct bytes bytes = {0};
    assert_false(open_piped(bytes, &source, &error));
    assert_non_null(
        strstr(error.text, "- (standard input): expected memory pages, found an empty"));
    bytes_put(&bytes, "odd", 3);
    assert_false(open_piped(bytes, &source, &error));
    assert_non_null(strstr(error.text, "3 bytes"));
    bytes_free(&bytes);
}

/* Progress is told while it is unpacked, up to the file's size. */
static void note_progress(void *ctx, uint64_t done_nbytes, uint64_t total_nbytes)
{
    uint64_t *seen = ctx;
    assert_true(done_nbytes >= seen[0] && done_nbytes <= total_nbytes);
    seen[0] = done_nbytes;
    seen[1] = total_nbytes;
}

static void test_progress(void **state)
{
    (void)state;
    struct bytes raw = raw_pages(1000);
    struct bytes frame = compressed(&raw);
    uint64_t seen[2] = {0};
    struct ds_options options = {.progress = note_progress, .progress_ctx = seen};
    ds_source_free(must_open(write_file("progress.zst", frame.at, frame.size), &options));
    assert_int_equal(seen[0], frame.size);
    assert_int_equal(seen[1], frame.size);
    bytes_free(&frame);
    bytes_free(&raw);
}

/* The temporary file */

static void test_no_spool(void **state)
{
    (void)state;
    struct bytes raw = raw_pages(2);
    struct bytes frame = compressed(&raw);
    const char *path = write_file("spool.zst", frame.at, frame.size);
    setenv("TMPDIR", test_path("no-such-dir"), 1);
    must_fail(path, NULL, "cannot make a temporary file", "no-such-dir", "TMPDIR", NULL);
    setenv("TMPDIR", test_path(""), 1);
    ds_source_free(must_open(path, NULL));
    unsetenv("TMPDIR");
    bytes_free(&frame);
    bytes_free(&raw);
}

/* In a mount namespace of its own: a file system of 64 KiB for a content of 400. */
static void open_on_full_disk(void *ctx)
{
    struct ds_source *source;
    struct ds_error error;
    const char *dir = test_path("full");
    if (mkdir(dir, 0700) != 0 || unshare(CLONE_NEWNS) != 0 ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", dir, "tmpfs", 0, "size=65536") != 0)
        _exit(77);
    setenv("TMPDIR", dir, 1);
    bool opened = ds_source_open(ctx, NULL, &source, &error);
    _exit(!opened && strstr(error.text, "after 65536 bytes: No space left") ? 0 : 1);
}

static void test_full_disk(void **state)
{
    (void)state;
    struct bytes raw = raw_pages(100);
    struct bytes frame = compressed(&raw);
    const char *path = write_file("full.zst", frame.at, frame.size);
    int status;
    pid_t pid = start_child(open_on_full_disk, (void *)(uintptr_t)path);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    bytes_free(&frame);
    bytes_free(&raw);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        print_message("not permitted to mount\n");
        skip();
    }
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_raw),         cmocka_unit_test(test_zeros),
        cmocka_unit_test(test_elf),         cmocka_unit_test(test_frames),
        cmocka_unit_test(test_cut_short),   cmocka_unit_test(test_corrupt),
        cmocka_unit_test(test_bad_content), cmocka_unit_test(test_as_raw),
        cmocka_unit_test(test_stdin),       cmocka_unit_test(test_bad_stdin),
        cmocka_unit_test(test_progress),    cmocka_unit_test(test_no_spool),
        cmocka_unit_test(test_full_disk),
    };
    return cmocka_run_group_tests(tests, make_test_dir, remove_test_dir);
}
