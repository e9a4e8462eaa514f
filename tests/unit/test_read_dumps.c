/* SPDX-License-Identifier: MIT */
/*
 * Dumps that other programs write of real memory: gcore's against the live process, QEMU's against
 * what is known of a guest that never ran. Skipped where the program is not installed.
 */
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

static void need(const char *program)
{
    char command[128];
    snprintf(command, sizeof command, "command -v %s >/dev/null", program);
    if (system(command) == 0)
        return;
    print_message("%s is not installed\n", program);
    skip();
}

/* A fork-shared page is the kernel's, so this one executes a program of its own. */
static void be_perl(void *ctx)
{
    (void)ctx;
    execlp("perl", "perl", "-e", "@a = map { \"text $_ \" x 200 } 1 .. 3000; sleep", NULL);
    _exit(127);
}

static bool same_page(const struct ds_source *dump, uint64_t key, const uint8_t *page)
{
    const uint8_t *found = find_page(dump, key, NULL);
    return found && memcmp(found, page, PAGE) == 0;
}

static char state_of(pid_t pid)
{
    char path[64], text[256] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "r");
    const char *end = file && fgets(text, sizeof text, file) ? strrchr(text, ')') : NULL;
    if (file)
        fclose(file);
    return end ? end[2] : '?';
}

/* Waits until it sleeps at the end of its script: has grown, and does not run. */
static void wait_until_idle(pid_t pid)
{
    for (int quiet = 0, tries = 0; quiet < 50 && tries < 20000; tries++) {
        usleep(1000);
        quiet = state_of(pid) == 'S' ? quiet + 1 : 0;
    }
}

static void test_gcore(void **state)
{
    (void)state;
    need("gcore");
    need("perl");
    char spec[32], command[512], path[256];
    pid_t pid = start_child(be_perl, NULL);
    wait_until_idle(pid);
    snprintf(spec, sizeof spec, "pid:%d", (int)pid);
    struct ds_source *live = must_open(spec, NULL);
    snprintf(path, sizeof path, "%s.%d", test_path("core"), (int)pid);
    snprintf(command, sizeof command, "gcore -o %s %d >/dev/null 2>&1 </dev/null",
             test_path("core"), (int)pid);
    int dumped = system(command);
    stop_child(pid);
    if (dumped != 0) {
        ds_source_free(live);
        print_message("gcore cannot dump here\n");
        skip();
    }
    struct ds_source *core = must_open(path, NULL);
    assert_string_equal(ds_source_info(core)->format, "elf");
    const struct ds_info *info = ds_source_info(live);
    assert_true(info->pages[DS_DATA] > 500);
    for (size_t i = 0; i < info->extents; i++) {
        const struct ds_extent *e = &info->extent[i];
        for (uint64_t p = 0; e->bytes && p < e->pages; p++)
            assert_true(same_page(core, e->key + p, e->bytes + p * PAGE));
    }
    ds_source_free(core);
    ds_source_free(live);
}

/* QEMU with 32 MiB of shared memory, never started, that dumps itself, raw and as ELF. */
static const char *const qemu_args =
    "qemu-system-x86_64 -S -nodefaults -display none -accel tcg -m 32 -machine pc "
    "-object memory-backend-memfd,id=ram,size=32M,share=on -machine memory-backend=ram "
    "-device loader,file=%s,addr=0x100000,force-raw=on -monitor stdio";

static void test_qemu(void **state)
{
    (void)state;
    need("qemu-system-x86_64");
    struct bytes guest = {0};
    for (uint64_t i = 0; i < 64; i++)
        put_page(&guest, i);
    const char *payload = write_file("guest", guest.at, guest.size);
    char args[512], command[1024];
    snprintf(args, sizeof args, qemu_args, payload);
    snprintf(
        command, sizeof command,
        "printf 'dump-guest-memory %s\\npmemsave 0 0x2000000 \"%s\"\\nquit\\n' | %s >/dev/null",
        test_path("qemu.elf"), test_path("qemu.raw"), args);
    assert_int_equal(system(command), 0);
    struct ds_source *elf = must_open(test_path("qemu.elf"), NULL);
    struct ds_source *raw = must_open(test_path("qemu.raw"), NULL);
    assert_string_equal(ds_source_info(elf)->format, "elf");
    assert_int_equal(ds_source_info(raw)->pages[DS_DATA] + ds_source_info(raw)->pages[DS_HOLE],
                     8192);
    for (uint64_t i = 0; i < 64; i++)
        assert_true(is_page(find_page(elf, 0x100 + i, NULL), i));
    for (uint64_t key = 0x100; key < 8192; key++)
        assert_true(same_page(elf, key, find_page(raw, key, NULL)));
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
    need("qemu-system-x86_64");
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
        cmocka_unit_test(test_gcore),
        cmocka_unit_test(test_qemu),
        cmocka_unit_test(test_live_qemu),
    };
    return cmocka_run_group_tests(tests, make_test_dir, remove_test_dir);
}
