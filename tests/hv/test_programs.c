/* SPDX-License-Identifier: MIT */
/*
 * S-mode programs other than Linux: ELF and flat binaries, SBI by specification 2.0.
 *
 * The CPU's privileged test guests (tests/cpu), which QEMU runs as well, print on the whole VMM, on
 * its shadow page tables and with every page shared and broken all the time, what they print on the
 * bare hart.
 */
#include "rig.h"

#include <unistd.h>

#include "board.h"

enum { SECONDS_MAX = 20 };

static struct {
    char text[1 << 18];
    size_t nbytes;
} console;

static void keep(void *ctx, struct hv_vm *vm, const char *bytes, size_t nbytes)
{
    (void)ctx, (void)vm;
    if (nbytes > sizeof console.text - 1 - console.nbytes)
        fail_msg("it prints without end");
    memcpy(console.text + console.nbytes, bytes, nbytes);
    console.text[console.nbytes += nbytes] = 0;
}

static bool has_ended(void *ctx)
{
    return hv_vm_state(ctx) >= HV_ENDED;
}

/* Runs a program to its end; what it printed is in console. How it ended is the result. */
static struct hv_world *run(const char *path, const char *typed, uint64_t scan_rate)
{
    struct hv_error error = {""};
    struct hv_world_config config = {.machine_pages = 4096 + 64,
                                     .sharing = scan_rate > 0,
                                     .scan_rate = scan_rate,
                                     .slice_ticks = scan_rate ? 2000 : 0,
                                     .seed = 1};
    struct hv_world *world = hv_world_new(&config, &error);
    struct hv_vm_config vm = {.memory_bytes = 16 << 20, .kernel = path, .seed = 1, .output = keep};
    console.nbytes = 0;
    if (!world || !hv_vm_new(world, &vm, &error))
        fail_msg("%s: %s", path, error.text);
    hv_vm_type(hv_world_vm(world, 0), typed, strlen(typed));
    hv_world_run(world, SECONDS_MAX * HV_TICKS_PER_SECOND, has_ended, hv_world_vm(world, 0));
    return world;
}

static void assert_ended(struct hv_world *world, const char *reason)
{
    struct hv_vm *vm = hv_world_vm(world, 0);
    assert_string_equal(hv_vm_reason(vm), reason);
    assert_int_equal(hv_vm_state(vm), HV_ENDED);
}

/* From @@begin to @@end. */
static const char *between(char *text)
{
    char *begin = strstr(text, "@@begin\n"), *end = begin ? strstr(begin, "@@end\n") : NULL;
    if (!end)
        fail_msg("no output between @@begin and @@end: %.300s", text);
    *end = 0;
    return begin + strlen("@@begin\n");
}

static void as_on_the_bare_hart(const char *name)
{
    struct board board;
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", CPU_GUEST_DIR, name);
    assert_true(board_init(&board, HV_RAM_BASE, 16 << 20));
    assert_true(board_load(&board, path, false));
    assert_true(board_run(&board, UINT64_C(2000000000)));
    const char *expected = between(board.output);
    struct hv_world *world = run(path, "", 50000000);
    assert_string_equal(between(console.text), expected);
    assert_ended(world, "powered off");
    assert_null(hv_world_check(world));
    hv_world_free(world);
    board_fini(&board);
}

static void csrs(void **state)
{
    (void)state;
    as_on_the_bare_hart("csr");
}

static void traps(void **state)
{
    (void)state;
    as_on_the_bare_hart("trap");
}

static void paging(void **state)
{
    (void)state;
    as_on_the_bare_hart("paging");
}

#define NOT_SUPPORTED "fffffffffffffffe"
#define INVALID       "fffffffffffffffd"

