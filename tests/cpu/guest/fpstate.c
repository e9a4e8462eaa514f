/* SPDX-License-Identifier: MIT */
/* sstatus.FS: what each kind of floating-point instruction does in each of its states, off first.
 */
#include "sbi.h"

#define SSTATUS_FS (3ul << 13)
#define SSTATUS_SD (1ul << 63)

#define FP_SNIPPET(name, text) \
    SNIPPET(name, ".option push\n.option arch, +d\n" text "\n.option pop\n")

FP_SNIPPET(computes, "fadd.d f1, f2, f3");
FP_SNIPPET(fuses, "fmadd.s f1, f2, f3, f4");
FP_SNIPPET(converts, "fcvt.d.l f1, a1");
FP_SNIPPET(moves_in, "fmv.d.x f1, a1");
FP_SNIPPET(moves_out, "fmv.x.d a1, f1");
FP_SNIPPET(classifies, "fclass.s a1, f1");
FP_SNIPPET(loads, "fld f1, 0(a0)");
FP_SNIPPET(loads_short, "c.fld f8, 0(a0)");
FP_SNIPPET(loads_from_stack, "mv sp, a0\nc.fldsp f1, 8(sp)");
FP_SNIPPET(stores, "fsw f1, 0(a0)");
FP_SNIPPET(stores_short, "c.fsd f8, 0(a0)");
FP_SNIPPET(reads_fcsr, "csrr a1, fcsr");
FP_SNIPPET(reads_flags, "csrr a1, fflags");
FP_SNIPPET(writes_fcsr, "csrw fcsr, zero");
FP_SNIPPET(sets_mode, "csrrsi zero, frm, 0");
FP_SNIPPET(reserved_mode, ".insn r 0x53, 5, 1, f1, f2, f3");
FP_SNIPPET(reserved_format, ".insn r 0x53, 0, 2, f1, f2, f3");
FP_SNIPPET(bad_dynamic_mode, "csrwi frm, 6\nfadd.d f1, f2, f3");

static const struct {
    const char *name;
    const u8 *code;
} snippets[] = {
    {"computes", computes},
    {"fuses", fuses},
    {"converts", converts},
    {"moves in", moves_in},
    {"moves out", moves_out},
    {"classifies", classifies},
    {"loads", loads},
    {"loads short", loads_short},
    {"loads from stack", loads_from_stack},
    {"stores", stores},
    {"stores short", stores_short},
    {"reads fcsr", reads_fcsr},
    {"reads flags", reads_flags},
    {"writes fcsr", writes_fcsr},
    {"sets mode", sets_mode},
    {"reserved mode", reserved_mode},
    {"reserved format", reserved_format},
    {"bad dynamic mode", bad_dynamic_mode},
};

static u64 memory[4];

static void try_states(int i, enum mode mode)
{
    for (u64 fs = 0; fs < 4; fs++) {
        struct visit v = go(snippets[i].code, mode, fs << 13, (u64)memory, 1);
        put_text(snippets[i].name);
        put_hex(mode);
        put_hex(fs);
        put_text(": cause");
        put_hex(v.cause);
        put_text(" epc");
        put_hex(v.epc - v.pc);
        put_text(" tval");
        put_hex(v.cause == 2 ? v.tval : 0);
        put_text(" status");
        put_hex(v.sstatus_after & (SSTATUS_FS | SSTATUS_SD));
        put_char('\n');
    }
}

void guest_main(void)
{
    put_text("@@begin\n");
    for (int i = 0; i < (int)(sizeof snippets / sizeof snippets[0]); i++) {
        try_states(i, USER);
        try_states(i, SUPERVISOR);
    }
}
