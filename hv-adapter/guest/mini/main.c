/* SPDX-License-Identifier: MIT */
/* From the boot to the first process; traps and system calls. */
#include "kernel.h"

struct boot boot_params;

enum { A0 = 10, A1 = 11, A7 = 17 };
enum { FDT_NBYTES_MAX = 1 << 20 };
enum { ECALL_U = 8, FETCH_PAGE = 12, LOAD_PAGE = 13, STORE_PAGE = 15 };

#define INTERRUPT    (UINT64_C(1) << 63)
#define SIE_TIMER    (1u << 5)
#define SIE_EXTERNAL (1u << 9)

_Noreturn void kernel_main(const void *fdt)
{
    unsigned pid;
    if (!boot_read(fdt, FDT_NBYTES_MAX, &boot_params))
        panic("this is no device tree");
    console_say("mini kernel, ");
    console_say(tables_mode);
    console_say(" virtualization\n");
    tables_init();
    if (boot_params.ram_end > RAM_END_MAX) /* the linear map has no more */
        boot_params.ram_end = RAM_END_MAX;
    pages_init((uint64_t)kernel_end, boot_params.fdt < boot_params.ram_end
                                         ? boot_params.fdt & ~(uint64_t)(PAGE_BYTES - 1)
                                         : boot_params.ram_end);
    kernel_space_init(boot_params.ram_end);
    __asm__ volatile("csrw scounteren, %0" : : "r"(7));
    __asm__ volatile("csrw sie, %0" : : "r"(SIE_TIMER | SIE_EXTERNAL));
    __asm__ volatile("csrc sstatus, %0" : : "r"(1u << 8 | 1u << 1)); /* back to U; no nesting */
    balloon_init();
    if (!proc_spawn(PROGRAM_INIT, 0, &pid))
        panic("no room for the first process");
    proc_run_next();
}

_Noreturn void kernel_died(uint64_t cause, uint64_t pc, uint64_t va)
{
    console_say("trap in the kernel: cause ");
    console_number(cause);
    console_say(" pc ");
    console_number(pc);
    console_say(" address ");
    console_number(va);
    console_say("\n");
    panic("trap in the kernel");
}

static uint64_t workload(void)
{
    static const char *const names[] = {
        [WORK_IDLE] = "idle",       [WORK_TOUCH] = "touch", [WORK_FORKS] = "forks",
        [WORK_COMPUTE] = "compute", [WORK_MIX] = "mix",     [WORK_SIGNAL] = "signal",
        [WORK_SWEEP] = "sweep"};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        if (boot_is(&boot_params, "HV_WORKLOAD", names[i]))
            return i;
    return WORK_IDLE;
}

static uint64_t param(uint64_t which)
{
    switch (which) {
    case PARAM_WORKLOAD:
        return workload();
    case PARAM_SEED:
        return boot_number(&boot_params, "HV_SEED", 1);
    case PARAM_ROUNDS:
        return boot_number(&boot_params, "HV_ROUNDS", 1);
    case PARAM_TOUCH_KIB:
        return boot_number(&boot_params, "HV_TOUCH_KIB", 4096);
    case PARAM_POWER_OFF:
        return boot_number(&boot_params, "HV_POWER_OFF", 0);
    case PARAM_SENDER:
        return boot_is(&boot_params, "HV_NAME", "vm0");
    case PARAM_PERIOD_MS:
        return boot_number(&boot_params, "HV_PERIOD_MS", 1000);
    case PARAM_UPDATES:
        return tables_updates;
    case PARAM_FORKS:
        return forks;
    case PARAM_SWITCHES:
        return switches;
    default:
        return 0;
    }
}

static uint64_t write(uint64_t va, uint64_t nbytes)
{
    static char line[512];
    if (nbytes > sizeof line || !proc_read(va, line, nbytes))
        return UINT64_MAX;
    console_write(line, nbytes);
    return nbytes;
}

static void kill(const char *why)
{
    console_say("process killed: ");
    console_say(why);
    console_say("\n");
    proc_exit(UINT64_MAX);
}

static void spawn(uint64_t *x)
{
    unsigned pid = 0;
    x[A0] = proc_spawn((unsigned)x[A0], x[A1], &pid) ? pid : UINT64_MAX;
}

/* While it waits, the call is made again. */
static void wait(uint64_t *x)
{
    int64_t pid = proc_wait(&x[A1]);
    if (pid == 0)
        x[0] -= 4;
    else
        x[A0] = (uint64_t)pid;
}

/* Whether the process goes on at once. */
static bool system_call(uint64_t *x)
{
    x[0] += 4;
    switch (x[A7]) {
    case CALL_EXIT:
        proc_exit(x[A0]);
        return false;
    case CALL_FORK:
        x[A0] = (uint64_t)proc_fork();
        return true;
    case CALL_SPAWN:
        spawn(x);
        return true;
    case CALL_WAIT:
        wait(x);
        return current->state == PROC_READY;
    case CALL_WRITE:
        x[A0] = write(x[A0], x[A1]);
        return true;
    case CALL_SLEEP:
        current->wake = x[A0];
        return false;
    case CALL_PARAM:
        x[A0] = param(x[A0]);
        return true;
    case CALL_PLAN:
        x[A0] =
            boot_planned_kib(&boot_params, x[A0], boot_number(&boot_params, "HV_TOUCH_KIB", 4096));
        return true;
    case CALL_OFF:
        power_off();
    default:
        kill("no such system call");
        return false;
    }
}

static bool page_fault(uint64_t cause)
{
    uint64_t va;
    __asm__ volatile("csrr %0, stval" : "=r"(va));
    if (proc_fault(va, cause == STORE_PAGE))
        return true;
    kill("page fault without a right, or no memory");
    return false;
}

_Noreturn void kernel_trap(struct frame *frame)
{
    uint64_t cause;
    bool goes_on = false;
    __asm__ volatile("csrr %0, scause" : "=r"(cause));
    if (cause == ECALL_U)
        goes_on = system_call(frame->x);
    else if (cause == FETCH_PAGE || cause == LOAD_PAGE || cause == STORE_PAGE)
        goes_on = page_fault(cause);
    else if (!(cause & INTERRUPT))
        kill("exception");
    if (goes_on)
        resume(frame);
    proc_run_next();
}
