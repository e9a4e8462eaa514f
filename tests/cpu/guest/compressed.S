/* SPDX-License-Identifier: MIT */
/* Every compressed form; the jumps and branches are in branch.S, loads and stores in memory.S. */
#include "stub.inc"

.option rvc
.macro FORM text:vararg
    BEGIN KIND_VALUE, \text
    \text
    ret
.endm

.irp imm, 1, -1, 31, -32, 21, -22
    FORM c.addi a0, \imm
    FORM c.andi a0, \imm
    FORM c.li a0, \imm
.endr
.irp imm, 0, 1, -1, 31, -32
    FORM c.addiw a0, \imm
.endr
.irp imm, 1, 31, 0xfffe0, 0xfffff, 0x15
    FORM c.lui a0, \imm
.endr
.irp imm, 1, 31, 32, 33, 63
    FORM c.slli a0, \imm
    FORM c.srli a0, \imm
    FORM c.srai a0, \imm
.endr
.irp op, c.mv, c.add, c.sub, c.xor, c.or, c.and, c.subw, c.addw
    FORM \op a0, a1
.endr
FORM c.nop
/* Each register of the short encodings, in both places. */
.irp reg, s0, s1, a2, a3, a4, a5
    BEGIN KIND_VALUE, c registers \reg
    mv t0, \reg
    mv \reg, a0
    c.sub \reg, a1
    c.xor a0, \reg
    c.srai \reg, 3
    c.andi \reg, -7
    c.add a0, \reg
    mv \reg, t0
    ret
.endr
.irp reg, ra, t1, t2, a6, a7, s2, s11, t3, t4, t5, t6
    BEGIN KIND_VALUE, c registers \reg
    mv t0, \reg
    c.mv \reg, a0
    c.add \reg, a1
    c.slli \reg, 5
    c.addi \reg, -3
    c.addiw \reg, 7
    c.mv a0, \reg
    mv \reg, t0
    ret
.endr
.irp imm, 16, -16, 496, -512, 336, -352
    BEGIN KIND_VALUE, c.addi16sp \imm
    mv t0, sp
    mv sp, a0
    c.addi16sp sp, \imm
    mv a0, sp
    mv sp, t0
    ret
.endr
.irp imm, 4, 8, 16, 32, 64, 128, 256, 512, 1020, 340, 680
    BEGIN KIND_VALUE, c.addi4spn \imm
    mv t0, sp
    mv sp, a0
    c.addi4spn a0, sp, \imm
    mv sp, t0
    ret
.endr
