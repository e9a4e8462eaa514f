/* SPDX-License-Identifier: MIT */
/*
 * Decodes one instruction.
 *
 * Idea: one function per major opcode (bits 2..6), found in a table; inside, a second table by
 * funct3 where the ISA has one. A table entry 0 (HV_OP_decode) means that nothing is there.
 *
 * Source: volume I, 24 (RV32/64G instruction set listings), 16.8 (RVC listings).
 */
#include "decode.h"

#include <stddef.h>

static unsigned field(uint32_t bits, unsigned low, unsigned width)
{
    return (bits >> low) & ((1u << width) - 1);
}

static uint8_t field_rd(uint32_t bits)
{
    unsigned rd = field(bits, 7, 5);
    return (uint8_t)(rd ? rd : HV_REG_SINK);
}

static unsigned field_rs1(uint32_t bits)
{
    return field(bits, 15, 5);
}

static unsigned field_rs2(uint32_t bits)
{
    return field(bits, 20, 5);
}

static unsigned funct3(uint32_t bits)
{
    return field(bits, 12, 3);
}

static unsigned funct7(uint32_t bits)
{
    return field(bits, 25, 7);
}

static int32_t imm_i(uint32_t bits)
{
    return (int32_t)bits >> 20;
}

static int32_t imm_s(uint32_t bits)
{
    return ((int32_t)bits >> 25) * 32 + (int32_t)field(bits, 7, 5);
}

static int32_t imm_b(uint32_t bits)
{
    return ((int32_t)bits >> 31) * 4096 +
           (int32_t)(field(bits, 7, 1) << 11 | field(bits, 25, 6) << 5 | field(bits, 8, 4) << 1);
}

static int32_t imm_u(uint32_t bits)
{
    return (int32_t)(bits & ~0xfffu);
}

static int32_t imm_j(uint32_t bits)
{
    return ((int32_t)bits >> 31) * (1 << 20) + (int32_t)(field(bits, 12, 8) << 12 |
                                                         field(bits, 20, 1) << 11 |
                                                         field(bits, 21, 10) << 1);
}

static struct hv_insn make(unsigned op, uint32_t bits, int32_t imm)
{
    return (struct hv_insn){
        .op = (uint8_t)op,
        .rd = field_rd(bits),
        .rs1 = (uint8_t)field_rs1(bits),
        .rs2 = (uint8_t)field_rs2(bits),
        .imm = imm,
    };
}

static struct hv_insn illegal(uint32_t bits)
{
    return make(HV_OP_illegal, bits, (int32_t)bits);
}

/* op 0: nothing is defined there. */
static struct hv_insn make_or_illegal(unsigned op, uint32_t bits, int32_t imm)
{
    return op ? make(op, bits, imm) : illegal(bits);
}

static struct hv_insn decode_load(uint32_t bits)
{
    static const uint8_t ops[8] = {HV_OP_lb,  HV_OP_lh,  HV_OP_lw,  HV_OP_ld,
                                   HV_OP_lbu, HV_OP_lhu, HV_OP_lwu, 0};
    return make_or_illegal(ops[funct3(bits)], bits, imm_i(bits));
}

static struct hv_insn decode_store(uint32_t bits)
{
    static const uint8_t ops[8] = {HV_OP_sb, HV_OP_sh, HV_OP_sw, HV_OP_sd};
    return make_or_illegal(ops[funct3(bits)], bits, imm_s(bits));
}

/* addi is also li (from x0) and mv (of 0): both are frequent and cheaper on their own. */
static struct hv_insn decode_addi(uint32_t bits)
{
    int32_t imm = imm_i(bits);
    if (field_rs1(bits) == 0)
        return make(HV_OP_li, bits, imm);
    return make(imm == 0 ? HV_OP_mv : HV_OP_addi, bits, imm);
}

static struct hv_insn decode_op_imm(uint32_t bits)
{
    static const uint8_t ops[8] = {0,          0, HV_OP_slti, HV_OP_sltiu,
                                   HV_OP_xori, 0, HV_OP_ori,  HV_OP_andi};
    unsigned funct6 = field(bits, 26, 6);
    int32_t shift = (int32_t)field(bits, 20, 6);
    switch (funct3(bits)) {
    case 0:
        return decode_addi(bits);
    case 1:
        return make_or_illegal(funct6 == 0 ? HV_OP_slli : 0, bits, shift);
    case 5:
        return make_or_illegal(funct6 == 0      ? HV_OP_srli
                               : funct6 == 0x10 ? HV_OP_srai
                                                : 0,
                               bits, shift);
    default:
        return make(ops[funct3(bits)], bits, imm_i(bits));
    }
}