/* Source: SBI specification 2.0, chapters 4 to 12. */
static const char expected_sbi[] =
    "version: 0 2000000\n"
    "probe: 0 1\nprobe: 0 1\nprobe: 0 0\nprobe: 0 1\nprobe: 0 1\nprobe: 0 1\nprobe: 0 1\n"
    "probe: 0 1\nprobe: 0 1\nprobe: 0 1\nprobe: 0 0\n"
    "mvendorid: 0 0\nmarchid: 0 0\nmimpid: 0 0\n"
    "base 7: " NOT_SUPPORTED
    " 0\n"
    "no such extension: " NOT_SUPPORTED
    " 0\n"
    "set_timer: 0 0\npending early: 0\nin time: 1\n"
    "set_timer never: 0 0\npending after: 0\n"
    "set_timer past: 0 0\npending at once: 20\n"
    "time 1: " NOT_SUPPORTED
    " 0\n"
    "legacy set_timer: 0\npending after: 0\n"
    "send_ipi: 0 0\npending: 2\nsend_ipi all: 0 0\npending: 2\nsend_ipi nobody: 0 0\npending: 0\n"
    "send_ipi hart 1: " INVALID
    " 0\npending: 0\n"
    "send_ipi base 1: " INVALID
    " 0\npending: 0\n"
    "ipi 1: " NOT_SUPPORTED
    " 0\n"
    "legacy send_ipi: 0\npending: 2\nlegacy clear_ipi: 0\npending: 0\n"
    "rfence: 0 0\nrfence: 0 0\nrfence: 0 0\n"
    "rfence: " NOT_SUPPORTED " 0\nrfence: " NOT_SUPPORTED " 0\nrfence: " NOT_SUPPORTED
    " 0\n"
    "rfence: " NOT_SUPPORTED " 0\nrfence: " NOT_SUPPORTED
    " 0\n"
    "rfence all: 0 0\nrfence hart 1: " INVALID
    " 0\n"
    "legacy fence: 0\nlegacy fence: 0\nlegacy fence: 0\n"
    "hart_start 0: fffffffffffffffa 0\nhart_start 1: " INVALID
    " 0\n"
    "hart_status 0: 0 0\nhart_status 1: " INVALID
    " 0\n"
    "hart_suspend: 0 0\nslept: 1\n"
    "hart_suspend non-retentive: " NOT_SUPPORTED
    " 0\n"
    "hart_suspend reserved: " INVALID " 0\nhart_suspend platform: " INVALID
    " 0\n"
    "hsm 4: " NOT_SUPPORTED
    " 0\n"
    "hello\nconsole_write: 0 6\n";

static const char expected_console[] =
    "console_write part: 1\n"
    "console_write nowhere: " INVALID " 0\nconsole_write high: " INVALID
    " 0\n"
    "console_write too long: " INVALID
    " 0\n"
    "!console_write_byte: 0 0\n"
    "console_read: 0 2\nab\n"
    "legacy getchar: 63\nlegacy getchar: ffffffffffffffff\n"
    "console_read empty: 0 0\nconsole_read nowhere: " INVALID
    " 0\n"
    "dbcn 3: " NOT_SUPPORTED
    " 0\n"
    "reset reserved type: " INVALID " 0\nreset reserved reason: " INVALID
    " 0\n"
    "srst 1: " NOT_SUPPORTED " 0\n";

static void check_sbi(const char *path)
{
    struct hv_world *world = run(path, "abc", 0);
    const char *text = between(console.text);
    size_t length = strlen(expected_sbi);
    const char *rest = strlen(text) > length ? strstr(text, "console_write part") : NULL;
    assert_non_null(rest); /* between the two: what a partial write printed */
    assert_memory_equal(text, expected_sbi, length);
    assert_string_equal(rest, expected_console);
    assert_ended(world, "powered off");
    hv_world_free(world);
}

static void sbi_of_an_elf_program(void **state)
{
    (void)state;
    check_sbi(GUEST_DIR "/sbi");
}

static void sbi_of_a_flat_binary(void **state)
{
    (void)state;
    check_sbi(GUEST_DIR "/sbi.bin");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(csrs),
        cmocka_unit_test(traps),
        cmocka_unit_test(paging),
        cmocka_unit_test(sbi_of_an_elf_program),
        cmocka_unit_test(sbi_of_a_flat_binary),
    };
    if (access(GUEST_DIR "/sbi", R_OK) != 0) {
        printf("skipped: built without the cross compiler riscv64-linux-gnu-gcc\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
