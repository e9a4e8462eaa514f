/* SPDX-License-Identifier: MIT */
/* The A extension: every amo, and lr/sc where it must succeed and where it must fail. */
#include "stub.inc"

.macro AMO op, width
    BEGIN KIND_ATOMIC, \op\().\width
    \op\().\width a0, a1, (a0)
    ret
    BEGIN KIND_ATOMIC, \op\().\width to x0
    \op\().\width zero, a1, (a0)
    li a0, 0
    ret
    BEGIN KIND_ATOMIC, \op\().\width rd=rs2
    \op\().\width\().aqrl a1, a1, (a0)
    mv a0, a1
    ret
.endm

.irp width, w, d
    .irp op, amoswap, amoadd, amoxor, amoand, amoor, amomin, amomax, amominu, amomaxu
        AMO \op, \width
    .endr

    BEGIN KIND_ATOMIC, lr.\width
    lr.\width a0, (a0)
    ret
    BEGIN KIND_ATOMIC, lr sc.\width
    lr.\width t0, (a0)
    sc.\width t1, a1, (a0)
    slli t1, t1, 32
    xor a0, t0, t1
    ret
    BEGIN KIND_ATOMIC, sc.\width without lr
    addi t2, a0, 64
    lr.\width t0, (t2)
    sc.\width t0, t0, (t2)
    sc.\width a0, a1, (a0)
    ret
    BEGIN KIND_ATOMIC, sc.\width elsewhere
    lr.\width t0, (a0)
    addi a0, a0, 64
    sc.\width a0, a1, (a0)
    ret
    BEGIN KIND_ATOMIC, second sc.\width
    lr.\width t0, (a0)
    sc.\width t1, a1, (a0)
    sc.\width t2, zero, (a0)
    slli t1, t1, 8
    or a0, t1, t2
    ret
    BEGIN KIND_ATOMIC, sc.\width after a store of another value
    lr.\width t0, (a0)
    not t0, t0
    sd t0, (a0)
    sc.\width a0, a1, (a0)
    ret
    BEGIN KIND_ATOMIC, loop of lr sc.\width
    li t2, 10
1:  lr.\width t0, (a0)
    add t0, t0, a1
    sc.\width t1, t0, (a0)
    bnez t1, 1b
    addi t2, t2, -1
    bnez t2, 1b
    mv a0, t0
    ret
.endr
