/* SPDX-License-Identifier: MIT */
/*
 * The guest's init: mounts what it needs, runs the workload that the command line names.
 *
 * The kernel hands words NAME=VALUE of its command line to init as environment:
 *   HV_WORKLOAD  idle, files, compute, touch, forks, sweep, reads, or shell (a person at the
 * console) HV_SEED      what makes this VM differ from the others HV_ROUNDS    rounds before it
 * idles (0: for ever); HV_PAUSE_MS between two of them HV_DELAY_MS  waits so long before the first
 * one; HV_TOUCH_KIB for touch; HV_NAME host name HV_PLAN      sweep, reads: how much memory when
 * (work_memory.c) HV_END=off   powers off after the last round
 */
#include "sys.h"
#include "workloads.h"

static const char *const *environment;

static const char *setting(const char *name, const char *otherwise)
{
    size_t length = text_length(name);
    for (const char *const *word = environment; *word; word++) {
        size_t i = 0;
        while (i < length && (*word)[i] == name[i])
            i++;
        if (i == length && (*word)[i] == '=')
            return *word + length + 1;
    }
    return otherwise;
}

static int same(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

static void set_up(void)
{
    sys_mount("devtmpfs", "/dev", "devtmpfs");
    sys_mount("proc", "/proc", "proc");
    sys_mount("sysfs", "/sys", "sysfs");
    sys_mount("tmpfs", "/tmp", "tmpfs");
    long console = sys_open("/dev/console", SYS_RDWR, 0);
    for (int fd = 0; console >= 0 && fd < 3; fd++)
        if (console != fd)
            sys_dup3((int)console, fd);
    sys_hostname(setting("HV_NAME", "guest"));
}

static _Noreturn void shell(void)
{
    static const char *const argv[] = {"-sh", NULL};
    static const char *const envp[] = {"PATH=/bin", "HOME=/root", "TERM=vt100", "PS1=\\h:\\w# ",
                                       NULL};
    for (;;) {
        int status = 0;
        long pid = sys_fork();
        if (pid == 0) {
            sys_setsid_console();
            sys_exec("/bin/sh", argv, envp);
            sys_exit(127);
        }
        while (sys_wait(-1, &status) != pid)
            ;
    }
}

typedef uint64_t (*work_fn)(const struct work *work);

static work_fn find(const char *name)
{
    static const struct {
        const char *name;
        work_fn run;
    } all[] = {
        {"idle", work_idle},   {"files", work_files}, {"compute", work_compute},
        {"touch", work_touch}, {"forks", work_forks}, {"sweep", work_sweep},
        {"reads", work_reads},
    };
    for (unsigned i = 0; i < sizeof all / sizeof *all; i++)
        if (same(name, all[i].name))
            return all[i].run;
    return NULL;
}

static void report(const char *name, const struct work *work, uint64_t checksum)
{
    char round[24], digits[24];
    print_words("workload ", name, " round ", text_decimal(work->round, round), " checksum ",
                text_hex(checksum, digits), "\n", NULL);
}

static _Noreturn void idle_for_ever(void)
{
    for (;;)
        sys_sleep_ms(10000);
}

_Noreturn void init_main(const long *stack);

_Noreturn void init_main(const long *stack)
{
    environment = (const char *const *)(stack + 1 + stack[0] + 1);
    set_up();
    const char *name = setting("HV_WORKLOAD", "idle");
    print_words("init: workload ", name, "\n", NULL);
    sys_sleep_ms(text_to_number(setting("HV_DELAY_MS", "0")));
    if (same(name, "shell"))
        shell();
    work_fn run = find(name);
    if (!run) {
        print_words("init: no such workload\n", NULL);
        idle_for_ever();
    }
    uint64_t rounds = text_to_number(setting("HV_ROUNDS", "0")), all = CHECKSUM_EMPTY;
    struct work work = {.seed = text_to_number(setting("HV_SEED", "0")),
                        .touch_kib = text_to_number(setting("HV_TOUCH_KIB", "4096")),
                        .plan = setting("HV_PLAN", "")};
    for (work.round = 1; rounds == 0 || work.round <= rounds; work.round++) {
        uint64_t checksum = run(&work);
        all = checksum_add(all, &checksum, sizeof checksum);
        report(name, &work, checksum);
        sys_sleep_ms(text_to_number(setting("HV_PAUSE_MS", "0")));
    }
    char digits[24];
    print_words("workload ", name, " done checksum ", text_hex(all, digits), "\n", NULL);
    if (same(setting("HV_END", "idle"), "off"))
        sys_poweroff();
    idle_for_ever();
}
