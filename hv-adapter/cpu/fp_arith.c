/* SPDX-License-Identifier: MIT */
/*
 * The operations that round: add, multiply, fused multiply-add, divide, square root.
 *
 * Each settles NaNs, infinities and zeros, computes on numbers taken apart, and rounds once.
 * Source: IEEE 754-2008, 5.4.1, 6.3, 7.2, 7.3; volume I, 11.6.
 */
#include "fp_number.h"

static uint64_t invalid(const struct hv_fp_format *f, struct hv_fp_env *env)
{
    env->flags |= HV_FP_NV;
    return hv_fp_canonical_nan(f);
}

/* The result of an operation that got a NaN. */
static uint64_t nan_of(const struct hv_fp_format *f, struct hv_fp_env *env, uint64_t a, uint64_t b)
{
    if (hv_fp_is_signaling(f, a) || hv_fp_is_signaling(f, b))
        env->flags |= HV_FP_NV;
    return hv_fp_canonical_nan(f);
}

static uint64_t infinity(const struct hv_fp_format *f, bool sign)
{
    return hv_fp_with_sign(f, sign, hv_fp_infinity(f));
}

/* x + y of numbers that are finite or zero. */
static uint64_t add_finite(const struct hv_fp_format *f, struct hv_fp_env *env,
                           struct hv_fp_number x, struct hv_fp_number y)
{
    bool zero_sign = x.sign == y.sign ? x.sign : env->rm == HV_FP_RDN;
    if (x.kind == HV_FP_ZERO && y.kind == HV_FP_ZERO)
        return hv_fp_with_sign(f, zero_sign, 0);
    if (y.kind == HV_FP_ZERO)
        return hv_fp_round(f, env, &x);
    if (x.kind == HV_FP_ZERO)
        return hv_fp_round(f, env, &y);
    if (x.exp < y.exp || (x.exp == y.exp && x.sig < y.sig)) {
        struct hv_fp_number smaller = x;
        x = y;
        y = smaller;
    }
    /* One bit of room for the carry; the lowest bits of every operand, products too, are 0. */
    x.sig >>= 1;
    y.sig = hv_fp_shift_sticky(y.sig, (unsigned)(x.exp - y.exp) + 1);
    x.sig = x.sign == y.sign ? x.sig + y.sig : x.sig - y.sig;
    x.exp++;
    if (x.sig == 0)
        return hv_fp_with_sign(f, zero_sign, 0);
    hv_fp_normalise(&x);
    return hv_fp_round(f, env, &x);
}

/* The exact product of two numbers that are finite or zero. */
static struct hv_fp_number multiply(const struct hv_fp_number *x, const struct hv_fp_number *y)
{
    struct hv_fp_number product = {.kind = HV_FP_ZERO, .sign = x->sign != y->sign};
    if (x->kind == HV_FP_ZERO || y->kind == HV_FP_ZERO)
        return product;
    product.kind = HV_FP_FINITE;
    product.sig = (hv_fp_sig)(uint64_t)(x->sig >> 64) * (uint64_t)(y->sig >> 64);
    product.exp = x->exp + y->exp + 1;
    hv_fp_normalise(&product);
    return product;
}

uint64_t hv_fp_add(const struct hv_fp_format *f, struct hv_fp_env *env, uint64_t a, uint64_t b)
{
    struct hv_fp_number x = hv_fp_unpack(f, a), y = hv_fp_unpack(f, b);
    if (x.kind == HV_FP_NAN || y.kind == HV_FP_NAN)
        return nan_of(f, env, a, b);
    if (x.kind == HV_FP_INFINITE && y.kind == HV_FP_INFINITE && x.sign != y.sign)
        return invalid(f, env);
    if (x.kind == HV_FP_INFINITE)
        return a;
    if (y.kind == HV_FP_INFINITE)
        return b;
    return add_finite(f, env, x, y);
}

uint64_t hv_fp_mul(const struct hv_fp_format *f, struct hv_fp_env *env, uint64_t a, uint64_t b)
{
    struct hv_fp_number x = hv_fp_unpack(f, a), y = hv_fp_unpack(f, b);
    bool sign = x.sign != y.sign;
    if (x.kind == HV_FP_NAN || y.kind == HV_FP_NAN)
        return nan_of(f, env, a, b);
    if (x.kind == HV_FP_INFINITE || y.kind == HV_FP_INFINITE)
        return x.kind == HV_FP_ZERO || y.kind == HV_FP_ZERO ? invalid(f, env) : infinity(f, sign);
    struct hv_fp_number product = multiply(&x, &y);
    if (product.kind == HV_FP_ZERO)
        return hv_fp_with_sign(f, sign, 0);
    return hv_fp_round(f, env, &product);
}

