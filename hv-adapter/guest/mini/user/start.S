/* SPDX-License-Identifier: MIT */
/* struct image_header, and where every process begins: a0 the program, a1 its argument. */
    .section .header, "ax"
    .quad   user_text_pages
    .quad   user_data_pages
    .quad   user_start

    .globl user_start
user_start:
    call    user_main
    li      a7, 0                   /* CALL_EXIT */
    ecall
