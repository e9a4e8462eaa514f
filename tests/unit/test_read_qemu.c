/* SPDX-License-Identifier: MIT */
/* QEMU's dumps, and QEMU as a process, against what is known of a guest that never ran. Skipped
 * where it is not installed. */
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

static bool same_page(const struct ds_source *dump, uint64_t key, const uint8_t *page)
{
    const uint8_t *found = find_page(dump, key, NULL);
    return found && memcmp(found, page, PAGE) == 0;
}

#define RAM_PPN   UINT64_C(0x80000) /* where the machine's memory begins */
#define RAM_PAGES UINT64_C(8192)
#define GUEST_PPN (RAM_PPN + 0x100) /* where the payload lies */

/* QEMU with 32 MiB of shared memory, never started. */
static const char *const qemu_args =
    "qemu-system-riscv64 -S -nodefaults -display none -accel tcg -m 32 -machine virt -bios none "
    "-object memory-backend-memfd,id=ram,size=32M,share=on -machine memory-backend=ram "
    "-device loader,file=%s,addr=0x80100000,force-raw=on -monitor stdio";

/* It dumps itself, as ELF and raw. */
static void test_qemu(void **state)
{
    (void)state;
    struct bytes guest = {0};
    for (uint64_t i = 0; i < 64; i++)
        put_page(&guest, i);
    const char *payload = write_file("guest", guest.at, guest.size);
    char args[512], command[1024];
    snprintf(args, sizeof args, qemu_args, payload);
    snprintf(command, sizeof command,
             "printf 'dump-guest-memory %s\\npmemsave 0x80000000 0x2000000 \"%s\"\\nquit\\n' | %s "
             ">/dev/null",
             test_path("qemu.elf"), test_path("qemu.raw"), args);
    assert_int_equal(system(command), 0);
    struct ds_source *elf = must_open(test_path("qemu.elf"), NULL);
    struct ds_source *raw = must_open(test_path("qemu.raw"), NULL);
    assert_string_equal(ds_source_info(elf)->format, "elf");
    assert_string_equal(ds_source_info(elf)->machine, "riscv");
    assert_int_equal(ds_source_info(raw)->pages[DS_DATA] + ds_source_info(raw)->pages[DS_HOLE],
                     RAM_PAGES);
    for (uint64_t i = 0; i < 64; i++)
        assert_true(is_page(find_page(elf, GUEST_PPN + i, NULL), i));
    for (uint64_t page = 0; page < RAM_PAGES; page++)
        assert_true(same_page(elf, RAM_PPN + page, find_page(raw, page, NULL)));
    ds_source_free(raw);
    ds_source_free(elf);
    bytes_free(&guest);
}

/* A machine that is memory and nothing else, in every format that QEMU writes. */
#define PLAIN_PAGES UINT64_C(4096)

static const uint8_t *page_or_zeros(const struct ds_source *source, uint64_t key)
{
    static const uint8_t zeros[PAGE];
    enum ds_state found;
    const uint8_t *page = find_page(source, key, &found);
    return found == DS_ZERO ? zeros : page;
}

static void check_same(const char *path, const char *format, const struct ds_source *raw)
{
    struct ds_source *source = must_open(path, NULL);
    const struct ds_info *info = ds_source_info(source);
    assert_string_equal(info->format, format);
    assert_int_equal(info->pages[DS_DATA] + info->pages[DS_ZERO], PLAIN_PAGES);
    for (uint64_t page = 0; page < PLAIN_PAGES; page++)
        assert_memory_equal(page_or_zeros(source, page), find_page(raw, page, NULL), PAGE);
    ds_source_free(source);
}

static void test_wrappings(void **state)
{
    (void)state;
    struct bytes guest = {0};
    char command[2048], path[6][256];
    static const char *const names[] = {"in", "raw", "elf", "stream", "zlib", "stream.zst"};
    for (size_t i = 0; i < 6; i++)
        snprintf(path[i], sizeof path[i], "%s", test_path(names[i]));
    for (uint64_t i = 0; i < 64; i++)
        put_page(&guest, i % 40);
    bytes_pad(&guest, 100 * PAGE);
    put_page(&guest, 7);
    write_file("in", guest.at, guest.size);
    snprintf(command, sizeof command,
             "printf 'pmemsave 0 0x1000000 \"%s\"\\ndump-guest-memory %s\\n"
             "dump-guest-memory -z %s\\nmigrate \"exec:cat>%s\"\\nquit\\n' | "
             "qemu-system-riscv64 -S -M none -cpu rv64 -m 16 -display none -accel tcg "
             "-device loader,file=%s,addr=0x100000,force-raw=on -monitor stdio >/dev/null",
             path[1], path[2], path[4], path[3], path[0]);
    assert_int_equal(system(command), 0);
    struct ds_options holes_zero = {.holes_zero = true};
    struct ds_source *raw = must_open(path[1], &holes_zero);
    for (uint64_t i = 0; i < 64; i++)
        assert_true(is_page(find_page(raw, 0x100 + i, NULL), i % 40));
    check_same(path[2], "elf", raw);
    check_same(path[3], "qemu", raw);
    if (has_reader("kdump pages packed by zlib"))
        check_same(path[4], "kdump", raw);
    snprintf(command, sizeof command, "zstd -q %s", path[3]);
    assert_int_equal(system(command), 0);
    check_same(path[5], "qemu+zstd", raw);
    ds_source_free(raw);
    bytes_free(&guest);
}

