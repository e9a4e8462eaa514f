/* SPDX-License-Identifier: MIT */
/*
 * What a privileged test guest has: SBI's console, timer and shutdown, CSR access, and visit().
 * Includes its few functions: each guest is one C file and entry.S.
 */
#ifndef TESTS_CPU_GUEST_SBI_H
#define TESTS_CPU_GUEST_SBI_H

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long u64;

#define SSTATUS_SIE  (1ul << 1)
#define SSTATUS_SPIE (1ul << 5)
#define SSTATUS_SPP  (1ul << 8)
#define SSTATUS_SUM  (1ul << 18)
#define SSTATUS_MXR  (1ul << 19)
/* What of sstatus does not depend on which extensions a machine has. */
#define SSTATUS_OURS \
    (SSTATUS_SIE | SSTATUS_SPIE | SSTATUS_SPP | SSTATUS_SUM | SSTATUS_MXR | 3ul << 32)

#define READ_CSR(name)                                         \
    ({                                                         \
        u64 csr_value;                                         \
        __asm__ volatile("csrr %0, " #name : "=r"(csr_value)); \
        csr_value;                                             \
    })
#define WRITE_CSR(name, value) __asm__ volatile("csrw " #name ", %0" ::"r"((u64)(value)) : "memory")

/* A piece of code to visit, which ends by ebreak unless it traps before. */
#define SNIPPET(name, text)                                        \
    extern u8 name[];                                              \
    __asm__(".text\n.balign 4\n.globl " #name "\n" #name ": " text \
            "\n.option push\n"                                     \
            ".option norvc\n ebreak\n.option pop\n")

struct visit {                                           /* offsets as in entry.S */
    u64 pc, sp, a0, a1, sstatus, stvec_mode, spare;      /* 0..48: set by the caller */
    u64 result, cause, tval, epc, sstatus_after, vector; /* 56..96: how it ended */
};
void visit(struct visit *v);

static inline u64 sbi(u64 extension, u64 function, u64 argument)
{
    register u64 a0 __asm__("a0") = argument;
    register u64 a1 __asm__("a1") = 0;
    register u64 a6 __asm__("a6") = function;
    register u64 a7 __asm__("a7") = extension;
    __asm__ volatile("ecall" : "+r"(a0), "+r"(a1) : "r"(a6), "r"(a7) : "memory");
    return a0;
}

static inline void put_char(char c)
{
    sbi(1, 0, (u8)c);
}

static inline void put_text(const char *text)
{
    while (*text)
        put_char(*text++);
}

static inline void put_hex(u64 value)
{
    int digits = 1;
    while (digits < 16 && value >> (4 * digits))
        digits++;
    put_char(' ');
    while (digits-- > 0)
        put_char("0123456789abcdef"[value >> (4 * digits) & 15]);
}

static inline void show(const char *name, u64 value)
{
    put_text(name);
    put_char(':');
    put_hex(value);
    put_char('\n');
}

static inline void set_timer(u64 when)
{
    sbi(0x54494d45, 0, when);
}

void shutdown(void);
void report_unexpected(u64 cause, u64 tval, u64 epc);
void guest_main(void);

void shutdown(void)
{
    put_text("@@end\n");
    sbi(8, 0, 0);
    for (;;)
        ;
}

void report_unexpected(u64 cause, u64 tval, u64 epc)
{
    put_text("unexpected trap:");
    put_hex(cause);
    put_hex(tval);
    put_hex(epc);
    put_char('\n');
}

enum mode { USER, SUPERVISOR };

/* Visits code in a mode with more sstatus bits; the stack is the code's own business. */
static inline struct visit go(const void *code, enum mode mode, u64 sstatus, u64 a0, u64 a1)
{
    struct visit v = {.pc = (u64)code, .a0 = a0, .a1 = a1};
    v.sstatus = sstatus | (mode == SUPERVISOR ? SSTATUS_SPP : 0);
    visit(&v);
    return v;
}

/* One line: how a visit ended, pc and tval relative to where the code is if they point there. */
static inline u64 relative(u64 value, u64 base)
{
    return value - base < 4096 ? value - base : value;
}

static inline void show_visit(const char *name, const struct visit *v)
{
    put_text(name);
    put_text(": cause");
    put_hex(v->cause);
    put_text(" tval");
    put_hex(relative(v->tval, v->pc));
    put_text(" epc");
    put_hex(relative(v->epc, v->pc));
    put_text(" status");
    put_hex(v->sstatus_after & SSTATUS_OURS);
    if (v->cause == 3) {
        put_text(" a0");
        put_hex(v->result);
    }
    put_char('\n');
}

#endif
