/* SPDX-License-Identifier: MIT */
/* Loads and stores, long and compressed. operands.c gives aligned, misaligned and page-crossing
 * addresses. */
#include "stub.inc"

.option norvc
.irp op, lb, lh, lw, ld, lbu, lhu, lwu
    .irp imm, 0, 2047, -2048
        BEGIN KIND_ADDRESS, \op \imm
        \op a0, \imm(a0)
        ret
    .endr
    BEGIN KIND_ADDRESS, \op to x0
    \op zero, 0(a0)
    mv a0, zero
    ret
.endr
.irp op, sb, sh, sw, sd
    .irp imm, 0, 2047, -2048
        BEGIN KIND_STORE, \op \imm
        li t0, \imm
    sub a0, a0, t0
        \op a1, \imm(a0)
        ret
    .endr
    BEGIN KIND_STORE, \op x0
    \op zero, 0(a0)
    ret
.endr

.option rvc
.irp imm, 0, 4, 8, 64, 124
    BEGIN KIND_ADDRESS, c.lw \imm
    c.lw a0, \imm(a0)
    ret
    BEGIN KIND_STORE, c.sw \imm
    li t0, \imm
    sub a0, a0, t0
    c.sw a1, \imm(a0)
    ret
.endr
.irp imm, 0, 8, 64, 128, 248
    BEGIN KIND_ADDRESS, c.ld \imm
    c.ld a0, \imm(a0)
    ret
    BEGIN KIND_STORE, c.sd \imm
    li t0, \imm
    sub a0, a0, t0
    c.sd a1, \imm(a0)
    ret
.endr
.macro BY_SP kind, name, imm, text:vararg
    BEGIN \kind, \name \imm
    mv t0, sp
    mv sp, a0
    \text
    mv sp, t0
    ret
.endm
.irp imm, 0, 4, 32, 64, 252
    BY_SP KIND_ADDRESS, c.lwsp, \imm, c.lwsp a0, \imm(sp)
    BY_SP KIND_STORE, c.swsp, \imm, c.swsp a1, \imm(sp)
.endr
.irp imm, 0, 8, 32, 64, 256, 504
    BY_SP KIND_ADDRESS, c.ldsp, \imm, c.ldsp a0, \imm(sp)
    BY_SP KIND_STORE, c.sdsp, \imm, c.sdsp a1, \imm(sp)
.endr
