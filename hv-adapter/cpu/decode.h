/* SPDX-License-Identifier: MIT */
/*
 * From instruction bits to struct hv_insn.
 *
 * Pure functions. Encodings that the ISA reserves or that this hart does not offer decode to
 * HV_OP_illegal with the bits as immediate, as stval wants them.
 */
#ifndef HV_CPU_DECODE_H
#define HV_CPU_DECODE_H

#include <stdbool.h>

#include "insn.h"

/* Kinds of HV_OP_amo: funct5 in bits 0..4, and this bit for the doubleword forms. */
#define HV_AMO_WIDE 32

/* Bits of HV_OP_amo's funct5 (volume I, 8). */
enum {
    HV_AMO_ADD = 0,
    HV_AMO_SWAP = 1,
    HV_AMO_LR = 2,
    HV_AMO_SC = 3,
    HV_AMO_XOR = 4,
    HV_AMO_OR = 8,
    HV_AMO_AND = 12,
    HV_AMO_MIN = 16,
    HV_AMO_MAX = 20,
    HV_AMO_MINU = 24,
    HV_AMO_MAXU = 28,
};

/*
 * Kinds of HV_OP_fp: an operation in the lower bits, the format, the rounding mode (HV_FP_RNE for
 * operations that have none) and the third source. rd is a general register from TO_W on.
 */
enum hv_fp_op {
    HV_FP_OP_ADD,
    HV_FP_OP_SUB,
    HV_FP_OP_MUL,
    HV_FP_OP_DIV,
    HV_FP_OP_SQRT,
    HV_FP_OP_MADD,
    HV_FP_OP_MSUB,
    HV_FP_OP_NMSUB,
    HV_FP_OP_NMADD,
    HV_FP_OP_SGNJ,
    HV_FP_OP_SGNJN,
    HV_FP_OP_SGNJX,
    HV_FP_OP_MIN,
    HV_FP_OP_MAX,
    HV_FP_OP_FROM_FP, /* fcvt from the other format */
    HV_FP_OP_FROM_W,
    HV_FP_OP_FROM_WU,
    HV_FP_OP_FROM_L,
    HV_FP_OP_FROM_LU,
    HV_FP_OP_FROM_BITS, /* fmv from x */
    HV_FP_OP_TO_W,
    HV_FP_OP_TO_WU,
    HV_FP_OP_TO_L,
    HV_FP_OP_TO_LU,
    HV_FP_OP_LE,
    HV_FP_OP_LT,
    HV_FP_OP_EQ,
    HV_FP_OP_TO_BITS, /* fmv to x */
    HV_FP_OP_CLASS,
};
enum {
    HV_FP_OP_MASK = 31,
    HV_FP_KIND_DOUBLE = 32,
    HV_FP_KIND_RM = 6,  /* shift */
    HV_FP_KIND_RS3 = 9, /* shift */
};

static inline bool hv_insn_is_long(uint32_t bits)
{
    return (bits & 3) == 3;
}

/*
 * Decodes the instruction whose first byte stands at offset (even) in its page: a long one from
 * all 32 bits, a compressed one from the lower 16. Branches whose target lies in the same page
 * become near if near_ok.
 */
struct hv_insn hv_decode(uint32_t bits, unsigned offset, bool near_ok);

/* decode_fp.c: LOAD-FP, STORE-FP, the four fused opcodes, OP-FP */
struct hv_insn hv_decode_fp_load(uint32_t bits);
struct hv_insn hv_decode_fp_store(uint32_t bits);
struct hv_insn hv_decode_fp_fused(uint32_t bits);
struct hv_insn hv_decode_fp(uint32_t bits);

/* The enum hv_op of a slot whose instruction is `first` and whose successor's slot says `second`
 * (which may be a pair): their pair, or `first`. */
uint8_t hv_insn_pair(uint8_t first, uint8_t second);

/* Whether the instruction ends a straight run: whatever comes next is not simply behind it, or
 * wants exact counters. */
bool hv_insn_ends_run(const struct hv_insn *insn);

/* The 32-bit instruction that a compressed one stands for; 0 (illegal) if there is none. */
uint32_t hv_rvc_expand(uint16_t bits);

#endif