static struct hv_insn decode_op_imm_32(uint32_t bits)
{
    int32_t shift = (int32_t)field(bits, 20, 5);
    switch (funct3(bits)) {
    case 0:
        return make(HV_OP_addiw, bits, imm_i(bits));
    case 1:
        return make_or_illegal(funct7(bits) == 0 ? HV_OP_slliw : 0, bits, shift);
    case 5:
        return make_or_illegal(funct7(bits) == 0      ? HV_OP_srliw
                               : funct7(bits) == 0x20 ? HV_OP_sraiw
                                                      : 0,
                               bits, shift);
    default:
        return illegal(bits);
    }
}

static struct hv_insn decode_op(uint32_t bits)
{
    static const uint8_t base[8] = {HV_OP_add, HV_OP_sll, HV_OP_slt, HV_OP_sltu,
                                    HV_OP_xor, HV_OP_srl, HV_OP_or,  HV_OP_and};
    static const uint8_t alternate[8] = {HV_OP_sub, 0, 0, 0, 0, HV_OP_sra, 0, 0};
    static const uint8_t multiply[8] = {HV_OP_mul, HV_OP_mulh, HV_OP_mulhsu, HV_OP_mulhu,
                                        HV_OP_div, HV_OP_divu, HV_OP_rem,    HV_OP_remu};
    unsigned f3 = funct3(bits), f7 = funct7(bits);
    if (f7 == 0 && f3 == 0 && field_rs1(bits) == 0) { /* c.mv expands to this */
        struct hv_insn mv = make(HV_OP_mv, bits, 0);
        mv.rs1 = mv.rs2;
        return mv;
    }
    unsigned op = f7 == 0 ? base[f3] : f7 == 0x20 ? alternate[f3] : f7 == 1 ? multiply[f3] : 0;
    return make_or_illegal(op, bits, 0);
}

static struct hv_insn decode_op_32(uint32_t bits)
{
    static const uint8_t base[8] = {HV_OP_addw, HV_OP_sllw, 0, 0, 0, HV_OP_srlw, 0, 0};
    static const uint8_t alternate[8] = {HV_OP_subw, 0, 0, 0, 0, HV_OP_sraw, 0, 0};
    static const uint8_t multiply[8] = {HV_OP_mulw, 0,           0,          0,
                                        HV_OP_divw, HV_OP_divuw, HV_OP_remw, HV_OP_remuw};
    unsigned f3 = funct3(bits), f7 = funct7(bits);
    unsigned op = f7 == 0 ? base[f3] : f7 == 0x20 ? alternate[f3] : f7 == 1 ? multiply[f3] : 0;
    return make_or_illegal(op, bits, 0);
}

static struct hv_insn decode_lui(uint32_t bits)
{
    return make(HV_OP_li, bits, imm_u(bits));
}

static struct hv_insn decode_auipc(uint32_t bits)
{
    return make(HV_OP_auipc, bits, imm_u(bits));
}

static struct hv_insn decode_misc_mem(uint32_t bits)
{
    enum { WRITES = 5, READS = 10 }; /* bits w and o, r and i of a fence's sets */
    switch (funct3(bits)) {
    case 0:
        /* Only an earlier write before a later read costs something on common hosts. */
        return make(field(bits, 24, 4) & WRITES && field(bits, 20, 4) & READS ? HV_OP_fence_full
                                                                              : HV_OP_fence,
                    bits, 0);
    case 1:
        return make(HV_OP_system, bits, (int32_t)bits); /* fence.i */
    default:
        return illegal(bits);
    }
}

static struct hv_insn decode_amo(uint32_t bits)
{
    static const uint32_t defined = 1u << HV_AMO_ADD | 1u << HV_AMO_SWAP | 1u << HV_AMO_LR |
                                    1u << HV_AMO_SC | 1u << HV_AMO_XOR | 1u << HV_AMO_OR |
                                    1u << HV_AMO_AND | 1u << HV_AMO_MIN | 1u << HV_AMO_MAX |
                                    1u << HV_AMO_MINU | 1u << HV_AMO_MAXU;
    unsigned funct5 = field(bits, 27, 5), f3 = funct3(bits);
    if ((f3 != 2 && f3 != 3) || !(defined >> funct5 & 1) ||
        (funct5 == HV_AMO_LR && field_rs2(bits) != 0))
        return illegal(bits);
    return make(HV_OP_amo, bits, (int32_t)(funct5 | (f3 == 3 ? HV_AMO_WIDE : 0)));
}

