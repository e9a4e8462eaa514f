/* SPDX-License-Identifier: MIT */
/* Decodes F and D. Source: volume I, 24 (RV32/64F and RV32/64D instruction set listings). */
#include "decode.h"

#include "fp.h"

static unsigned field(uint32_t bits, unsigned low, unsigned width)
{
    return (bits >> low) & ((1u << width) - 1);
}

static struct hv_insn illegal(uint32_t bits)
{
    return (struct hv_insn){.op = HV_OP_illegal, .imm = (int32_t)bits};
}

static struct hv_insn make(unsigned op, uint32_t bits, int32_t imm)
{
    return (struct hv_insn){
        .op = (uint8_t)op,
        .rd = (uint8_t)field(bits, 7, 5),
        .rs1 = (uint8_t)field(bits, 15, 5),
        .rs2 = (uint8_t)field(bits, 20, 5),
        .imm = imm,
    };
}

struct hv_insn hv_decode_fp_load(uint32_t bits)
{
    unsigned width = field(bits, 12, 3);
    if (width != 2 && width != 3)
        return illegal(bits);
    return make(width == 2 ? HV_OP_flw : HV_OP_fld, bits, (int32_t)bits >> 20);
}

struct hv_insn hv_decode_fp_store(uint32_t bits)
{
    unsigned width = field(bits, 12, 3);
    if (width != 2 && width != 3)
        return illegal(bits);
    return make(width == 2 ? HV_OP_fsw : HV_OP_fsd, bits,
                ((int32_t)bits >> 25) * 32 + (int32_t)field(bits, 7, 5));
}

/* An operation of the format that bits 25 and 26 name, rounding as rm says (RNE if it has none). */
static struct hv_insn make_fp(enum hv_fp_op op, uint32_t bits, unsigned rm, unsigned rs3)
{
    unsigned format = field(bits, 25, 2);
    if (format > 1 || rm == 5 || rm == 6)
        return illegal(bits);
    unsigned kind = (unsigned)op | (format ? HV_FP_KIND_DOUBLE : 0u) | rm << HV_FP_KIND_RM |
                    rs3 << HV_FP_KIND_RS3;
    struct hv_insn insn = make(HV_OP_fp, bits, (int32_t)kind);
    if (op >= HV_FP_OP_TO_W && insn.rd == 0)
        insn.rd = HV_REG_SINK;
    return insn;
}

struct hv_insn hv_decode_fp_fused(uint32_t bits)
{
    static const enum hv_fp_op ops[4] = {HV_FP_OP_MADD, HV_FP_OP_MSUB, HV_FP_OP_NMSUB,
                                         HV_FP_OP_NMADD};
    return make_fp(ops[field(bits, 2, 2)], bits, field(bits, 12, 3), field(bits, 27, 5));
}

/* Where bits 12 to 14 are no rounding mode but choose one of `count` operations. */
static struct hv_insn choose(enum hv_fp_op first, unsigned count, uint32_t bits)
{
    unsigned which = field(bits, 12, 3);
    return which < count ? make_fp((enum hv_fp_op)(first + which), bits, HV_FP_RNE, 0)
                         : illegal(bits);
}

struct hv_insn hv_decode_fp(uint32_t bits)
{
    unsigned rm = field(bits, 12, 3), rs2 = field(bits, 20, 5), format = field(bits, 25, 2);
    switch (field(bits, 27, 5)) {
    case 0x00:
        return make_fp(HV_FP_OP_ADD, bits, rm, 0);
    case 0x01:
        return make_fp(HV_FP_OP_SUB, bits, rm, 0);
    case 0x02:
        return make_fp(HV_FP_OP_MUL, bits, rm, 0);
    case 0x03:
        return make_fp(HV_FP_OP_DIV, bits, rm, 0);
    case 0x0b:
        return rs2 == 0 ? make_fp(HV_FP_OP_SQRT, bits, rm, 0) : illegal(bits);
    case 0x04:
        return choose(HV_FP_OP_SGNJ, 3, bits);
    case 0x05:
        return choose(HV_FP_OP_MIN, 2, bits);
    case 0x08: /* rs2 names the other format */
        return rs2 == !format ? make_fp(HV_FP_OP_FROM_FP, bits, rm, 0) : illegal(bits);
    case 0x14:
        return choose(HV_FP_OP_LE, 3, bits);
    case 0x18:
        return rs2 < 4 ? make_fp((enum hv_fp_op)(HV_FP_OP_TO_W + rs2), bits, rm, 0) : illegal(bits);
    case 0x1a:
        return rs2 < 4 ? make_fp((enum hv_fp_op)(HV_FP_OP_FROM_W + rs2), bits, rm, 0)
                       : illegal(bits);
    case 0x1c:
        return rs2 == 0 ? choose(HV_FP_OP_TO_BITS, 2, bits) : illegal(bits);
    case 0x1e:
        return rs2 == 0 ? choose(HV_FP_OP_FROM_BITS, 1, bits) : illegal(bits);
    default:
        return illegal(bits);
    }
}
