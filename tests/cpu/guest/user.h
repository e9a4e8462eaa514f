/* SPDX-License-Identifier: MIT */
/*
 * What a user-mode test guest has instead of a C library: buffered output by write, and exit.
 * Linux's system calls, so that the same file runs under qemu-user.
 */
#ifndef TESTS_CPU_GUEST_USER_H
#define TESTS_CPU_GUEST_USER_H

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long u64;

static char out_buffer[4096];
static u64 out_nbytes;

static inline long system_call(long number, long a, long b, long c)
{
    register long a0 __asm__("a0") = a;
    register long a1 __asm__("a1") = b;
    register long a2 __asm__("a2") = c;
    register long a7 __asm__("a7") = number;
    __asm__ volatile("ecall" : "+r"(a0) : "r"(a1), "r"(a2), "r"(a7) : "memory");
    return a0;
}

static inline void flush_output(void)
{
    system_call(64, 1, (long)out_buffer, (long)out_nbytes);
    out_nbytes = 0;
}

static inline void put_char(char c)
{
    if (out_nbytes == sizeof out_buffer)
        flush_output();
    out_buffer[out_nbytes++] = c;
}

static inline void put_text(const char *text)
{
    while (*text)
        put_char(*text++);
}

/* A space and the shortest hexadecimal. */
static inline void put_hex(u64 value)
{
    int digits = 1;
    while (digits < 16 && value >> (4 * digits))
        digits++;
    put_char(' ');
    while (digits-- > 0)
        put_char("0123456789abcdef"[value >> (4 * digits) & 15]);
}

static inline void finish(int code)
{
    flush_output();
    system_call(93, code, 0, 0);
    __builtin_unreachable();
}

#endif