uint64_t hv_fp_fma(const struct hv_fp_format *f, struct hv_fp_env *env, uint64_t a, uint64_t b,
                   uint64_t c)
{
    struct hv_fp_number x = hv_fp_unpack(f, a), y = hv_fp_unpack(f, b), z = hv_fp_unpack(f, c);
    bool sign = x.sign != y.sign;
    bool endless = x.kind == HV_FP_INFINITE || y.kind == HV_FP_INFINITE;
    if (endless && (x.kind == HV_FP_ZERO || y.kind == HV_FP_ZERO))
        return invalid(f, env); /* whatever c is, a quiet NaN too: volume I, 11.6 */
    if (x.kind == HV_FP_NAN || y.kind == HV_FP_NAN || z.kind == HV_FP_NAN) {
        nan_of(f, env, a, b);
        return nan_of(f, env, c, c);
    }
    if (endless && z.kind == HV_FP_INFINITE && z.sign != sign)
        return invalid(f, env);
    if (endless)
        return infinity(f, sign);
    if (z.kind == HV_FP_INFINITE)
        return c;
    return add_finite(f, env, multiply(&x, &y), z);
}

/* 64 bits of the quotient's significand and a sticky bit: q = floor(x.sig / 2 / y's upper half). */
static struct hv_fp_number divide(const struct hv_fp_number *x, const struct hv_fp_number *y)
{
    uint64_t divisor = (uint64_t)(y->sig >> 64);
    hv_fp_sig dividend = x->sig >> 1;
    hv_fp_sig quotient = dividend / divisor;
    struct hv_fp_number result = {
        .kind = HV_FP_FINITE,
        .sign = x->sign != y->sign,
        .exp = x->exp - y->exp,
        .sig = quotient << 64 | (quotient * divisor != dividend),
    };
    hv_fp_normalise(&result);
    return result;
}

uint64_t hv_fp_div(const struct hv_fp_format *f, struct hv_fp_env *env, uint64_t a, uint64_t b)
{
    struct hv_fp_number x = hv_fp_unpack(f, a), y = hv_fp_unpack(f, b);
    bool sign = x.sign != y.sign;
    if (x.kind == HV_FP_NAN || y.kind == HV_FP_NAN)
        return nan_of(f, env, a, b);
    if (x.kind == y.kind && x.kind != HV_FP_FINITE)
        return invalid(f, env); /* 0/0, inf/inf */
    if (x.kind == HV_FP_INFINITE)
        return infinity(f, sign);
    if (y.kind == HV_FP_ZERO) {
        env->flags |= HV_FP_DZ;
        return infinity(f, sign);
    }
    if (x.kind == HV_FP_ZERO || y.kind == HV_FP_INFINITE)
        return hv_fp_with_sign(f, sign, 0);
    struct hv_fp_number quotient = divide(&x, &y);
    return hv_fp_round(f, env, &quotient);
}

/* floor(sqrt(n)) of n >= 2^126, bit by bit from the highest. */
static uint64_t integer_root(hv_fp_sig n)
{
    uint64_t root = 0;
    for (uint64_t bit = UINT64_C(1) << 63; bit; bit >>= 1) {
        uint64_t larger = root | bit;
        if ((hv_fp_sig)larger * larger <= n)
            root = larger;
    }
    return root;
}

uint64_t hv_fp_sqrt(const struct hv_fp_format *f, struct hv_fp_env *env, uint64_t a)
{
    struct hv_fp_number x = hv_fp_unpack(f, a);
    if (x.kind == HV_FP_NAN)
        return nan_of(f, env, a, a);
    if (x.kind == HV_FP_ZERO)
        return a; /* of -0, too */
    if (x.sign)
        return invalid(f, env);
    if (x.kind == HV_FP_INFINITE)
        return a;
    /* An even exponent; then sig / 2^126 is in [1, 4) and its root, 64 bits long, in [1, 2). */
    hv_fp_sig square = x.exp & 1 ? x.sig : x.sig >> 1;
    uint64_t root = integer_root(square);
    x.exp = (x.exp - (x.exp & 1)) / 2;
    x.sig = (hv_fp_sig)root << 64 | ((hv_fp_sig)root * root != square);
    return hv_fp_round(f, env, &x);
}
