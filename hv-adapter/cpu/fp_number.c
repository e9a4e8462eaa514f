/* SPDX-License-Identifier: MIT */
/* Unpacking and rounding. See fp_number.h. Source: IEEE 754-2008, 4.3, 7.4, 7.5; volume I, 11.2. */
#include "fp_number.h"

const struct hv_fp_format hv_fp_single = {.precision = 24, .width = 32, .bias = 127};
const struct hv_fp_format hv_fp_double = {.precision = 53, .width = 64, .bias = 1023};

void hv_fp_normalise(struct hv_fp_number *n)
{
    uint64_t upper = (uint64_t)(n->sig >> 64);
    int shift = upper ? __builtin_clzll(upper) : 64 + __builtin_clzll((uint64_t)n->sig);
    n->sig <<= shift;
    n->exp -= shift;
}

struct hv_fp_number hv_fp_unpack(const struct hv_fp_format *f, uint64_t a)
{
    unsigned fraction_bits = f->precision - 1;
    uint64_t hidden = UINT64_C(1) << fraction_bits;
    uint64_t magnitude = a & ~hv_fp_sign_bit(f);
    struct hv_fp_number n = {.kind = HV_FP_FINITE, .sign = (a & hv_fp_sign_bit(f)) != 0};
    int exponent = (int)(magnitude >> fraction_bits);
    if (magnitude >= hv_fp_infinity(f)) {
        n.kind = magnitude == hv_fp_infinity(f) ? HV_FP_INFINITE : HV_FP_NAN;
    } else if (magnitude == 0) {
        n.kind = HV_FP_ZERO;
    } else {
        uint64_t fraction = magnitude & (hidden - 1);
        n.sig = (hv_fp_sig)(exponent ? fraction | hidden : fraction) << (127 - fraction_bits);
        n.exp = (exponent ? exponent : 1) - f->bias;
        hv_fp_normalise(&n);
    }
    return n;
}

hv_fp_sig hv_fp_shift_sticky(hv_fp_sig sig, unsigned shift)
{
    if (shift == 0)
        return sig;
    if (shift >= 128)
        return sig != 0;
    return sig >> shift | (sig << (128 - shift) != 0);
}

bool hv_fp_rounds_up(unsigned rm, bool sign, bool odd, hv_fp_sig rest)
{
    const hv_fp_sig half = (hv_fp_sig)1 << 127;
    switch (rm) {
    case HV_FP_RNE:
        return rest > half || (rest == half && odd);
    case HV_FP_RDN:
        return sign && rest != 0;
    case HV_FP_RUP:
        return !sign && rest != 0;
    case HV_FP_RMM:
        return rest >= half;
    default: /* HV_FP_RTZ */
        return false;
    }
}

/* The significand of sig rounded to the precision: up to 2^precision. */
static uint64_t round_significand(const struct hv_fp_format *f, unsigned rm, bool sign,
                                  hv_fp_sig sig, bool *inexact)
{
    uint64_t kept = (uint64_t)(sig >> (128 - f->precision));
    hv_fp_sig rest = sig << f->precision;
    *inexact = rest != 0;
    return kept + hv_fp_rounds_up(rm, sign, kept & 1, rest);
}

static uint64_t overflow(const struct hv_fp_format *f, struct hv_fp_env *env, bool sign)
{
    bool to_infinity =
        env->rm == HV_FP_RNE || env->rm == HV_FP_RMM || env->rm == (sign ? HV_FP_RDN : HV_FP_RUP);
    env->flags |= HV_FP_OF | HV_FP_NX;
    return hv_fp_infinity(f) - !to_infinity;
}

uint64_t hv_fp_round(const struct hv_fp_format *f, struct hv_fp_env *env,
                     const struct hv_fp_number *n)
{
    int exponent = n->exp + f->bias; /* as the format stores that of a normal number */
    hv_fp_sig sig = n->sig;
    bool inexact, tiny = exponent < 1;
    /* Tininess is looked for after rounding, as if there were no smallest exponent. */
    if (exponent == 0)
        tiny = !(round_significand(f, env->rm, n->sign, sig, &inexact) >> f->precision);
    if (exponent < 1) {
        sig = hv_fp_shift_sticky(sig, (unsigned)(1 - exponent));
        exponent = 1;
    }
    /* The hidden bit, if there, adds 1 to the exponent; so does a carry out of the fraction. */
    uint64_t magnitude = round_significand(f, env->rm, n->sign, sig, &inexact) +
                         ((uint64_t)(exponent - 1) << (f->precision - 1));
    if (magnitude >= hv_fp_infinity(f))
        magnitude = overflow(f, env, n->sign);
    else if (inexact)
        env->flags |= tiny ? HV_FP_UF | HV_FP_NX : HV_FP_NX;
    return hv_fp_with_sign(f, n->sign, magnitude);
}
