/* SPDX-License-Identifier: MIT */
/* Instructions that lie in two pages, of every kind that treats its slot or its pc specially. */
#include "stub.inc"

.option norvc
/* Reached by a jump, and by falling into it. */
.macro STRADDLED name, text:vararg
    BEGIN KIND_VALUE, straddled \name
    lla t0, 2f
    jr t0
    .balign 4096
    .skip 4094
2:  \text
    ret
    BEGIN KIND_VALUE, fallen into \name
    lla t0, 2f
    jr t0
    .balign 4096
    .skip 4094 - 6
2:  .option rvc
    c.nop
    .option norvc
    addi a0, a0, 3
    \text
    ret
.endm

STRADDLED addi, addi a0, a0, 1234
STRADDLED lui, lui a0, 0x12345
STRADDLED mulh, mulh a0, a0, a1
STRADDLED fence, fence rw, rw
STRADDLED fence.i, fence.i
STRADDLED amoadd, amoadd.d zero, zero, (sp)
STRADDLED ld, ld zero, 0(sp)
STRADDLED sd, sd zero, -8(sp)
STRADDLED lbu, lbu a0, 0(t0)

BEGIN KIND_VALUE, straddled auipc
    lla t0, 2f
    jr t0
    .balign 4096
    .skip 4094
2:  auipc a0, 1
    sub a0, a0, t0
    ret
BEGIN KIND_VALUE, straddled jal
    lla t0, 2f
    jr t0
    .balign 4096
    .skip 4094
2:  jal a0, 3f
    li a0, 0
3:  sub a0, a0, t0
    ret
BEGIN KIND_VALUE, straddled jalr
    lla t0, 2f
    lla a0, 3f
    jr t0
    .balign 4096
    .skip 4094
2:  jalr a0, 0(a0)
    li a0, 0
3:  sub a0, a0, t0
    ret
.irp op, beq, bne, blt, bgeu
    BEGIN KIND_VALUE, straddled \op
    lla t0, 2f
    jr t0
1:  li a0, 1
    ret
    .balign 4096
    .skip 4094
2:  \op a0, a1, 1b
    li a0, 0
    ret
.endr
/* A loop over the border. */
BEGIN KIND_VALUE, loop over two pages
    andi a0, a0, 63
    li a1, 0
    lla t0, 2f
    jr t0
    .balign 4096
    .skip 4094
2:  addi a1, a1, 7
    addi a0, a0, -1
    bgez a0, 2b
    mv a0, a1
    ret
