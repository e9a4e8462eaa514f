/* SPDX-License-Identifier: MIT */
/*
 * Conversions, comparisons and classes.
 *
 * Source: volume I, 11.7 (conversions; table 11.4: what saturates to what), 11.8, 11.9, 12.3;
 * IEEE 754-2019, 9.6 (minimumNumber).
 */
#include "fp_number.h"

uint64_t hv_fp_convert(const struct hv_fp_format *to, const struct hv_fp_format *from,
                       struct hv_fp_env *env, uint64_t a)
{
    struct hv_fp_number n = hv_fp_unpack(from, a);
    switch (n.kind) {
    case HV_FP_NAN:
        if (hv_fp_is_signaling(from, a))
            env->flags |= HV_FP_NV;
        return hv_fp_canonical_nan(to);
    case HV_FP_INFINITE:
        return hv_fp_with_sign(to, n.sign, hv_fp_infinity(to));
    case HV_FP_ZERO:
        return hv_fp_with_sign(to, n.sign, 0);
    default:
        return hv_fp_round(to, env, &n);
    }
}

uint64_t hv_fp_from_int(const struct hv_fp_format *f, struct hv_fp_env *env, uint64_t magnitude,
                        bool negative)
{
    struct hv_fp_number n = {.kind = HV_FP_FINITE, .sign = negative, .exp = 127, .sig = magnitude};
    if (magnitude == 0)
        return 0;
    hv_fp_normalise(&n);
    return hv_fp_round(f, env, &n);
}

/* A finite number's magnitude as an integer, at least 2^65 if that is what it is. */
static hv_fp_sig to_magnitude(const struct hv_fp_number *n, unsigned rm, bool *inexact)
{
    hv_fp_sig whole = 0, rest;
    if (n->exp > 64) {
        *inexact = false;
        return (hv_fp_sig)1 << 65;
    }
    if (n->exp >= 0) {
        whole = n->sig >> (127 - n->exp);
        rest = n->sig << (n->exp + 1);
    } else {
        rest = hv_fp_shift_sticky(n->sig, (unsigned)(-1 - n->exp));
    }
    *inexact = rest != 0;
    return whole + hv_fp_rounds_up(rm, n->sign, whole & 1, rest);
}

static uint64_t extend(uint64_t value, unsigned int_width)
{
    return int_width == 32 ? (uint64_t)(int64_t)(int32_t)(uint32_t)value : value;
}

uint64_t hv_fp_to_int(const struct hv_fp_format *f, struct hv_fp_env *env, uint64_t a,
                      unsigned int_width, bool is_signed)
{
    uint64_t max = UINT64_MAX >> (64 - int_width + is_signed);
    uint64_t min_magnitude = is_signed ? max + 1 : 0;
    struct hv_fp_number n = hv_fp_unpack(f, a);
    bool inexact = false;
    hv_fp_sig magnitude = (hv_fp_sig)1 << 65; /* of infinities and NaNs: beyond all */
    if (n.kind == HV_FP_ZERO)
        return 0;
    if (n.kind == HV_FP_FINITE)
        magnitude = to_magnitude(&n, env->rm, &inexact);
    else if (n.kind == HV_FP_NAN)
        n.sign = false;
    uint64_t limit = n.sign ? min_magnitude : max;
    if (magnitude > limit) {
        magnitude = limit;
        env->flags |= HV_FP_NV;
    } else if (inexact) {
        env->flags |= HV_FP_NX;
    }
    return extend(n.sign ? 0 - (uint64_t)magnitude : (uint64_t)magnitude, int_width);
}

enum hv_fp_relation hv_fp_compare(const struct hv_fp_format *f, uint64_t a, uint64_t b)
{
    uint64_t sign = hv_fp_sign_bit(f);
    if (hv_fp_is_nan(f, a) || hv_fp_is_nan(f, b))
        return HV_FP_UNORDERED;
    if (a == b || ((a | b) & ~sign) == 0)
        return HV_FP_EQUAL;
    if ((a ^ b) & sign)
        return a & sign ? HV_FP_LESS : HV_FP_GREATER;
    return (a < b) == !(a & sign) ? HV_FP_LESS : HV_FP_GREATER;
}

uint64_t hv_fp_min_max(const struct hv_fp_format *f, struct hv_fp_env *env, uint64_t a, uint64_t b,
                       bool max)
{
    if (hv_fp_is_signaling(f, a) || hv_fp_is_signaling(f, b))
        env->flags |= HV_FP_NV;
    if (hv_fp_is_nan(f, a))
        return hv_fp_is_nan(f, b) ? hv_fp_canonical_nan(f) : b;
    if (hv_fp_is_nan(f, b))
        return a;
    enum hv_fp_relation relation = hv_fp_compare(f, a, b);
    if (relation == HV_FP_EQUAL) /* -0 is less than +0 */
        return max ? a & b : a | b;
    return (relation == HV_FP_LESS) == max ? b : a;
}

uint64_t hv_fp_classify(const struct hv_fp_format *f, uint64_t a)
{
    uint64_t magnitude = a & ~hv_fp_sign_bit(f);
    bool sign = a != magnitude;
    if (magnitude > hv_fp_infinity(f))
        return hv_fp_is_signaling(f, a) ? 1 << 8 : 1 << 9;
    /* 0 infinite, 1 normal, 2 subnormal, 3 zero when negative; mirrored when positive */
    unsigned from_outside = magnitude == hv_fp_infinity(f)         ? 0
                            : magnitude >> (f->precision - 1) != 0 ? 1
                            : magnitude != 0                       ? 2
                                                                   : 3;
    return UINT64_C(1) << (sign ? from_outside : 7 - from_outside);
}