static struct hv_insn decode_system(uint32_t bits)
{
    return make(HV_OP_system, bits, (int32_t)bits);
}

/* imm stays in bytes here; hv_decode makes it near. */
static struct hv_insn decode_branch(uint32_t bits)
{
    static const uint8_t ops[8] = {
        HV_OP_beq_far,  HV_OP_bne_far, 0, 0, HV_OP_blt_far, HV_OP_bge_far,
        HV_OP_bltu_far, HV_OP_bgeu_far};
    return make_or_illegal(ops[funct3(bits)], bits, imm_b(bits));
}

static struct hv_insn decode_jal(uint32_t bits)
{
    return make(HV_OP_jal_far, bits, imm_j(bits));
}

static struct hv_insn decode_jalr(uint32_t bits)
{
    return make_or_illegal(funct3(bits) == 0 ? HV_OP_jalr : 0, bits, imm_i(bits));
}

static const uint8_t near_of[HV_OP_COUNT] = {
    [HV_OP_beq_far] = HV_OP_beq, [HV_OP_bne_far] = HV_OP_bne,   [HV_OP_blt_far] = HV_OP_blt,
    [HV_OP_bge_far] = HV_OP_bge, [HV_OP_bltu_far] = HV_OP_bltu, [HV_OP_bgeu_far] = HV_OP_bgeu,
    [HV_OP_jal_far] = HV_OP_jal,
};

static void make_near(struct hv_insn *insn, unsigned offset)
{
    int64_t target = (int64_t)offset + insn->imm;
    if (near_of[insn->op] && target >= 0 && target < 4096) {
        insn->op = near_of[insn->op];
        insn->imm /= 2;
    }
}

typedef struct hv_insn decode_fn(uint32_t bits);

static decode_fn *const opcodes[32] = {
    [0x00] = decode_load,        [0x01] = hv_decode_fp_load,  [0x03] = decode_misc_mem,
    [0x04] = decode_op_imm,      [0x05] = decode_auipc,       [0x06] = decode_op_imm_32,
    [0x08] = decode_store,       [0x09] = hv_decode_fp_store, [0x0b] = decode_amo,
    [0x0c] = decode_op,          [0x0d] = decode_lui,         [0x0e] = decode_op_32,
    [0x10] = hv_decode_fp_fused, [0x11] = hv_decode_fp_fused, [0x12] = hv_decode_fp_fused,
    [0x13] = hv_decode_fp_fused, [0x14] = hv_decode_fp,       [0x18] = decode_branch,
    [0x19] = decode_jalr,        [0x1b] = decode_jal,         [0x1c] = decode_system,
};

struct hv_insn hv_decode(uint32_t bits, unsigned offset, bool near_ok)
{
    bool is_long = hv_insn_is_long(bits);
    uint32_t full = is_long ? bits : hv_rvc_expand((uint16_t)bits);
    decode_fn *decode = full ? opcodes[field(full, 2, 5)] : NULL;
    if (!decode)
        return illegal(is_long ? bits : bits & 0xffff);
    struct hv_insn insn = decode(full);
    if (near_ok)
        make_near(&insn, offset);
    if (!is_long && insn.op != HV_OP_system)
        insn.op++; /* every expansion has its _c twin; c.ebreak never steps */
    return insn;
}

bool hv_insn_ends_run(const struct hv_insn *insn)
{
    return insn->op == HV_OP_illegal || insn->op == HV_OP_system || insn->op == HV_OP_straddle ||
           insn->op >= HV_OP_beq;
}

#define PAIR_ENTRY(first, suffix, second) \
    [HV_OP_##first##suffix][HV_OP_##second] = HV_OP_##first##suffix##_then_##second,
#define FIRST_ENTRY(first, suffix, second) \
    [HV_OP_##first##suffix##_then_##second] = HV_OP_##first##suffix,

uint8_t hv_insn_pair(uint8_t first, uint8_t second)
{
    static const uint8_t pairs[HV_OP_SINGLES][HV_OP_SINGLES] = {HV_PAIRS(PAIR_ENTRY)};
    static const uint8_t first_of[HV_OP_COUNT] = {HV_PAIRS(FIRST_ENTRY)};
    uint8_t pair = pairs[first][second < HV_OP_SINGLES ? second : first_of[second]];
    return pair ? pair : first;
}
