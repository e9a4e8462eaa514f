/* SPDX-License-Identifier: MIT */
/*
 * Expands compressed instructions to the 32-bit ones that they stand for.
 *
 * One function per quadrant row; the immediates' scattered bits are gathered by PICK, which moves
 * the bit field [low, low+width) of the parcel to position `to`. Reserved encodings give 0, hints
 * give what they look like.
 *
 * Source: volume I, 16.8, tables 16.5 to 16.7, as RV64 with D.
 */
#include "decode.h"

#define PICK(low, width, to) ((((uint32_t)bits >> (low)) & ((1u << (width)) - 1)) << (to))

enum {
    OP_LOAD = 0x03,
    OP_LOAD_FP = 0x07,
    OP_IMM = 0x13,
    OP_IMM_32 = 0x1b,
    OP_STORE = 0x23,
    OP_STORE_FP = 0x27,
    OP_OP = 0x33,
    OP_LUI = 0x37,
    OP_OP_32 = 0x3b,
    OP_BRANCH = 0x63,
    OP_JALR = 0x67,
    OP_JAL = 0x6f,
};

static uint32_t type_r(uint32_t opcode, uint32_t funct3, uint32_t funct7, uint32_t rd, uint32_t rs1,
                       uint32_t rs2)
{
    return funct7 << 25 | rs2 << 20 | rs1 << 15 | funct3 << 12 | rd << 7 | opcode;
}

static uint32_t type_i(uint32_t opcode, uint32_t funct3, uint32_t rd, uint32_t rs1, uint32_t imm)
{
    return imm << 20 | rs1 << 15 | funct3 << 12 | rd << 7 | opcode;
}

static uint32_t type_s(uint32_t opcode, uint32_t funct3, uint32_t rs1, uint32_t rs2, uint32_t imm)
{
    return (imm >> 5) << 25 | rs2 << 20 | rs1 << 15 | funct3 << 12 | (imm & 31) << 7 | opcode;
}

/* Sign-extends the lower `width` bits. */
static uint32_t extend(uint32_t value, unsigned width)
{
    uint32_t sign = 1u << (width - 1);
    return ((value & ((sign << 1) - 1)) ^ sign) - sign;
}

static uint32_t full_reg(uint16_t bits) /* rd or rs1 in bits 7..11 */
{
    return PICK(7, 5, 0);
}

static uint32_t high_reg(uint16_t bits) /* rd' or rs1' in bits 7..9 */
{
    return PICK(7, 3, 0) + 8;
}

static uint32_t low_reg(uint16_t bits) /* rd' or rs2' in bits 2..4 */
{
    return PICK(2, 3, 0) + 8;
}

static uint32_t imm6(uint16_t bits)
{
    return extend(PICK(12, 1, 5) | PICK(2, 5, 0), 6);
}

static uint32_t shift6(uint16_t bits)
{
    return PICK(12, 1, 5) | PICK(2, 5, 0);
}

static uint32_t quadrant0(uint16_t bits)
{
    uint32_t word = PICK(10, 3, 3) | PICK(6, 1, 2) | PICK(5, 1, 6);
    uint32_t doubleword = PICK(10, 3, 3) | PICK(5, 2, 6);
    uint32_t addend = PICK(11, 2, 4) | PICK(7, 4, 6) | PICK(6, 1, 2) | PICK(5, 1, 3);
    switch (bits >> 13) {
    case 0: /* c.addi4spn */
        return addend ? type_i(OP_IMM, 0, low_reg(bits), 2, addend) : 0;
    case 1: /* c.fld */
        return type_i(OP_LOAD_FP, 3, low_reg(bits), high_reg(bits), doubleword);
    case 2: /* c.lw */
        return type_i(OP_LOAD, 2, low_reg(bits), high_reg(bits), word);
    case 3: /* c.ld */
        return type_i(OP_LOAD, 3, low_reg(bits), high_reg(bits), doubleword);
    case 5: /* c.fsd */
        return type_s(OP_STORE_FP, 3, high_reg(bits), low_reg(bits), doubleword);
    case 6: /* c.sw */
        return type_s(OP_STORE, 2, high_reg(bits), low_reg(bits), word);
    case 7: /* c.sd */
        return type_s(OP_STORE, 3, high_reg(bits), low_reg(bits), doubleword);
    default:
        return 0;
    }
}

/* Row 100 of quadrant 1: shifts, c.andi, and the register-register forms. */
static uint32_t quadrant1_alu(uint16_t bits)
{
    static const uint8_t funct3[4] = {0, 4, 6, 7}; /* sub xor or and */
    uint32_t rd = high_reg(bits), rs2 = low_reg(bits), which = PICK(5, 2, 0);
    switch (PICK(10, 2, 0)) {
    case 0: /* c.srli */
        return type_i(OP_IMM, 5, rd, rd, shift6(bits));
    case 1: /* c.srai */
        return type_i(OP_IMM, 5, rd, rd, shift6(bits) | 0x400);
    case 2: /* c.andi */
        return type_i(OP_IMM, 7, rd, rd, imm6(bits));
    default:
        if (!PICK(12, 1, 0))
            return type_r(OP_OP, funct3[which], which ? 0 : 0x20, rd, rd, rs2);
        /* c.subw, c.addw */
        return which < 2 ? type_r(OP_OP_32, 0, which ? 0 : 0x20, rd, rd, rs2) : 0;
    }
}

