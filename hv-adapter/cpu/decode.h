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

/* Whether the instruction ends a straight run: whatever comes next is not simply behind it, or
 * wants exact counters. */
bool hv_insn_ends_run(const struct hv_insn *insn);

/* The 32-bit instruction that a compressed one stands for; 0 (illegal) if there is none. */
uint32_t hv_rvc_expand(uint16_t bits);

#endif
