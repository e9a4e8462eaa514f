/* SPDX-License-Identifier: MIT */
/* From the boot to C; from U mode to C and back. */
    .section .text.start, "ax"
    .globl kernel_start
kernel_start:
    la      sp, kernel_stack_end
    csrw    sscratch, zero
    la      t0, trap_entry
    csrw    stvec, t0
    mv      a0, a1                  /* the device tree */
    call    kernel_main
1:  wfi
    j       1b

/* sscratch: the frame of the process that runs; 0 while the kernel does. */
    .text
    .balign 4
trap_entry:
    csrrw   a0, sscratch, a0
    beqz    a0, in_kernel
    sd      x1, 8(a0)
    sd      x2, 16(a0)
    sd      x3, 24(a0)
    sd      x4, 32(a0)
    .irp n, 5,6,7,8,9,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    sd      x\n, 8*\n(a0)
    .endr
    csrrw   t0, sscratch, zero
    sd      t0, 80(a0)
    csrr    t0, sepc
    sd      t0, 0(a0)
    la      sp, kernel_stack_end
    call    kernel_trap             /* does not return: ends in resume */

in_kernel:
    la      sp, kernel_stack_end
    csrr    a0, scause
    csrr    a1, sepc
    csrr    a2, stval
    call    kernel_died

    .globl resume
resume:                             /* a0: the frame */
    csrw    sscratch, a0
    ld      t0, 0(a0)
    csrw    sepc, t0
    .irp n, 1,2,3,4,5,6,7,8,9,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    ld      x\n, 8*\n(a0)
    .endr
    ld      a0, 80(a0)
    sret

    .bss
    .balign 16
    .space  16384
kernel_stack_end:

    .section .programs, "a"
    .balign 4096
    .globl programs, programs_end
programs:
    .incbin PROGRAMS
    .balign 4096
programs_end:
