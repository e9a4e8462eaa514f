/* SPDX-License-Identifier: MIT */
/* An S-mode program that calls every SBI function of the VMM and prints what it answers: error and
 * value, in the order of the specification's chapters. test_programs.c knows what they must be. */
#include "sbi.h"

enum {
    BASE = 0x10,
    TIME = 0x54494d45,
    IPI = 0x735049,
    RFENCE = 0x52464e43,
    HSM = 0x48534d,
    SRST = 0x53525354,
    DBCN = 0x4442434e,
    SSIP = 1 << 1,
    STIP = 1 << 5,
};
#define ALL_HARTS (~0ul)

struct answer {
    u64 error, value;
};

static struct answer call(u64 extension, u64 function, u64 first, u64 second, u64 third)
{
    register u64 a0 __asm__("a0") = first;
    register u64 a1 __asm__("a1") = second;
    register u64 a2 __asm__("a2") = third;
    register u64 a6 __asm__("a6") = function;
    register u64 a7 __asm__("a7") = extension;
    __asm__ volatile("ecall" : "+r"(a0), "+r"(a1) : "r"(a2), "r"(a6), "r"(a7) : "memory");
    return (struct answer){a0, a1};
}

static void show_call(const char *name, struct answer answer)
{
    put_text(name);
    put_char(':');
    put_hex(answer.error);
    put_hex(answer.value);
    put_char('\n');
}

static void show_base(void)
{
    static const u64 probed[] = {0, 8, 9, BASE, TIME, IPI, RFENCE, HSM, SRST, DBCN, 0x504d55};
    show_call("version", call(BASE, 0, 0, 0, 0));
    for (unsigned i = 0; i < sizeof probed / sizeof *probed; i++)
        show_call("probe", call(BASE, 3, probed[i], 0, 0));
    show_call("mvendorid", call(BASE, 4, 0, 0, 0));
    show_call("marchid", call(BASE, 5, 0, 0, 0));
    show_call("mimpid", call(BASE, 6, 0, 0, 0));
    show_call("base 7", call(BASE, 7, 0, 0, 0));
    show_call("no such extension", call(0x12345678, 0, 0, 0, 0));
}

static void wait_for_timer(void)
{
    while (!(READ_CSR(sip) & STIP))
        __asm__ volatile("wfi");
}

static void show_time(void)
{
    u64 now = READ_CSR(time);
    WRITE_CSR(sie, STIP);
    show_call("set_timer", call(TIME, 0, now + 5000, 0, 0));
    show("pending early", READ_CSR(sip) & STIP);
    wait_for_timer();
    show("in time", READ_CSR(time) >= now + 5000);
    show_call("set_timer never", call(TIME, 0, ~0ul, 0, 0));
    show("pending after", READ_CSR(sip) & STIP);
    show_call("set_timer past", call(TIME, 0, 0, 0, 0));
    show("pending at once", READ_CSR(sip) & STIP);
    show_call("time 1", call(TIME, 1, 0, 0, 0));
    show("legacy set_timer", sbi(0, 0, ~0ul));
    show("pending after", READ_CSR(sip) & STIP);
}

static void show_ipi_one(const char *name, u64 mask, u64 base)
{
    show_call(name, call(IPI, 0, mask, base, 0));
    show("pending", READ_CSR(sip) & SSIP);
    __asm__ volatile("csrci sip, 2");
}

static void show_ipi(void)
{
    show_ipi_one("send_ipi", 1, 0);
    show_ipi_one("send_ipi all", 0, ALL_HARTS);
    show_ipi_one("send_ipi nobody", 0, 0);
    show_ipi_one("send_ipi hart 1", 3, 0);
    show_ipi_one("send_ipi base 1", 1, 1);
    show_call("ipi 1", call(IPI, 1, 1, 0, 0));
    u64 mask = 1;
    show("legacy send_ipi", sbi(4, 0, (u64)&mask));
    show("pending", READ_CSR(sip) & SSIP);
    show("legacy clear_ipi", sbi(3, 0, 0));
    show("pending", READ_CSR(sip) & SSIP);
}

static void show_rfence(void)
{
    for (u64 function = 0; function < 8; function++)
        show_call("rfence", call(RFENCE, function, 1, 0, 0));
    show_call("rfence all", call(RFENCE, 1, 0, ALL_HARTS, 0));
    show_call("rfence hart 1", call(RFENCE, 1, 2, 0, 0));
    for (u64 old = 5; old <= 7; old++)
        show("legacy fence", sbi(old, 0, 0));
}

static void show_hsm(void)
{
    show_call("hart_start 0", call(HSM, 0, 0, 0, 0));
    show_call("hart_start 1", call(HSM, 0, 1, 0, 0));
    show_call("hart_status 0", call(HSM, 2, 0, 0, 0));
    show_call("hart_status 1", call(HSM, 2, 1, 0, 0));
    u64 now = READ_CSR(time);
    call(TIME, 0, now + 3000, 0, 0);
    show_call("hart_suspend", call(HSM, 3, 0, 0, 0));
    show("slept", READ_CSR(time) >= now + 3000);
    call(TIME, 0, ~0ul, 0, 0);
    show_call("hart_suspend non-retentive", call(HSM, 3, 0x80000000, 0, 0));
    show_call("hart_suspend reserved", call(HSM, 3, 1, 0, 0));
    show_call("hart_suspend platform", call(HSM, 3, 0x10000000, 0, 0));
    show_call("hsm 4", call(HSM, 4, 0, 0, 0));
}

static void show_console(void)
{
    static char text[512];
    for (unsigned i = 0; i < sizeof text; i++)
        text[i] = i % 64 == 63 ? '\n' : 'x';
    show_call("console_write", call(DBCN, 0, 6, (u64) "hello\n", 0));
    struct answer part = call(DBCN, 0, sizeof text, (u64)text, 0);
    show("console_write part", part.error == 0 && part.value > 0 && part.value <= sizeof text);
    show_call("console_write nowhere", call(DBCN, 0, 6, 0x1000, 0));
    show_call("console_write high", call(DBCN, 0, 6, (u64)text, 1));
    show_call("console_write too long", call(DBCN, 0, 1ul << 40, (u64)text, 0));
    show_call("console_write_byte", call(DBCN, 2, '!', 0, 0));
    show_call("console_read", call(DBCN, 1, 2, (u64)text, 0));
    put_char(text[0]), put_char(text[1]), put_char('\n');
    show("legacy getchar", sbi(2, 0, 0));
    show("legacy getchar", sbi(2, 0, 0));
    show_call("console_read empty", call(DBCN, 1, 8, (u64)text, 0));
    show_call("console_read nowhere", call(DBCN, 1, 8, 0x1000, 0));
    show_call("dbcn 3", call(DBCN, 3, 0, 0, 0));
}

void guest_main(void)
{
    put_text("@@begin\n");
    show_base();
    show_time();
    show_ipi();
    show_rfence();
    show_hsm();
    show_console();
    show_call("reset reserved type", call(SRST, 0, 3, 0, 0));
    show_call("reset reserved reason", call(SRST, 0, 0, 2, 0));
    show_call("srst 1", call(SRST, 1, 0, 0, 0));
    put_text("@@end\n");
    call(SRST, 0, 0, 0, 0);
    put_text("still here\n");
}
