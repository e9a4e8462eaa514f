/* SPDX-License-Identifier: MIT */
/*
 * Runs each guest program on our hart and under Debian's QEMU and compares what they print, byte
 * for byte. Where QEMU 7.2 is known to differ from the specification, the guest prints nothing that
 * depends on it and says so; test_hart.c then checks the specification's answer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "board.h"

#define RAM_NBYTES (UINT64_C(16) << 20)
#define TICKS_MAX  UINT64_C(2000000000) /* ten times what the longest guest takes */
#define OPENSBI    "/usr/share/qemu/opensbi-riscv64-generic-fw_dynamic.bin"
#define QEMU_USER  "timeout 120 qemu-riscv64 %s"
#define QEMU_SYSTEM(fp)                                                                     \
    "timeout 120 qemu-system-riscv64 -M virt -m 64 -bios default -kernel %s -display none " \
    "-serial stdio -monitor none -cpu rv64,f=" fp ",d=" fp                                  \
    ",h=off,zba=off,zbb=off,zbc=off,zbs=off,sstc=off </dev/null"

/* What a guest is: a Linux program, or one for S mode, on a machine with or without F and D. */
enum guest { USER, SUPERVISOR, SUPERVISOR_WITHOUT_FP };

struct text {
    char *bytes;
    size_t nbytes;
};

static bool is_installed(const char *program)
{
    char command[256];
    snprintf(command, sizeof command, "command -v %s >/dev/null 2>&1", program);
    return system(command) == 0;
}

static struct text run_command(const char *format, const char *path)
{
    char command[1024];
    struct text text = {NULL, 0};
    snprintf(command, sizeof command, format, path);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    for (size_t got = 1; got > 0; text.nbytes += got) {
        text.bytes = realloc(text.bytes, text.nbytes + 65536);
        assert_non_null(text.bytes);
        got = fread(text.bytes + text.nbytes, 1, 65536, pipe);
    }
    pclose(pipe);
    return text;
}

/* What stands between @@begin and @@end, without the carriage returns of a serial console. */
static struct text strip_console(struct text all)
{
    size_t kept = 0;
    for (size_t i = 0; i < all.nbytes; i++) {
        if (all.bytes[i] != '\r')
            all.bytes[kept++] = all.bytes[i];
    }
    all.bytes[kept] = 0; /* run_command left room */
    char *begin = strstr(all.bytes, "@@begin\n");
    char *end = begin ? strstr(begin, "@@end\n") : NULL;
    if (!end)
        fail_msg("no output between @@begin and @@end: %.300s", all.bytes);
    all.nbytes = (size_t)(end - begin) + strlen("@@end\n");
    memmove(all.bytes, begin, all.nbytes);
    return all;
}

static struct text run_ours(const char *path, enum guest guest)
{
    struct board board;
    assert_true(board_init(&board, guest == USER ? 0 : 0x80000000, RAM_NBYTES));
    assert_true(board_load(&board, path, guest == USER));
    hv_hart_set_fp(board.hart, guest != SUPERVISOR_WITHOUT_FP);
    if (!board_run(&board, TICKS_MAX))
        fail_msg("%s: %s at pc %#llx; it printed: %.300s", path,
                 board.failure ? board.failure : "does not end",
                 (unsigned long long)hv_hart_pc(board.hart), board.output ? board.output : "");
    struct text text = {board.output, board.output_nbytes};
    board.output = NULL;
    board_fini(&board);
    return text;
}

static size_t line_nbytes(const struct text *text, size_t at)
{
    const char *end = memchr(text->bytes + at, '\n', text->nbytes - at);
    return end ? (size_t)(end - text->bytes) + 1 - at : text->nbytes - at;
}

static void compare(const struct text *ours, const struct text *theirs)
{
    size_t a = 0, b = 0;
    for (unsigned line = 1; a < ours->nbytes || b < theirs->nbytes; line++) {
        size_t an = line_nbytes(ours, a), bn = line_nbytes(theirs, b);
        if (an != bn || memcmp(ours->bytes + a, theirs->bytes + b, an) != 0)
            fail_msg("line %u differs\nours: %.*s\nQEMU: %.*s", line, (int)an, ours->bytes + a,
                     (int)bn, theirs->bytes + b);
        a += an;
        b += bn;
    }
}

static void check(const char *name, enum guest guest)
{
    static const char *const commands[] = {QEMU_USER, QEMU_SYSTEM("on"), QEMU_SYSTEM("off")};
    bool user = guest == USER;
    char path[512];
    snprintf(path, sizeof path, "%s/%s", GUEST_DIR, name);
    if (access(path, R_OK) != 0) {
        print_message("%s: not built: riscv64-linux-gnu-gcc (package gcc-riscv64-linux-gnu)\n",
                      name);
        skip();
    }
    struct text ours = run_ours(path, guest);
    bool have_qemu = user ? is_installed("qemu-riscv64")
                          : is_installed("qemu-system-riscv64") && access(OPENSBI, R_OK) == 0;
    if (!have_qemu) {
        print_message(
            "%s: it ran, nothing to compare with: no QEMU (packages qemu-user, "
            "qemu-system-misc, opensbi)\n",
            name);
        free(ours.bytes);
        skip();
    }
    struct text theirs = run_command(commands[guest], path);
    if (!user) {
        ours = strip_console(ours);
        theirs = strip_console(theirs);
    }
    print_message("%s: %zu bytes of results\n", name, ours.nbytes);
    assert_true(ours.nbytes > 1000);
    compare(&ours, &theirs);
    free(ours.bytes);
    free(theirs.bytes);
}

static void operands_of_every_instruction(void **state)
{
    (void)state;
    check("operands", USER);
}

static void random_programs(void **state)
{
    (void)state;
    check("torture", USER);
}

static void floating_point(void **state)
{
    (void)state;
    check("fp", USER);
}

static void floating_point_states(void **state)
{
    (void)state;
    check("fpstate", SUPERVISOR);
}

static void csrs(void **state)
{
    (void)state;
    check("csr", SUPERVISOR_WITHOUT_FP);
}

static void traps_and_interrupts(void **state)
{
    (void)state;
    check("trap", SUPERVISOR_WITHOUT_FP);
}

static void paging(void **state)
{
    (void)state;
    check("paging", SUPERVISOR_WITHOUT_FP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operands_of_every_instruction),
        cmocka_unit_test(random_programs),
        cmocka_unit_test(floating_point),
        cmocka_unit_test(floating_point_states),
        cmocka_unit_test(csrs),
        cmocka_unit_test(traps_and_interrupts),
        cmocka_unit_test(paging),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
