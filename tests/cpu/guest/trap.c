/* SPDX-License-Identifier: MIT */
/* Exceptions and interrupts: causes, stval, sepc; illegal encodings; timer, software, vectors, wfi.
 */
#include "sbi.h"

SNIPPET(do_ecall, "ecall");
SNIPPET(do_ebreak, ".option push\n.option norvc\n nop\n ebreak\n.option pop");
SNIPPET(do_c_ebreak, "c.nop\n c.ebreak");
SNIPPET(do_wfi, "wfi");
SNIPPET(do_sret, "sret");
SNIPPET(do_sfence, "sfence.vma\n li a0, 1");
SNIPPET(do_sfence_page, "sfence.vma a0, a1\n li a0, 1");
SNIPPET(do_fence_i, "fence.i\n li a0, 1");
SNIPPET(do_mret, "mret");
SNIPPET(jump_odd, "lla t0, 1f\n addi t0, t0, 1\n jr t0\n nop\n1: li a0, 3");
SNIPPET(just_here, "nop");

static _Alignas(4096) u8 data[8192];

#define IN_BOTH_MODES(snippet)                                  \
    for (int mode = USER; mode <= SUPERVISOR; mode++) {         \
        struct visit v = go(snippet, (enum mode)mode, 0, 0, 0); \
        show_visit(mode ? #snippet " S" : #snippet " U", &v);   \
    }

static void causes(void)
{
    struct visit v = go(do_ecall, USER, 0, 0, 0);
    show_visit("ecall U", &v);
    v = go(do_sret, USER, 0, 0, 0);
    show_visit("sret U", &v);
    v = go(do_wfi, USER, 0, 0, 0);
    show_visit("wfi U", &v);
    IN_BOTH_MODES(do_ebreak)
    IN_BOTH_MODES(do_c_ebreak)
    IN_BOTH_MODES(do_sfence)
    IN_BOTH_MODES(do_sfence_page)
    IN_BOTH_MODES(do_fence_i)
    IN_BOTH_MODES(do_mret)
    IN_BOTH_MODES(jump_odd)
}

/* Encodings that RV64IMAC reserves, whatever else a machine may have. */
static const u32 reserved[] = {
    0x00000000,
    0xffffffff,
    0x0000007f,
    0x00007003, /* nothing, 64 bits wide, long, load 7 */
    0x00004023,
    0x00007023,
    0x00002063,
    0x00003063, /* store 4, 7; branch 2, 3 */
    0x00001067,
    0x00007067, /* jalr 1, 7 */
    0x80001013,
    0x80005013,
    0x0200101b,
    0x4000101b, /* slli, srli with odd funct */
    0x0200501b,
    0x0000201b,
    0x0000301b, /* srliw of 32, op-imm-32 2, 3 */
    0x80000033,
    0x40001033,
    0x40002033,
    0x40003033, /* op with odd funct7 */
    0x0000103b | 0x40000000,
    0x0000203b,
    0x0000303b,
    0x0200103b,
    0x0200203b, /* op-32 */
    0x1010202f,
    0x1010302f,
    0x2800202f,
    0xf800302f, /* lr with rs2, amo 5, amo 31 */
    0x0000002f,
    0x0000502f, /* amo of width 0 and 5 */
    0x00200073,
    0x00004073,
    0x10200173,
    0x10500273, /* system: 2, funct3 4, sret and wfi with rd */
    0x120000f3,
    0x30200073,
    0x7b200073, /* sfence with rd, mret, dret */
    0x0000700f, /* misc-mem 7 */
};
static const u32 reserved_short[] = {
    0x0000, 0x0004, 0x8000, /* c.addi4spn of 0, quadrant 0 row 4 */
    0x2001, 0x6001, 0x6101, /* c.addiw to x0, c.lui of 0, c.addi16sp of 0 */
    0x9c41, 0x9c61,         /* row 4 of quadrant 1: reserved */
    0x4002, 0x6002, 0x8002, /* c.lwsp and c.ldsp to x0, c.jr x0 */
};
/* With F and D switched off. */
static const u32 floating[] = {0x00002007, 0x00003007, 0x00002027, 0x00003027, 0x00000053,
                               0x02000053, 0x00000043, 0x0000004f, 0x00301073, 0x00102073};
static const u32 floating_short[] = {0x2000, 0xa000, 0x2002, 0xa002};

static u32 code[4] __attribute__((aligned(16)));

static void try_words(const char *name, const u32 *words, u64 count)
{
    for (u64 i = 0; i < count; i++) {
        for (int mode = USER; mode <= SUPERVISOR; mode++) {
            code[0] = 0x00000013;
            code[1] = words[i];
            code[2] = 0x90029002; /* c.ebreak twice */
            __asm__ volatile("fence.i" ::: "memory");
            struct visit v = go(code, (enum mode)mode, 0, 0, 0);
            put_hex(words[i]);
            put_char(' ');
            show_visit(name, &v);
        }
    }
}

static void try_parcels(const char *name, const u32 *parcels, u64 count)
{
    for (u64 i = 0; i < count; i++) {
        code[0] = 0x0001 | parcels[i] << 16; /* c.nop, then the parcel */
        code[1] = 0x90029002;
        __asm__ volatile("fence.i" ::: "memory");
        struct visit v = go(code, SUPERVISOR, 0, 0, 0);
        put_hex(parcels[i]);
        put_char(' ');
        show_visit(name, &v);
    }
}

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static void illegal(void)
{
    try_words("reserved", reserved, COUNT(reserved));
    try_parcels("reserved", reserved_short, COUNT(reserved_short));
    try_words("floating", floating, COUNT(floating));
    try_parcels("floating", floating_short, COUNT(floating_short));
}

#define AMO(name, text) SNIPPET(name, text " a1, a1, (a0)")
AMO(amoadd_w, "amoadd.w");
AMO(amomaxu_d, "amomaxu.d");
SNIPPET(lr_w, "lr.w a1, (a0)");
SNIPPET(lr_d, "lr.d a1, (a0)");

/* QEMU calls every misaligned atomic a load (4); the specification's cause for an amo is 6. */
static void visit_atomic(const char *name, const void *snippet, enum mode mode, u64 offset)
{
    struct visit v = go(snippet, mode, 0, (u64)data + offset, 0);
    v.tval -= (u64)data;
    v.cause = v.cause == 4 ? 6 : v.cause;
    show_visit(name, &v);
}

static void misaligned(void)
{
    for (u64 offset = 1; offset < 8; offset++) {
        if (offset & 3) {
            visit_atomic("amoadd.w", amoadd_w, SUPERVISOR, offset);
            visit_atomic("lr.w", lr_w, SUPERVISOR, offset);
        }
        visit_atomic("amomaxu.d", amomaxu_d, USER, offset);
        visit_atomic("lr.d", lr_d, USER, offset);
    }
}

SNIPPET(wait, "1: j 1b");
SNIPPET(wait_by_wfi, "wfi\n j wait_by_wfi");
SNIPPET(one_wfi, "wfi\n csrr a0, sip\n andi a0, a0, 0x22");
SNIPPET(enable_by_csr, "csrsi sstatus, 2\n nop\n nop");
SNIPPET(raise_soft, "csrsi sip, 2\n nop\n nop");

static void visit_interrupt(const char *name, const void *snippet, enum mode mode, u64 vectored)
{
    struct visit v = {.pc = (u64)snippet, .stvec_mode = vectored};
    v.sstatus = SSTATUS_SPIE | (mode == SUPERVISOR ? SSTATUS_SPP : 0);
    visit(&v);
    put_text(name);
    put_text(": cause");
    put_hex(v.cause);
    put_text(" tval");
    put_hex(v.tval);
    put_text(" status");
    put_hex(v.sstatus_after & SSTATUS_OURS);
    put_text(" vector");
    put_hex(v.vector);
    put_char('\n');
}

static void timer_in(u64 ticks)
{
    set_timer(READ_CSR(time) + ticks);
}

static void timer_interrupts(u64 vectored)
{
    WRITE_CSR(sie, 0x20);
    timer_in(2000);
    visit_interrupt("timer S", wait, SUPERVISOR, vectored);
    show("sip", READ_CSR(sip) & 0x22);
    visit_interrupt("timer again", wait, SUPERVISOR, vectored);
    timer_in(2000);
    visit_interrupt("timer U", wait, USER, vectored);
    timer_in(2000);
    visit_interrupt("timer wfi", wait_by_wfi, SUPERVISOR, vectored);
    set_timer(-1ul);
    show("sip", READ_CSR(sip) & 0x22);
}

static void soft_interrupts(u64 vectored)
{
    WRITE_CSR(sie, 0x22);
    WRITE_CSR(sip, 2);
    show("sip", READ_CSR(sip) & 0x22);
    visit_interrupt("soft S", wait, SUPERVISOR, vectored);
    visit_interrupt("soft U", wait, USER, vectored);
    set_timer(0);
    while (!(READ_CSR(sip) & 0x20))
        ;
    visit_interrupt("soft before timer", wait, SUPERVISOR, vectored);
    WRITE_CSR(sip, 0);
    visit_interrupt("then timer", wait, SUPERVISOR, vectored);
    set_timer(-1ul);
    visit_interrupt("raised by itself", raise_soft, SUPERVISOR, vectored);
    WRITE_CSR(sip, 0);
}

/* Masked: SIE off in S mode, or not in sie; wfi goes on all the same. */
static void masked_interrupts(void)
{
    WRITE_CSR(sie, 0x20);
    set_timer(0);
    while (!(READ_CSR(sip) & 0x20))
        ;
    struct visit v = go(just_here, SUPERVISOR, 0, 0, 0);
    show_visit("masked by SIE", &v);
    v = go(one_wfi, SUPERVISOR, 0, 0, 0);
    show_visit("wfi goes on", &v);
    v = go(enable_by_csr, SUPERVISOR, 0, 0, 0);
    show_visit("enabled by csr", &v);
    v = go(just_here, USER, 0, 0, 0);
    show_visit("U is never masked", &v);
    WRITE_CSR(sie, 0);
    v = go(just_here, USER, SSTATUS_SPIE, 0, 0);
    show_visit("masked by sie", &v);
    set_timer(-1ul);
}

void guest_main(void)
{
    put_text("@@begin\n");
    causes();
    illegal();
    misaligned();
    timer_interrupts(0);
    timer_interrupts(1);
    soft_interrupts(0);
    soft_interrupts(1);
    masked_interrupts();
}
