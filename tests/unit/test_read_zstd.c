/* SPDX-License-Identifier: MIT */
/* What is spooled: standard input, and raw memory or ELF cores inside zstd. */
#include "test_read_util.h"

#include <errno.h>
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

/* Zeros that zstd wrote are data: nobody knows that they are zero before they are unpacked. */
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
        must_fail(write_file("cut.zst", frame.at, size), NULL, offset, "end of the file",
                  "truncated", NULL);
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
    must_fail(write_file("twice.zst", twice.at, twice.size), NULL, "found zstd", NULL);
    struct bytes none = {0};
    put_frame(&none, NULL, 0, 0);
    must_fail(write_file("none.zst", none.at, none.size), NULL, "empty", NULL);
    bytes_put(&raw, "x", 1);
    struct bytes odd = compressed(&raw);
    must_fail(write_file("odd.zst", odd.at, odd.size), NULL, "at offset 0x2000", NULL);
    memcpy(raw.at, "DISKDUMP", 8);
    struct bytes kdump = compressed(&raw);
    must_fail(write_file("kdump.zst", kdump.at, kdump.size), NULL, "diskdump", NULL);
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

/* Standard input is a pipe that these bytes come through while `then` runs. */
static void with_piped(struct bytes bytes, void (*then)(void *ctx), void *ctx)
{
    struct feed feed = {.bytes = bytes};
    assert_int_equal(pipe(feed.fds), 0);
    pid_t pid = start_child(feed_pipe, &feed);
    close(feed.fds[1]);
    int kept = dup(STDIN_FILENO);
    dup2(feed.fds[0], STDIN_FILENO);
    close(feed.fds[0]);
    then(ctx);
    dup2(kept, STDIN_FILENO);
    close(kept);
    stop_child(pid);
}

struct expected {
    const char *format;
    uint64_t pages;
};

/* must_open looks three times: the second and third look read the spool. */
static void check_stdin(void *ctx)
{
    const struct expected *expected = ctx;
    struct ds_source *source = must_open("-", NULL);
    assert_string_equal(ds_source_info(source)->format, expected->format);
    assert_int_equal(ds_source_info(source)->pages[DS_DATA], expected->pages);
    assert_false(ds_source_info(source)->sequential);
    for (uint64_t i = 0; i < expected->pages; i++)
        assert_true(is_page(find_page(source, i, NULL), i));
    ds_source_free(source);
}

