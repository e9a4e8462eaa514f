/* SPDX-License-Identifier: MIT */
/* Start of a privileged test guest, and visit(): runs code in any mode until it traps. */
    .option norvc
    .section .text.startup, "ax" /* what linkers put first: where OpenSBI jumps to */
    .globl _start
_start:
    lla sp, stack_end
    lla t0, unexpected
    csrw stvec, t0
    call guest_main
    call shutdown

    .text
    .balign 4
unexpected:
    csrr a0, scause
    csrr a1, stval
    csrr a2, sepc
    lla sp, stack_end
    call report_unexpected
    call shutdown

/*
 * void visit(struct visit *v): loads a0, a1, sp, sstatus and pc from v and goes there by sret. The
 * next trap ends the visit: v then says where, why, and what a0 was. Offsets as in sbi.h.
 */
    .globl visit
visit:
    addi sp, sp, -256
    .irp n, 1, 3, 4, 8, 9, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27
    sd x\n, (\n * 8)(sp)
    .endr
    sd a0, 0(sp)
    csrr t0, sstatus
    sd t0, 40(sp)
    csrr t0, stvec
    sd t0, 48(sp)
    lla t0, visited
    ld t1, 40(a0)
    or t0, t0, t1
    csrw stvec, t0
    csrw sscratch, sp
    ld t0, 0(a0)
    csrw sepc, t0
    ld t0, 32(a0)
    csrw sstatus, t0
    ld sp, 8(a0)
    ld a1, 24(a0)
    ld a0, 16(a0)
    sret

    .balign 64
visited: /* also a vector table: every entry comes to the same place, and t6 says by which */
    j 1f
    .irp n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    j visited_\n
    .endr
    .irp n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
visited_\n:
    li t6, \n
    j 2f
    .endr
1:  li t6, 0
2:  csrrw sp, sscratch, sp
    ld t0, 0(sp)
    sd a0, 56(t0)
    csrr t1, scause
    sd t1, 64(t0)
    csrr t1, stval
    sd t1, 72(t0)
    csrr t1, sepc
    sd t1, 80(t0)
    csrr t1, sstatus
    sd t1, 88(t0)
    sd t6, 96(t0)
    ld t1, 40(sp)
    csrw sstatus, t1
    ld t1, 48(sp)
    csrw stvec, t1
    .irp n, 1, 3, 4, 8, 9, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27
    ld x\n, (\n * 8)(sp)
    .endr
    addi sp, sp, 256
    ret

    .bss
    .balign 16
    .skip 16384
stack_end:
