/* SPDX-License-Identifier: MIT */
/* Branches and jumps: taken or not, forward, backward, out of the page, and their links. */
#include "stub.inc"

.macro BRANCHES op
    .option norvc
    BEGIN KIND_VALUE, \op forward
    \op a0, a1, 1f
    li a0, 0
    ret
1:  li a0, 1
    ret
    BEGIN KIND_VALUE, \op backward
    j 2f
1:  li a0, 1
    ret
2:  \op a0, a1, 1b
    li a0, 0
    ret
    BEGIN KIND_VALUE, \op far
    \op a0, a1, 1f
    li a0, 0
    ret
    .skip 4040
1:  li a0, 1
    ret
    BEGIN KIND_VALUE, \op far backward
    j 2f
1:  li a0, 1
    ret
    .skip 4040
2:  \op a0, a1, 1b
    li a0, 0
    ret
.endm

.irp op, beq, bne, blt, bge, bltu, bgeu
    BRANCHES \op
.endr

.option rvc
.irp op, c.beqz, c.bnez
    BEGIN KIND_VALUE, \op forward
    \op a0, 1f
    li a0, 0
    ret
    .skip 200
1:  li a0, 1
    ret
    BEGIN KIND_VALUE, \op backward
    c.j 2f
1:  li a0, 1
    ret
    .skip 200
2:  \op a0, 1b
    li a0, 0
    ret
.endr
BEGIN KIND_VALUE, c.j far
    c.j 2f
1:  li a0, 7
    ret
    .skip 1990
2:  c.j 1b

.option norvc
.irp distance, 4, 2000, 100000
    BEGIN KIND_VALUE, jal \distance
1:  jal a0, 2f
    .skip \distance
2:  lla a1, 1b
    sub a0, a0, a1
    ret
.endr
.irp distance, 2000, 100000
    BEGIN KIND_VALUE, jal back \distance
    j 2f
1:  lla a1, 3f
    sub a0, a0, a1
    ret
    .skip \distance
2:  jal a0, 1b
3:  nop
.endr
.irp offset, 0, 1, 2, 2047, -2048
    BEGIN KIND_VALUE, jalr \offset
    lla a1, 2f
    li a2, \offset
    sub a1, a1, a2
1:  jalr a0, \offset(a1)
    nop
2:  lla a1, 1b
    sub a0, a0, a1
    ret
.endr
BEGIN KIND_VALUE, jalr same register
    lla a0, 2f
1:  jalr a0, 0(a0)
    nop
2:  lla a1, 1b
    sub a0, a0, a1
    ret
.option rvc
BEGIN KIND_VALUE, c.jalr
    mv t0, ra
    lla a1, 2f
1:  c.jalr a1
    nop
2:  lla a1, 1b
    sub a0, ra, a1
    mv ra, t0
    ret
BEGIN KIND_VALUE, c.jr
    lla a1, 1f
    c.jr a1
    li a0, 0
1:  ret
/* Into the middle of an instruction: its upper half is c.addi a0, 5. */
BEGIN KIND_VALUE, overlapping code
    j 1f
2:  .half 0x0537, 0x0515
    ret
1:  mv t0, a0
    lla a1, 2b
    mv t1, ra
    jalr a1
    mv t2, a0
    mv a0, t0
    addi a1, a1, 2
    jalr a1
    xor a0, a0, t2
    jr t1