/* A guest that writes while it is sent: what counts is what it had when it stopped. */
static void test_live_migration(void **state)
{
    (void)state;
    static const uint32_t program[] = {
        0x00100297, /* auipc t0, 0x100: a page that is written all the time */
        0x00130313, /* again: addi t1, t1, 1 */
        0x0062b023, /* sd t1, 0(t0) */
        0xff9ff06f, /* j again */
    };
    enum { PAGES = 64 << 8 };
    char command[2048], path[3][256];
    static const char *const names[] = {"program", "stopped", "live"};
    for (size_t i = 0; i < 3; i++)
        snprintf(path[i], sizeof path[i], "%s", test_path(names[i]));
    write_file("program", program, sizeof program);
    snprintf(command, sizeof command,
             "(sleep 1; printf 'migrate \"exec:cat>%s\"\\n"
             "pmemsave 0x80000000 0x4000000 \"%s\"\\nquit\\n') | "
             "qemu-system-riscv64 -nodefaults -display none -accel tcg -m 64 -machine virt "
             "-bios none -device loader,file=%s,addr=0x80000000,force-raw=on -monitor stdio "
             ">/dev/null",
             path[2], path[1], path[0]);
    assert_int_equal(system(command), 0);
    struct ds_options holes_zero = {.holes_zero = true};
    struct ds_source *stopped = must_open(path[1], &holes_zero), *live = must_open(path[2], NULL);
    assert_true(*(const uint64_t *)(const void *)find_page(stopped, 0x100, NULL) > 1000);
    for (uint64_t page = 0; page < PAGES; page++) /* the largest block comes first */
        assert_memory_equal(page_or_zeros(live, page), find_page(stopped, page, NULL), PAGE);
    ds_source_free(live);
    ds_source_free(stopped);
}

static void be_qemu(void *ctx)
{
    char command[600];
    snprintf(command, sizeof command, "exec %s </dev/null >/dev/null 2>&1", (const char *)ctx);
    execl("/bin/sh", "sh", "-c", command, NULL);
    _exit(127);
}

static bool has_guest_page(const struct ds_source *source, uint64_t seed)
{
    const struct ds_info *info = ds_source_info(source);
    for (size_t i = 0; i < info->extents; i++) {
        const struct ds_extent *e = &info->extent[i];
        for (uint64_t p = 0; e->state == DS_DATA && p < e->pages; p++) {
            if (is_page(find_page(source, e->key + p, NULL), seed))
                return true;
        }
    }
    return false;
}

/* A live QEMU's guest memory is data, though it is a shared mapping. */
static void test_live_qemu(void **state)
{
    (void)state;
    struct bytes guest = {0};
    put_page(&guest, 4711);
    char args[512], spec[32];
    snprintf(args, sizeof args, qemu_args, write_file("guest", guest.at, guest.size));
    char *monitor = strstr(args, " -monitor stdio");
    assert_non_null(monitor);
    *monitor = '\0';
    pid_t pid = start_child(be_qemu, args);
    snprintf(spec, sizeof spec, "pid:%d", (int)pid);
    bool found = false;
    struct ds_options options = {.freeze = true};
    for (int tries = 0; tries < 100 && !found; tries++) {
        usleep(100000);
        struct ds_source *source = must_open(spec, &options);
        found = has_guest_page(source, 4711);
        ds_source_free(source);
    }
    stop_child(pid);
    assert_true(found);
    bytes_free(&guest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_qemu),
        cmocka_unit_test(test_wrappings),
        cmocka_unit_test(test_live_migration),
        cmocka_unit_test(test_live_qemu),
    };
    if (system("command -v qemu-system-riscv64 >/dev/null") != 0) {
        printf("skipped: qemu-system-riscv64 is not installed (package qemu-system-misc)\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, make_test_dir, remove_test_dir);
}
