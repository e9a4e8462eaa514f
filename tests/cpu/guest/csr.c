/* SPDX-License-Identifier: MIT */
/* CSRs: what writes leave behind, which accesses are illegal, and what traps and sret do to
 * sstatus. */
#include "sbi.h"

static const u64 patterns[] = {0,
                               1,
                               2,
                               3,
                               0x222,
                               0xffffffffffffffff,
                               0x5555555555555555,
                               0xaaaaaaaaaaaaaaaa,
                               0x8000000000000005,
                               0x80200000};
enum { PATTERNS = sizeof patterns / sizeof patterns[0] };

#define TRY_PATTERNS(name, mask)                     \
    for (int i = 0; i < PATTERNS; i++) {             \
        u64 saved = READ_CSR(name);                  \
        WRITE_CSR(name, patterns[i] & ~SSTATUS_SIE); \
        u64 got = READ_CSR(name) & (mask);           \
        WRITE_CSR(name, saved);                      \
        show(#name, got);                            \
    }

#define TRY_FORM(form, name, operand)                                       \
    {                                                                       \
        u64 old, now, saved = READ_CSR(name);                               \
        WRITE_CSR(name, 0xf0f0f0f00f0f0f0f);                                \
        __asm__ volatile(#form " %0, " #name ", %1" : "=r"(old) : operand); \
        now = READ_CSR(name);                                               \
        WRITE_CSR(name, saved);                                             \
        show(#form " " #name " old", old);                                  \
        show(#form " " #name " now", now);                                  \
    }

static void read_back(void)
{
    show("uxl", READ_CSR(sstatus) >> 32 & 3);
    TRY_PATTERNS(sstatus, SSTATUS_OURS & 0xffffffff) /* QEMU lets UXL change */
    TRY_PATTERNS(sie, 0x222)
    TRY_PATTERNS(sscratch, ~0ul)
    TRY_PATTERNS(sepc, ~1ul) /* QEMU keeps bit 0, which must read as 0 */
    TRY_PATTERNS(stval, ~0ul)
    TRY_PATTERNS(scause, 0x800000000000001f)
    TRY_PATTERNS(scounteren, 7)
    TRY_PATTERNS(sip, 0x2)
    TRY_PATTERNS(0x10a, 0) /* senvcfg exists */
    for (int i = 0; i < PATTERNS; i++) {
        u64 saved = READ_CSR(stvec);
        WRITE_CSR(stvec, patterns[i]);
        u64 got = READ_CSR(stvec);
        WRITE_CSR(stvec, saved);
        show("stvec", got);
    }
    TRY_FORM(csrrw, sscratch, "r"(0x123456789abcdef0))
    TRY_FORM(csrrs, sscratch, "r"(0x123456789abcdef0))
    TRY_FORM(csrrc, sscratch, "r"(0x123456789abcdef0))
    TRY_FORM(csrrwi, sscratch, "i"(21))
    TRY_FORM(csrrsi, sscratch, "i"(21))
    TRY_FORM(csrrci, sscratch, "i"(21))
    TRY_FORM(csrrs, sscratch, "r"(0ul))
    TRY_FORM(csrrwi, sscratch, "i"(0))
    TRY_FORM(csrrci, sscratch, "i"(31))
}

SNIPPET(same_register, "csrrw a0, sscratch, a0\n csrrw a0, sscratch, a0");
SNIPPET(read_sstatus, "csrr a0, sstatus\n li a0, 1");
SNIPPET(read_sscratch, "csrr a0, sscratch\n li a0, 1");
SNIPPET(read_satp, "csrr a0, satp\n li a0, 1");
SNIPPET(read_sip, "csrr a0, sip\n li a0, 1");
SNIPPET(read_mstatus, "csrr a0, mstatus");
SNIPPET(read_mhartid, "csrr a0, mhartid");
SNIPPET(read_misa, "csrr a0, misa");
SNIPPET(write_medeleg, "csrw medeleg, a0");
SNIPPET(read_unknown, "csrr a0, 0x5c0");
SNIPPET(write_unknown, "csrw 0x8ff, a0");
SNIPPET(read_debug, "csrr a0, 0x7b0");
SNIPPET(write_cycle, "csrw cycle, a0");
SNIPPET(clear_cycle, "li a0, 1\n csrc cycle, a0"); /* QEMU lets pass what clears no bits */
SNIPPET(clear_nothing_of_cycle, "csrc cycle, zero\n li a0, 1");
SNIPPET(write_time_immediate, "csrwi time, 1");
SNIPPET(set_no_bits_of_time, "csrrsi a0, time, 0\n li a0, 1");
SNIPPET(read_cycle, "csrr a0, cycle\n li a0, 1");
SNIPPET(read_time, "csrr a0, time\n li a0, 1");
SNIPPET(read_instret, "csrr a0, instret\n li a0, 1");
SNIPPET(counts_up, "csrr a0, instret\n csrr a1, instret\n sltu a0, a0, a1");
SNIPPET(time_is_monotonic, "csrr a0, time\n csrr a1, time\n sltu a0, a1, a0");

#define IN_BOTH_MODES(snippet)                                  \
    for (int mode = USER; mode <= SUPERVISOR; mode++) {         \
        struct visit v = go(snippet, (enum mode)mode, 0, 0, 0); \
        show_visit(mode ? #snippet " S" : #snippet " U", &v);   \
    }

static void access_rules(void)
{
    IN_BOTH_MODES(read_sstatus)
    IN_BOTH_MODES(read_sscratch)
    IN_BOTH_MODES(read_satp)
    IN_BOTH_MODES(read_sip)
    IN_BOTH_MODES(read_mstatus)
    IN_BOTH_MODES(read_mhartid)
    IN_BOTH_MODES(read_misa)
    IN_BOTH_MODES(write_medeleg)
    IN_BOTH_MODES(read_unknown)
    IN_BOTH_MODES(write_unknown)
    IN_BOTH_MODES(read_debug)
    IN_BOTH_MODES(write_cycle)
    IN_BOTH_MODES(clear_cycle)
    IN_BOTH_MODES(write_time_immediate)
    for (u64 enabled = 0; enabled < 8; enabled++) {
        WRITE_CSR(scounteren, enabled);
        show("scounteren", enabled);
        IN_BOTH_MODES(clear_nothing_of_cycle)
        IN_BOTH_MODES(read_cycle)
        IN_BOTH_MODES(read_instret)
    }
    WRITE_CSR(scounteren, 7);
    IN_BOTH_MODES(read_time)
    IN_BOTH_MODES(set_no_bits_of_time)
    IN_BOTH_MODES(counts_up)
    IN_BOTH_MODES(time_is_monotonic)
    struct visit v = go(same_register, SUPERVISOR, 0, 0x1234, 0);
    show_visit("same_register", &v);
}

SNIPPET(just_end, "nop");
SNIPPET(read_own_sstatus, "csrr a0, sstatus");
SNIPPET(return_twice,
        "lla t0, 1f\n csrw sepc, t0\n csrs sstatus, a1\n csrc sstatus, a0\n sret\n"
        "1: csrr a0, sstatus");

/* sret and the trap after it: SPP, SPIE and SIE before and after, in both modes. */
static void status_stack(void)
{
    for (u64 bits = 0; bits < 8; bits++) {
        u64 sstatus = (bits & 1 ? SSTATUS_SPIE : 0) | (bits & 2 ? SSTATUS_SUM : 0) |
                      (bits & 4 ? SSTATUS_MXR : 0);
        for (int mode = USER; mode <= SUPERVISOR; mode++) {
            struct visit v = go(just_end, (enum mode)mode, sstatus, 0, 0);
            show_visit("status", &v);
        }
        struct visit v = go(read_own_sstatus, SUPERVISOR, sstatus, 0, 0);
        show("own", v.result & SSTATUS_OURS);
        for (int set = 0; set < 4; set++) {
            u64 on = (set & 1 ? SSTATUS_SPP : 0) | (set & 2 ? SSTATUS_SPIE : 0);
            v = go(return_twice, SUPERVISOR, sstatus, (SSTATUS_SPP | SSTATUS_SPIE) & ~on, on);
            v.result &= SSTATUS_OURS;
            show_visit("return_twice", &v);
        }
    }
}

/* satp is WARL. Mode 9 and 10 are left out: a machine may have Sv48 and Sv57. */
static _Alignas(4096) u64 root[512];

static void satp_modes(void)
{
    u64 ppn = (u64)root >> 12;
    for (u64 i = 0; i < 4; i++)
        root[i] = i << 28 | 0xcf; /* identity, 1 GiB each, for S */
    WRITE_CSR(satp, 8ul << 60 | ppn);
    show("satp sv39", READ_CSR(satp) >> 60);
    for (u64 mode = 1; mode < 16; mode++) {
        if (mode >= 8 && mode <= 10)
            continue;
        WRITE_CSR(satp, mode << 60 | 0x12345);
        show("satp ignored", READ_CSR(satp) == (8ul << 60 | ppn));
    }
    WRITE_CSR(satp, 0);
    __asm__ volatile("sfence.vma");
    show("satp bare", READ_CSR(satp));
}

void guest_main(void)
{
    put_text("@@begin\n");
    read_back();
    access_rules();
    status_stack();
    satp_modes();
}
