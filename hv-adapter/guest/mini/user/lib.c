/* SPDX-License-Identifier: MIT */
/* System calls, text, and a stream of numbers; which program this process is. */
#include "user.h"

uint64_t call(enum call number, uint64_t arg0, uint64_t arg1)
{
    register uint64_t a0 __asm__("a0") = arg0;
    register uint64_t a1 __asm__("a1") = arg1;
    register uint64_t a7 __asm__("a7") = (uint64_t)number;
    __asm__ volatile("ecall" : "+r"(a0), "+r"(a1) : "r"(a7) : "memory");
    return a0;
}

int64_t wait(uint64_t *code)
{
    register uint64_t a0 __asm__("a0");
    register uint64_t a1 __asm__("a1") = 0;
    register uint64_t a7 __asm__("a7") = CALL_WAIT;
    __asm__ volatile("ecall" : "=r"(a0), "+r"(a1) : "r"(a7) : "memory");
    *code = a1;
    return (int64_t)a0;
}

uint64_t param(enum param which)
{
    return call(CALL_PARAM, (uint64_t)which, 0);
}

uint64_t time_now(void)
{
    uint64_t now;
    __asm__ volatile("rdtime %0" : "=r"(now) : : "memory");
    return now;
}

void say(const char *text)
{
    size_t nbytes = 0;
    while (text[nbytes])
        nbytes++;

    call(CALL_WRITE, (uint64_t)text, nbytes);
}

void say_number(uint64_t value)
{
    char text[21], *at = text + sizeof text - 1;
    *at = 0;
    do
        *--at = (char)('0' + value % 10);
    while (value /= 10);
    say(at);
}

void say_hex(uint64_t value)
{
    char text[17];
    for (unsigned i = 0; i < 16; i++)
        text[i] = "0123456789abcdef"[value >> (60 - 4 * i) & 15];
    text[16] = 0;
    say(text);
}

uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

uint64_t mix(uint64_t sum, uint64_t value)
{
    return (sum ^ value) * UINT64_C(0x100000001b3) + (sum >> 29);
}

void *memset(void *to, int byte, size_t nbytes)
{
    for (unsigned char *at = to; nbytes--;)
        *at++ = (unsigned char)byte;
    return to;
}

void *memcpy(void *to, const void *from, size_t nbytes)
{
    unsigned char *out = to;
    for (const unsigned char *in = from; nbytes--;)
        *out++ = *in++;
    return to;
}

uint64_t user_main(uint64_t program, uint64_t argument)
{
    static uint64_t (*const mains[])(uint64_t) = {
        [PROGRAM_INIT] = init_main,     [PROGRAM_TOUCH] = touch_main,
        [PROGRAM_FORKS] = forks_main,   [PROGRAM_COMPUTE] = compute_main,
        [PROGRAM_SIGNAL] = signal_main, [PROGRAM_SWEEP] = sweep_main,
    };
    return program < sizeof mains / sizeof *mains ? mains[program](argument) : UINT64_MAX;
}
