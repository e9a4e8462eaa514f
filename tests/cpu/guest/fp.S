/* SPDX-License-Identifier: MIT */
/*
 * Every instruction of F and D as a function for fp.c: operands in a0, a1, a2, moved to fa0, fa1,
 * fa2 as they are, and the flags accrued before in a3; the result, of whichever register file, in
 * a0, and the flags accrued after it in a1. The table fp_stubs says which operands make sense.
 */
    .option arch, +d
    .option norvc

#define SINGLES 0
#define DOUBLES 1
#define WORDS   2

.macro BEGIN operands, count, dynamic, name:vararg
    .section .rodata
8:  .string "\name"
    .section fp_stubs, "a"
    .balign 8
    .dword 9f, 8b
    .byte \operands, \count, \dynamic, 0, 0, 0, 0, 0
    .text
    .balign 4
9:  fmv.d.x fa0, a0
    fmv.d.x fa1, a1
    fmv.d.x fa2, a2
    fsflags a3
.endm

.macro END_F
    fmv.x.d a0, fa0
    frflags a1
    ret
.endm

.macro END_X
    frflags a1
    ret
.endm

/* In each rounding mode, and in the dynamic one, which fp.c then sets. */
.macro ROUNDED end, operands, count, name, args:vararg
    .irp mode, rne, rtz, rdn, rup, rmm
        BEGIN \operands, \count, 0, \name \mode
        \name \args, \mode
        \end
    .endr
    BEGIN \operands, \count, 1, \name dyn
    \name \args, dyn
    \end
.endm

.macro PLAIN end, operands, count, name, args:vararg
    BEGIN \operands, \count, 0, \name
    \name \args
    \end
.endm

.irp op, fadd, fsub, fmul, fdiv
    ROUNDED END_F, SINGLES, 2, \op\().s, fa0, fa0, fa1
    ROUNDED END_F, DOUBLES, 2, \op\().d, fa0, fa0, fa1
.endr
ROUNDED END_F, SINGLES, 1, fsqrt.s, fa0, fa0
ROUNDED END_F, DOUBLES, 1, fsqrt.d, fa0, fa0
.irp op, fmadd, fmsub, fnmsub, fnmadd
    ROUNDED END_F, SINGLES, 3, \op\().s, fa0, fa0, fa1, fa2
    ROUNDED END_F, DOUBLES, 3, \op\().d, fa0, fa0, fa1, fa2
.endr
.irp op, fsgnj, fsgnjn, fsgnjx, fmin, fmax
    PLAIN END_F, SINGLES, 2, \op\().s, fa0, fa0, fa1
    PLAIN END_F, DOUBLES, 2, \op\().d, fa0, fa0, fa1
.endr
.irp op, feq, flt, fle
    PLAIN END_X, SINGLES, 2, \op\().s, a0, fa0, fa1
    PLAIN END_X, DOUBLES, 2, \op\().d, a0, fa0, fa1
.endr
PLAIN END_X, SINGLES, 1, fclass.s, a0, fa0
PLAIN END_X, DOUBLES, 1, fclass.d, a0, fa0
PLAIN END_X, SINGLES, 1, fmv.x.w, a0, fa0
PLAIN END_X, DOUBLES, 1, fmv.x.d, a0, fa0
PLAIN END_F, WORDS, 1, fmv.w.x, fa0, a0
PLAIN END_F, WORDS, 1, fmv.d.x, fa0, a0
.irp to, w, wu, l, lu
    ROUNDED END_X, SINGLES, 1, fcvt.\to\().s, a0, fa0
    ROUNDED END_X, DOUBLES, 1, fcvt.\to\().d, a0, fa0
    ROUNDED END_F, WORDS, 1, fcvt.s.\to, fa0, a0
.endr
.irp from, l, lu
    ROUNDED END_F, WORDS, 1, fcvt.d.\from, fa0, a0
.endr
.irp from, w, wu
    PLAIN END_F, WORDS, 1, fcvt.d.\from, fa0, a0
.endr
ROUNDED END_F, DOUBLES, 1, fcvt.s.d, fa0, fa0
PLAIN END_F, SINGLES, 1, fcvt.d.s, fa0, fa0
PLAIN END_F, DOUBLES, 1, fcvt.d.s, fa0, fa0 /* badly boxed */
PLAIN END_F, DOUBLES, 2, fadd.s, fa0, fa0, fa1

/* Results to x0, and each register number in each place. */
BEGIN DOUBLES, 2, 0, feq.d to x0
    feq.d zero, fa0, fa1
    mv a0, zero
    END_X
.macro EACH reg
    BEGIN DOUBLES, 3, 0, register \reg
    fmv.d \reg, fa0
    fmadd.d fa3, \reg, fa1, fa2
    fmadd.d fa4, fa1, \reg, fa2
    fmadd.d fa5, fa1, fa2, \reg
    fmul.d \reg, fa3, fa4
    fsub.d fa0, \reg, fa5
    END_F
.endm
.irp reg, ft0, ft1, ft2, ft3, ft4, ft5, ft6, ft7, fs0, fs1, fa6, fa7, fs2, fs3, fs4, fs5, fs6
    EACH \reg
.endr
.irp reg, fs7, fs8, fs9, fs10, fs11, ft8, ft9, ft10, ft11
    EACH \reg
.endr

/* The CSRs: what of a value stays, each seen through the others. */
.irp csr, fflags, frm, fcsr
    BEGIN WORDS, 1, 0, \csr
    csrr a5, fcsr
    csrw fcsr, zero
    csrw \csr, a0
    csrr a2, fflags
    csrr a3, frm
    csrr a4, fcsr
    csrw fcsr, a5
    slli a3, a3, 16
    slli a4, a4, 32
    or a0, a2, a3
    or a0, a0, a4
    END_X
.endr

/* Loads and stores of both lengths; 16(sp) is preset with a1. */
.macro SCRATCH
    addi sp, sp, -32
    sd a1, 16(sp)
    addi a3, sp, 8
.endm
.macro STORED name, args:vararg
    BEGIN WORDS, 2, 0, \name
    SCRATCH
    \name \args
    ld a0, 16(sp)
    addi sp, sp, 32
    END_X
.endm
.macro LOADED name, args:vararg
    BEGIN WORDS, 2, 0, \name
    SCRATCH
    \name \args
    addi sp, sp, 32
    END_F
.endm
STORED fsw, fa0, 8(a3)
STORED fsd, fa0, 8(a3)
LOADED flw, fa0, 8(a3)
LOADED fld, fa0, 8(a3)
.option rvc
STORED c.fsd, fa0, 8(a3)
STORED c.fsdsp, fa0, 16(sp)
LOADED c.fld, fa0, 8(a3)
LOADED c.fldsp, fa0, 16(sp)
