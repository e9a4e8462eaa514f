/* SPDX-License-Identifier: MIT */
/* What the machine offers: SBI calls, the clock, and the C library's two functions that a compiler
 * may call by itself. */
#include "kernel.h"

enum { EXT_TIME = 0x54494d45, EXT_RESET = 0x53525354, EXT_CONSOLE = 0x4442434e };

struct sbi_answer sbi_call(uint64_t extension, uint64_t function, uint64_t arg0, uint64_t arg1)
{
    register uint64_t a0 __asm__("a0") = arg0;
    register uint64_t a1 __asm__("a1") = arg1;
    register uint64_t a2 __asm__("a2") = 0;
    register uint64_t a6 __asm__("a6") = function;
    register uint64_t a7 __asm__("a7") = extension;
    __asm__ volatile("ecall" : "+r"(a0), "+r"(a1) : "r"(a2), "r"(a6), "r"(a7) : "memory");
    return (struct sbi_answer){(int64_t)a0, a1};
}

void console_write(const char *bytes, size_t nbytes)
{
    while (nbytes > 0) {
        struct sbi_answer done = sbi_call(EXT_CONSOLE, 0, nbytes, (uint64_t)bytes);
        if (done.error || done.value == 0)
            return;
        bytes += done.value;
        nbytes -= done.value;
    }
}

void console_say(const char *text)
{
    size_t nbytes = 0;
    while (text[nbytes])
        nbytes++;
    console_write(text, nbytes);
}

void console_number(uint64_t value)
{
    char text[18] = "0x";
    for (unsigned i = 0; i < 16; i++)
        text[2 + i] = "0123456789abcdef"[value >> (60 - 4 * i) & 15];
    console_write(text, sizeof text);
}

static _Noreturn void reset(uint64_t reason)
{
    sbi_call(EXT_RESET, 0, 0, reason);
    for (;;)
        __asm__ volatile("wfi");
}

_Noreturn void power_off(void)
{
    reset(0);
}

_Noreturn void panic(const char *why)
{
    console_say("Kernel panic - not syncing: ");
    console_say(why);
    console_say("\n");
    reset(1); /* system failure */
}

void timer_set(uint64_t when)
{
    sbi_call(EXT_TIME, 0, when, 0);
}

uint64_t time_now(void)
{
    uint64_t now;
    __asm__ volatile("rdtime %0" : "=r"(now));
    return now;
}

void *memset(void *to, int byte, size_t nbytes)
{
    uint64_t word = (uint8_t)byte * UINT64_C(0x0101010101010101);
    unsigned char *at = to;
    for (; nbytes && (uint64_t)at % 8; nbytes--)
        *at++ = (unsigned char)byte;
    for (; nbytes >= 8; nbytes -= 8, at += 8)
        *(uint64_t *)(void *)at = word;
    while (nbytes--)
        *at++ = (unsigned char)byte;
    return to;
}

void *memcpy(void *to, const void *from, size_t nbytes)
{
    unsigned char *out = to;
    const unsigned char *in = from;
    if (((uint64_t)out | (uint64_t)in) % 8 == 0)
        for (; nbytes >= 8; nbytes -= 8, out += 8, in += 8)
            *(uint64_t *)(void *)out = *(const uint64_t *)(const void *)in;
    while (nbytes--)
        *out++ = *in++;
    return to;
}
