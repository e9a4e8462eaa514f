/* SPDX-License-Identifier: MIT */
/*
 * A floating-point value taken apart, and the one place that puts one together again by rounding.
 * Internal to fp_*.c.
 *
 * A finite number that is not zero is (-1)^sign * sig / 2^127 * 2^exp with bit 127 of sig set:
 * subnormals, too. 128 bits hold the exact product of two doubles and, with a sticky lowest bit,
 * every other intermediate result more than two bits beyond the precision: rounding it once is
 * rounding the exact value once.
 */
#ifndef HV_CPU_FP_NUMBER_H
#define HV_CPU_FP_NUMBER_H

#include "fp.h"

typedef unsigned __int128 hv_fp_sig;

enum hv_fp_kind { HV_FP_ZERO, HV_FP_FINITE, HV_FP_INFINITE, HV_FP_NAN };

struct hv_fp_number {
    enum hv_fp_kind kind;
    bool sign;
    int exp;
    hv_fp_sig sig;
};

struct hv_fp_number hv_fp_unpack(const struct hv_fp_format *f, uint64_t a);
/* Moves sig's highest bit (there is one) to bit 127. */
void hv_fp_normalise(struct hv_fp_number *n);
/* sig >> shift, where the lowest bit stands also for all that were lost. */
hv_fp_sig hv_fp_shift_sticky(hv_fp_sig sig, unsigned shift);
/* Whether a magnitude is rounded away from zero: `rest` are the lost bits, the highest at 127. */
bool hv_fp_rounds_up(unsigned rm, bool sign, bool odd, hv_fp_sig rest);
/* A finite, normalised number in the format. */
uint64_t hv_fp_round(const struct hv_fp_format *f, struct hv_fp_env *env,
                     const struct hv_fp_number *n);

static inline uint64_t hv_fp_with_sign(const struct hv_fp_format *f, bool sign, uint64_t magnitude)
{
    return magnitude | (sign ? hv_fp_sign_bit(f) : 0);
}

#endif
