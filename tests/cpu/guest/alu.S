/* SPDX-License-Identifier: MIT */
/* Register and immediate arithmetic: every instruction of I and M that computes. */
#include "stub.inc"

.macro REGISTERS op
    BEGIN KIND_VALUE, \op
    \op a0, a0, a1
    ret
    BEGIN KIND_VALUE, \op to x0
    \op zero, a0, a1
    mv a0, zero
    ret
    BEGIN KIND_VALUE, \op rd=rs2
    \op a1, a0, a1
    mv a0, a1
    ret
.endm

.macro IMMEDIATE op, imm
    BEGIN KIND_VALUE, \op \imm
    \op a0, a0, \imm
    ret
.endm

.option norvc
.irp op, add, sub, sll, slt, sltu, xor, srl, sra, or, and, mul, mulh, mulhsu, mulhu, div, divu
    REGISTERS \op
.endr
.irp op, rem, remu, addw, subw, sllw, srlw, sraw, mulw, divw, divuw, remw, remuw
    REGISTERS \op
.endr
.irp imm, 0, 1, -1, 31, -32, 2047, -2048, 1365, -1366
    .irp op, addi, slti, sltiu, xori, ori, andi, addiw
        IMMEDIATE \op, \imm
    .endr
.endr
.irp imm, 0, 1, 31, 32, 33, 63
    .irp op, slli, srli, srai
        IMMEDIATE \op, \imm
    .endr
.endr
.irp imm, 0, 1, 15, 30, 31
    .irp op, slliw, srliw, sraiw
        IMMEDIATE \op, \imm
    .endr
.endr
.irp imm, 0, 1, 0x7ffff, 0x80000, 0xfffff, 0x55555
    BEGIN KIND_VALUE, lui \imm
    lui a0, \imm
    ret
    BEGIN KIND_VALUE, auipc \imm
1:  auipc a0, \imm
    lla a1, 1b
    sub a0, a0, a1
    ret
.endr
.irp sets, "r, r", "w, w", "rw, rw", "w, r", "i, o"
    BEGIN KIND_VALUE, fence \sets
    fence \sets
    add a0, a0, a1
    ret
.endr
BEGIN KIND_VALUE, fence.tso
    fence.tso
    add a0, a0, a1
    ret
/* Each register number in each place. */
.irp reg, ra, sp, gp, tp, t0, t1, t2, s0, s1, a2, a3, a4, a5, a6, a7, s2, s3, s4, s5, s6, s7, s8
    BEGIN KIND_VALUE, register \reg
    mv t3, \reg
    add \reg, a0, a1
    sub a0, \reg, a1
    xor a0, a0, \reg
    mv \reg, t3
    ret
.endr
.irp reg, s9, s10, s11, t3, t4, t6
    BEGIN KIND_VALUE, register \reg
    mv t5, \reg
    add \reg, a0, a1
    sub a0, \reg, a1
    xor a0, a0, \reg
    mv \reg, t5
    ret
.endr
