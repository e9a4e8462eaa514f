/* SPDX-License-Identifier: MIT */
/*
 * IEEE 754 binary32 and binary64 arithmetic as F and D define it, exact, in integers.
 *
 * Pure functions on bit patterns: the same result and flags on every host, whatever its
 * floating-point unit does with NaNs, tininess or ties away from zero (a rounding mode that common
 * hosts do not have). fp.c asks the host first where the host's answer is provably the whole one.
 *
 * Values are patterns in the lower 32 or 64 bits, unboxed. Every NaN result is the canonical one.
 */
#ifndef HV_CPU_FP_H
#define HV_CPU_FP_H

#include <stdbool.h>
#include <stdint.h>

/* Bits of fflags (volume I, 11.2). */
enum { HV_FP_NX = 1, HV_FP_UF = 2, HV_FP_OF = 4, HV_FP_DZ = 8, HV_FP_NV = 16 };

/* Rounding modes, as frm counts them; 5 and 6 are reserved. */
enum { HV_FP_RNE, HV_FP_RTZ, HV_FP_RDN, HV_FP_RUP, HV_FP_RMM, HV_FP_RM_DYNAMIC = 7 };

struct hv_fp_format {
    unsigned precision; /* bits of the significand, the hidden one included */
    unsigned width;     /* bits in all */
    int bias;
};
extern const struct hv_fp_format hv_fp_single, hv_fp_double;

struct hv_fp_env {
    unsigned rm;    /* a mode that is one */
    unsigned flags; /* HV_FP_*: raised ones are added */
};

static inline uint64_t hv_fp_sign_bit(const struct hv_fp_format *f)
{
    return UINT64_C(1) << (f->width - 1);
}

static inline uint64_t hv_fp_infinity(const struct hv_fp_format *f)
{
    return hv_fp_sign_bit(f) - (UINT64_C(1) << (f->precision - 1));
}

static inline uint64_t hv_fp_canonical_nan(const struct hv_fp_format *f)
{
    return hv_fp_infinity(f) | UINT64_C(1) << (f->precision - 2);
}

static inline bool hv_fp_is_nan(const struct hv_fp_format *f, uint64_t a)
{
    return (a & ~hv_fp_sign_bit(f)) > hv_fp_infinity(f);
}

static inline bool hv_fp_is_signaling(const struct hv_fp_format *f, uint64_t a)
{
    return hv_fp_is_nan(f, a) && !(a >> (f->precision - 2) & 1);
}

/* fp_arith.c: rounded once */
uint64_t hv_fp_add(const struct hv_fp_format *f, struct hv_fp_env *env, uint64_t a, uint64_t b);
uint64_t hv_fp_mul(const struct hv_fp_format *f, struct hv_fp_env *env, uint64_t a, uint64_t b);
/* a * b + c */
uint64_t hv_fp_fma(const struct hv_fp_format *f, struct hv_fp_env *env, uint64_t a, uint64_t b,
                   uint64_t c);
uint64_t hv_fp_div(const struct hv_fp_format *f, struct hv_fp_env *env, uint64_t a, uint64_t b);
uint64_t hv_fp_sqrt(const struct hv_fp_format *f, struct hv_fp_env *env, uint64_t a);

/* fp_convert.c */
/* A value of format `from` in format `to`. */
uint64_t hv_fp_convert(const struct hv_fp_format *to, const struct hv_fp_format *from,
                       struct hv_fp_env *env, uint64_t a);
/* To an integer of 32 or 64 bits, saturating; 32-bit results come sign-extended, unsigned ones
 * too, as registers hold them. */
uint64_t hv_fp_to_int(const struct hv_fp_format *f, struct hv_fp_env *env, uint64_t a,
                      unsigned int_width, bool is_signed);
uint64_t hv_fp_from_int(const struct hv_fp_format *f, struct hv_fp_env *env, uint64_t magnitude,
                        bool negative);

enum hv_fp_relation { HV_FP_LESS, HV_FP_EQUAL, HV_FP_GREATER, HV_FP_UNORDERED };
/* Raises nothing. */
enum hv_fp_relation hv_fp_compare(const struct hv_fp_format *f, uint64_t a, uint64_t b);
/* minimumNumber or maximumNumber. */
uint64_t hv_fp_min_max(const struct hv_fp_format *f, struct hv_fp_env *env, uint64_t a, uint64_t b,
                       bool max);
/* The one bit of fclass. */
uint64_t hv_fp_classify(const struct hv_fp_format *f, uint64_t a);

#endif
