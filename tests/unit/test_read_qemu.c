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
        for (uint64_t p = 0; e->bytes && p < e->pages; p++) {
            if (is_page(e->bytes + p * PAGE, seed))
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
        cmocka_unit_test(test_live_qemu),
    };
    if (system("command -v qemu-system-riscv64 >/dev/null") != 0) {
        printf("skipped: qemu-system-riscv64 is not installed (package qemu-system-misc)\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, make_test_dir, remove_test_dir);
}
