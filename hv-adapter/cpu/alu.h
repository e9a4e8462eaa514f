/* SPDX-License-Identifier: MIT */
/*
 * Arithmetic that C leaves undefined or does not have: division and high products.
 *
 * Source: volume I, 7 (M): division by zero gives all ones and the dividend; the one overflow,
 * most negative by -1, gives the dividend and 0. No exceptions.
 */
#ifndef HV_CPU_ALU_H
#define HV_CPU_ALU_H

#include <stdint.h>

/* A 32-bit result as the W instructions leave it in a register. */
static inline uint64_t hv_alu_word(uint64_t value)
{
    return (uint64_t)(int64_t)(int32_t)(uint32_t)value;
}

static inline uint64_t hv_alu_div(uint64_t a, uint64_t b)
{
    if (b == 0)
        return UINT64_MAX;
    if (b == UINT64_MAX)
        return 0 - a; /* the overflow, too */
    return (uint64_t)((int64_t)a / (int64_t)b);
}

static inline uint64_t hv_alu_divu(uint64_t a, uint64_t b)
{
    return b == 0 ? UINT64_MAX : a / b;
}

static inline uint64_t hv_alu_rem(uint64_t a, uint64_t b)
{
    if (b == 0)
        return a;
    if (b == UINT64_MAX)
        return 0;
    return (uint64_t)((int64_t)a % (int64_t)b);
}

static inline uint64_t hv_alu_remu(uint64_t a, uint64_t b)
{
    return b == 0 ? a : a % b;
}

/* Word operands, sign- or zero-extended, never overflow in 64 bits. */
static inline uint64_t hv_alu_divw(uint64_t a, uint64_t b)
{
    return hv_alu_word(hv_alu_div(hv_alu_word(a), hv_alu_word(b)));
}

static inline uint64_t hv_alu_divuw(uint64_t a, uint64_t b)
{
    return hv_alu_word(hv_alu_divu((uint32_t)a, (uint32_t)b));
}

static inline uint64_t hv_alu_remw(uint64_t a, uint64_t b)
{
    return hv_alu_word(hv_alu_rem(hv_alu_word(a), hv_alu_word(b)));
}

static inline uint64_t hv_alu_remuw(uint64_t a, uint64_t b)
{
    return hv_alu_word(hv_alu_remu((uint32_t)a, (uint32_t)b));
}

static inline uint64_t hv_alu_mulhu(uint64_t a, uint64_t b)
{
    return (uint64_t)((unsigned __int128)a * b >> 64);
}

/* A negative factor counts 2^64 too much in mulhu: take the other factor off again. */
static inline uint64_t hv_alu_mulhsu(uint64_t a, uint64_t b)
{
    return hv_alu_mulhu(a, b) - ((int64_t)a < 0 ? b : 0);
}

static inline uint64_t hv_alu_mulh(uint64_t a, uint64_t b)
{
    return hv_alu_mulhsu(a, b) - ((int64_t)b < 0 ? a : 0);
}

#endif
