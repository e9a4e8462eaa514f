# SPDX-License-Identifier: MIT
# The first instructions of the guest's init: the stack holds argc, argv, envp.
    .globl _start
_start:
    .option push
    .option norelax
    la gp, __global_pointer$
    .option pop
    mv a0, sp
    andi sp, sp, -16
    call init_main