static uint32_t quadrant1_lui(uint16_t bits)
{
    uint32_t rd = full_reg(bits);
    uint32_t sp = PICK(12, 1, 9) | PICK(6, 1, 4) | PICK(5, 1, 6) | PICK(3, 2, 7) | PICK(2, 1, 5);
    if (imm6(bits) == 0)
        return 0;
    if (rd == 2) /* c.addi16sp */
        return type_i(OP_IMM, 0, 2, 2, extend(sp, 10));
    return imm6(bits) << 12 | rd << 7 | OP_LUI;
}

static uint32_t quadrant1_jump(uint16_t bits)
{
    uint32_t imm = extend(PICK(12, 1, 11) | PICK(11, 1, 4) | PICK(9, 2, 8) | PICK(8, 1, 10) |
                              PICK(7, 1, 6) | PICK(6, 1, 7) | PICK(3, 3, 1) | PICK(2, 1, 5),
                          12);
    return (imm >> 20 & 1) << 31 | (imm >> 1 & 0x3ff) << 21 | (imm >> 11 & 1) << 20 |
           (imm >> 12 & 0xff) << 12 | OP_JAL;
}

static uint32_t quadrant1_branch(uint16_t bits, uint32_t funct3)
{
    uint32_t imm =
        extend(PICK(12, 1, 8) | PICK(10, 2, 3) | PICK(5, 2, 6) | PICK(3, 2, 1) | PICK(2, 1, 5), 9);
    return (imm >> 12 & 1) << 31 | (imm >> 5 & 0x3f) << 25 | high_reg(bits) << 15 | funct3 << 12 |
           (imm >> 1 & 15) << 8 | (imm >> 11 & 1) << 7 | OP_BRANCH;
}

static uint32_t quadrant1(uint16_t bits)
{
    uint32_t rd = full_reg(bits);
    switch (bits >> 13) {
    case 0: /* c.addi, c.nop */
        return type_i(OP_IMM, 0, rd, rd, imm6(bits));
    case 1: /* c.addiw */
        return rd ? type_i(OP_IMM_32, 0, rd, rd, imm6(bits)) : 0;
    case 2: /* c.li */
        return type_i(OP_IMM, 0, rd, 0, imm6(bits));
    case 3:
        return quadrant1_lui(bits);
    case 4:
        return quadrant1_alu(bits);
    case 5: /* c.j */
        return quadrant1_jump(bits);
    case 6: /* c.beqz */
        return quadrant1_branch(bits, 0);
    default: /* c.bnez */
        return quadrant1_branch(bits, 1);
    }
}

/* Row 100 of quadrant 2: c.jr, c.mv, c.ebreak, c.jalr, c.add. */
static uint32_t quadrant2_jump(uint16_t bits)
{
    const uint32_t ebreak = 0x00100073;
    uint32_t rd = full_reg(bits), rs2 = PICK(2, 5, 0);
    if (!PICK(12, 1, 0)) {
        if (rs2)
            return type_r(OP_OP, 0, 0, rd, 0, rs2);
        return rd ? type_i(OP_JALR, 0, 0, rd, 0) : 0;
    }
    if (rs2)
        return type_r(OP_OP, 0, 0, rd, rd, rs2);
    return rd ? type_i(OP_JALR, 0, 1, rd, 0) : ebreak;
}

static uint32_t quadrant2(uint16_t bits)
{
    uint32_t rd = full_reg(bits), rs2 = PICK(2, 5, 0);
    uint32_t load_word = PICK(12, 1, 5) | PICK(4, 3, 2) | PICK(2, 2, 6);
    uint32_t load_doubleword = PICK(12, 1, 5) | PICK(5, 2, 3) | PICK(2, 3, 6);
    uint32_t store_doubleword = PICK(10, 3, 3) | PICK(7, 3, 6);
    switch (bits >> 13) {
    case 0: /* c.slli */
        return type_i(OP_IMM, 1, rd, rd, shift6(bits));
    case 1: /* c.fldsp */
        return type_i(OP_LOAD_FP, 3, rd, 2, load_doubleword);
    case 2: /* c.lwsp */
        return rd ? type_i(OP_LOAD, 2, rd, 2, load_word) : 0;
    case 3: /* c.ldsp */
        return rd ? type_i(OP_LOAD, 3, rd, 2, load_doubleword) : 0;
    case 4:
        return quadrant2_jump(bits);
    case 5: /* c.fsdsp */
        return type_s(OP_STORE_FP, 3, 2, rs2, store_doubleword);
    case 6: /* c.swsp */
        return type_s(OP_STORE, 2, 2, rs2, PICK(9, 4, 2) | PICK(7, 2, 6));
    default: /* c.sdsp */
        return type_s(OP_STORE, 3, 2, rs2, store_doubleword);
    }
}

uint32_t hv_rvc_expand(uint16_t bits)
{
    switch (bits & 3) {
    case 0:
        return quadrant0(bits);
    case 1:
        return quadrant1(bits);
    case 2:
        return quadrant2(bits);
    default:
        return 0;
    }
}