static void check_piped(struct bytes bytes, const char *format, uint64_t pages)
{
    struct expected expected = {format, pages};
    with_piped(bytes, check_stdin, &expected);
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

/* A pipe that gives more at once than the unpacker takes at a time. */
static void test_large_pipe(void **state)
{
    (void)state;
    enum { PIPE_NBYTES = 1 << 20 };
    struct bytes frame = {0};
    int fds[2], kept = dup(STDIN_FILENO);
    assert_int_equal(pipe(fds), 0);
    if (fcntl(fds[1], F_SETPIPE_SZ, PIPE_NBYTES) < PIPE_NBYTES)
        skip();
    /* Frames of pages that do not pack, until the pipe is nearly full. */
    uint64_t pages = 0;
    while (frame.size < PIPE_NBYTES / 2) {
        uint8_t random[10 * PAGE];
        uint64_t word = pages + 1;
        for (size_t i = 0; i < sizeof random; i += sizeof word) {
            word = word * 6364136223846793005u + 1442695040888963407u;
            uint64_t mixed = word ^ word >> 29;
            memcpy(random + i, &mixed, sizeof mixed);
        }
        put_frame(&frame, random, sizeof random, 0);
        pages += 10;
    }
    assert_int_equal(write(fds[1], frame.at, frame.size), frame.size);
    close(fds[1]);
    dup2(fds[0], STDIN_FILENO);
    close(fds[0]);
    struct ds_source *source = must_open("-", NULL);
    dup2(kept, STDIN_FILENO);
    close(kept);
    assert_int_equal(ds_source_info(source)->pages[DS_DATA], pages);
    ds_source_free(source);
    bytes_free(&frame);
}

/* Standard input that is a file is read as one. */
static void test_stdin_file(void **state)
{
    (void)state;
    struct bytes raw = raw_pages(20);
    int fd = open(write_file("stdin", raw.at, raw.size), O_RDONLY);
    int kept = dup(STDIN_FILENO);
    dup2(fd, STDIN_FILENO);
    close(fd);
    setenv("TMPDIR", test_path("no-such-dir"), 1);
    check_stdin(&(struct expected){"raw", 20});
    unsetenv("TMPDIR");
    dup2(kept, STDIN_FILENO);
    close(kept);
    bytes_free(&raw);
}

static void fail_on(void *ctx)
{
    must_fail("-", NULL, "- (standard input): ", ctx, NULL);
}

static void test_bad_stdin(void **state)
{
    (void)state;
    struct bytes bytes = {0};
    with_piped(bytes, fail_on, (char[]){"expected memory pages, found an empty"});
    bytes_put(&bytes, "odd", 3);
    with_piped(bytes, fail_on, (char[]){"3 bytes"});
    bytes_free(&bytes);
}

/* A core that a pipe cuts short: truncated, or what is there. */
static void read_partly(void *ctx)
{
    struct ds_options options = {.partial = true};
    struct ds_source *source = must_open("-", &options);
    (void)ctx;
    assert_int_equal(ds_source_info(source)->pages[DS_DATA], 5);
    assert_int_equal(ds_source_info(source)->pages[DS_EXCLUDED], 3);
    assert_int_equal(ds_source_info(source)->cut_pages, 3);
    ds_source_free(source);
}

static void test_truncated_stdin(void **state)
{
    (void)state;
    const struct segment segments[] = {{0, 0, 0x498, 6 * PAGE, 6 * PAGE},
                                       {0, 0x10000, 0x498 + 6 * PAGE, 2 * PAGE, 2 * PAGE}};
    struct bytes core = elf_core64(segments, 2);
    bytes_pad(&core, 0x498);
    for (uint64_t i = 0; i < 5; i++)
        put_page(&core, i);
    bytes_put(&core, "rest", 4);
    with_piped(core, fail_on, (char[]){"truncated: 21660 of 33944 bytes"});
    with_piped(core, read_partly, NULL);
    bytes_free(&core);
}

/* An ELF core that a stream cannot give: two copies of a page must be compared. */
static void test_spooled_core(void **state)
{
    (void)state;
    const struct segment segments[] = {
        {0, 0x10000, 0x498, 3 * PAGE, 3 * PAGE},
        {0, 0x11000, 0x498 + 3 * PAGE, 3 * PAGE, 3 * PAGE},
    };
    const uint64_t contents[] = {0, 1, 2, 1, 2, 3};
    struct bytes core = elf_core64(segments, 2);
    bytes_pad(&core, 0x498);
    for (size_t i = 0; i < 6; i++)
        put_page(&core, contents[i]);
    struct bytes frame = compressed(&core);
    struct ds_source *source = must_open(write_file("copies.zst", frame.at, frame.size), NULL);
    assert_string_equal(ds_source_info(source)->format, "elf+zstd");
    assert_int_equal(ds_source_info(source)->pages[DS_DATA], 4);
    assert_int_equal(ds_source_info(source)->alias_pages, 2);
    for (uint64_t i = 0; i < 4; i++)
        assert_true(is_page(find_page(source, 0x10 + i, NULL), i));
    ds_source_free(source);
    bytes_free(&frame);
    bytes_free(&core);
}

/* Several FIFOs, each read once, their writers all at work. */
static void write_fifo(void *ctx)
{
    struct bytes raw = raw_pages(300);
    int fd = open(ctx, O_WRONLY);
    if (fd < 0 || write(fd, raw.at, raw.size) != (ssize_t)raw.size)
        _exit(1);
}

static void test_fifos(void **state)
{
    (void)state;
    enum { FIFOS = 3 };
    pid_t pid[FIFOS];
    char *path[FIFOS];
    struct ds_source *source[FIFOS];
    struct ds_error error;
    for (int i = 0; i < FIFOS; i++) {
        char name[16];
        snprintf(name, sizeof name, "fifo%d", i);
        path[i] = strdup(test_path(name));
        assert_int_equal(mkfifo(path[i], 0600), 0);
        pid[i] = start_child(write_fifo, path[i]);
    }
    for (int i = 0; i < FIFOS; i++)
        assert_true(ds_source_open(path[i], NULL, &source[i], &error));
    for (int i = 0; i < FIFOS; i++) {
        check_source(source[i]);
        assert_int_equal(ds_source_info(source[i])->pages[DS_DATA], 300);
        assert_true(ds_source_info(source[i])->inode != 0);
        ds_source_free(source[i]);
        stop_child(pid[i]);
        free(path[i]);
    }
}

/* A look that is given up in the middle: what is packed is unpacked again, a pipe is lost. */
static void give_up(struct ds_source *source)
{
    struct ds_error error;
    struct ds_run run;
    struct ds_look *look = ds_look_new(source, &error);
    assert_non_null(look);
    assert_true(ds_look_at(look, 3, 5, &run, &error));
    assert_true(run.pages == 5 && is_page(run.bytes, 3));
    assert_false(ds_look_at(look, 2, 1, &run, &error));
    ds_look_free(look);
}

static void lose_pipe(void *ctx)
{
    struct ds_source *source;
    struct ds_error error;
    (void)ctx;
    assert_true(ds_source_open("-", NULL, &source, &error));
    give_up(source);
    look_must_fail(source, "a pipe is read once", NULL);
    ds_source_free(source);
}

static void test_given_up(void **state)
{
    (void)state;
    struct bytes raw = raw_pages(600);
    struct bytes frame = compressed(&raw);
    struct ds_source *source;
    struct ds_error error;
    assert_true(
        ds_source_open(write_file("given.zst", frame.at, frame.size), NULL, &source, &error));
    give_up(source);
    check_source(source);
    assert_int_equal(ds_source_info(source)->data_pages, 600);
    give_up(source); /* now that it is known what there is */
    ds_source_free(source);
    with_piped(raw, lose_pipe, NULL);
    bytes_free(&frame);
    bytes_free(&raw);
}

/* The temporary file */

static void need_spool(void *ctx)
{
    must_fail("-", NULL, "cannot make a temporary file", ctx, "TMPDIR", NULL);
}

/* A packed file needs none. */
static void test_no_spool(void **state)
{
    (void)state;
    struct bytes raw = raw_pages(200);
    struct bytes frame = compressed(&raw);
    const char *path = write_file("spool.zst", frame.at, frame.size);
    setenv("TMPDIR", test_path("no-such-dir"), 1);
    ds_source_free(must_open(path, NULL));
    with_piped(raw, need_spool, (char[]){"no-such-dir"});
    unsetenv("TMPDIR");
    bytes_free(&frame);
    bytes_free(&raw);
}

/* In a mount namespace of its own: a file system of 64 KiB, of which zeros take nothing. */
static void read_on_full_disk(void *ctx)
{
    const char *dir = test_path("full");
    if ((mkdir(dir, 0700) != 0 && errno != EEXIST) || unshare(CLONE_NEWNS) != 0 ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", dir, "tmpfs", 0, "size=65536") != 0)
        _exit(77);
    setenv("TMPDIR", dir, 1);
    struct ds_source *source;
    struct ds_error error = {.text = ""};
    struct ds_run run = {0};
    if (!ds_source_open("-", NULL, &source, &error))
        _exit(2);
    struct ds_look *look = ds_look_new(source, &error);
    bool ok = look != NULL;
    while (ok && (ok = ds_look_at(look, run.index + run.pages, 8, &run, &error)) && run.pages)
        ;
    bool full = strstr(error.text, "after 65536 bytes: No space left") != NULL;
    _exit(ok == *(bool *)ctx && full == !ok ? 0 : 1);
}

struct disk {
    bool fits;
    int status;
};

static void on_full_disk(void *ctx)
{
    struct disk *disk = ctx;
    pid_t pid = start_child(read_on_full_disk, &disk->fits);
    assert_int_equal(waitpid(pid, &disk->status, 0), pid);
}

static void test_full_disk(void **state)
{
    (void)state;
    struct bytes raw = raw_pages(100);
    struct bytes zeros = {0};
    struct disk full = {false, 0}, fits = {true, 0};
    put_page(&zeros, 1);
    bytes_pad(&zeros, 400 * PAGE);
    put_page(&zeros, 2);
    with_piped(raw, on_full_disk, &full);
    with_piped(zeros, on_full_disk, &fits);
    bytes_free(&zeros);
    bytes_free(&raw);
    if (WIFEXITED(full.status) && WEXITSTATUS(full.status) == 77) {
        print_message("not permitted to mount\n");
        skip();
    }
    assert_int_equal(full.status, 0);
    assert_int_equal(fits.status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_raw),
        cmocka_unit_test(test_zeros),
        cmocka_unit_test(test_elf),
        cmocka_unit_test(test_frames),
        cmocka_unit_test(test_cut_short),
        cmocka_unit_test(test_corrupt),
        cmocka_unit_test(test_bad_content),
        cmocka_unit_test(test_as_raw),
        cmocka_unit_test(test_stdin),
        cmocka_unit_test(test_stdin_file),
        cmocka_unit_test(test_large_pipe),
        cmocka_unit_test(test_bad_stdin),
        cmocka_unit_test(test_truncated_stdin),
        cmocka_unit_test(test_fifos),
        cmocka_unit_test(test_spooled_core),
        cmocka_unit_test(test_given_up),
        cmocka_unit_test(test_no_spool),
        cmocka_unit_test(test_full_disk),
    };
    return cmocka_run_group_tests(tests, make_test_dir, remove_test_dir);
}
