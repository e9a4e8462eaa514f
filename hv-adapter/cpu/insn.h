/* SPDX-License-Identifier: MIT */
/*
 * The decoded instruction, and the list of everything that one can be told to do.
 *
 * Operands are decoded once: register numbers, and an immediate that is already sign-extended and
 * scaled. A write to x0 becomes a write to a sink register behind x31, so that no handler tests
 * for it. Compressed instructions are expanded; the only trace of them is a handler that steps
 * over two bytes rather than four: its name ends in _c and its number follows that of the other.
 */
#ifndef HV_CPU_INSN_H
#define HV_CPU_INSN_H

#include <stdint.h>

#define HV_REG_SINK 32 /* index of the register that takes writes to x0 */
#define HV_REGS     33

/*
 * About one line a group. ONE(name): exists with four bytes only. TWO(name): with four and two.
 * Branches and jal come near (target in the same page, imm in halfwords) and far (imm in bytes).
 * What F and D compute is one operation here, with the kind in imm: see decode.h.
 */
/* clang-format off */
#define HV_STRAIGHT_OPS(ONE, TWO) /* what changes registers and memory, and goes on behind itself */ \
    ONE(fence) ONE(fence_full)                                                                 \
    TWO(li) ONE(auipc) TWO(mv)                                                                 \
    TWO(addi) ONE(slti) ONE(sltiu) ONE(xori) ONE(ori) TWO(andi) TWO(slli) TWO(srli) TWO(srai)  \
    TWO(addiw) ONE(slliw) ONE(srliw) ONE(sraiw)                                                \
    TWO(add) TWO(sub) ONE(sll) ONE(slt) ONE(sltu) TWO(xor) ONE(srl) ONE(sra) TWO(or) TWO(and)  \
    TWO(addw) TWO(subw) ONE(sllw) ONE(srlw) ONE(sraw)                                          \
    ONE(mul) ONE(mulh) ONE(mulhsu) ONE(mulhu) ONE(div) ONE(divu) ONE(rem) ONE(remu)            \
    ONE(mulw) ONE(divw) ONE(divuw) ONE(remw) ONE(remuw)                                        \
    ONE(lb) ONE(lh) TWO(lw) TWO(ld) ONE(lbu) ONE(lhu) ONE(lwu)                                 \
    ONE(sb) ONE(sh) TWO(sw) TWO(sd)                                                            \
    ONE(flw) TWO(fld) ONE(fsw) TWO(fsd) ONE(fp)

#define HV_OPS(ONE, TWO)                                                                       \
    ONE(decode) ONE(page_end) ONE(step_end) ONE(straddle) ONE(illegal) ONE(system) ONE(amo)    \
    HV_STRAIGHT_OPS(ONE, TWO)                                                                  \
    TWO(beq) TWO(bne) ONE(blt) ONE(bge) ONE(bltu) ONE(bgeu) /* from here on: ends of runs */   \
    TWO(beq_far) TWO(bne_far) ONE(blt_far) ONE(bge_far) ONE(bltu_far) ONE(bgeu_far)            \
    TWO(jal) TWO(jal_far) TWO(jalr)

/*
 * Instructions that often follow each other: PAIR(first, its suffix, second). A slot whose
 * instruction and successor are a pair is told so, and saves the host the indirect jump between
 * them. The operands stay where they are, and the successor's slot is what it is: a jump to it
 * finds it. Chosen by counting over boot, the guest's workloads and compiled C programs.
 */
#define HV_PAIRS(PAIR)                                                                         \
    /* saving, restoring, copying */                                                           \
    PAIR(ld, _c, ld_c) PAIR(sd, _c, sd_c) PAIR(ld, , ld) PAIR(sd, , sd) PAIR(sd, _c, ld_c)     \
    PAIR(lbu, , lbu) PAIR(sd, _c, sw_c) PAIR(addi, _c, sd_c) PAIR(addi, _c, sd)                \
    PAIR(addi, , sd) PAIR(addi, , sd_c) PAIR(ld, _c, addi_c) PAIR(ld, , addi_c)                \
    PAIR(sd, _c, addi_c) PAIR(addi, _c, sw) PAIR(sw, , addi_c) PAIR(sb, , addi_c)              \
    PAIR(lbu, , addi_c) PAIR(lw, _c, addi_c) PAIR(ld, , addi) PAIR(ld, _c, addi)               \
    /* arguments and results */                                                                \
    PAIR(mv, _c, mv_c) PAIR(li, _c, li_c) PAIR(mv, _c, li_c) PAIR(li, _c, mv_c)                \
    PAIR(mv, _c, ld_c) PAIR(ld, _c, mv_c) PAIR(sd, _c, mv_c) PAIR(mv, _c, sd_c)                \
    PAIR(mv, _c, addi_c) PAIR(addi, _c, mv_c) PAIR(mv, _c, jal) PAIR(mv, _c, jal_far)          \
    PAIR(mv, _c, jal_c) PAIR(mv, _c, jalr_c) PAIR(addi, _c, jalr_c) PAIR(subw, _c, jalr_c)     \
    /* loops and tests */                                                                      \
    PAIR(addi, _c, bne) PAIR(addi, _c, bne_c) PAIR(addi, _c, beq) PAIR(addi, _c, bltu)         \
    PAIR(mv, _c, bne) PAIR(mul, , bne) PAIR(sd, , bne) PAIR(lbu, , bne) PAIR(lbu, , beq)       \
    PAIR(ld, _c, beq) PAIR(ld, _c, beq_c) PAIR(ld, , bltu) PAIR(ld, , bgeu)                    \
    PAIR(andi, , bne_c) PAIR(andi, , beq_c) PAIR(andi, _c, bne_c) PAIR(andi, _c, beq_c)        \
    PAIR(subw, , bge) PAIR(ld, _c, sltu) PAIR(sltu, , sltu) PAIR(sltu, , subw_c)               \
    /* addresses, and what is there */                                                         \
    PAIR(slli, , add) PAIR(slli, , add_c) PAIR(slli, _c, add_c) PAIR(slli, , srli_c)           \
    PAIR(add, , slli) PAIR(add, _c, slli_c) PAIR(add, , add_c) PAIR(add, _c, add)              \
    PAIR(add, , lbu) PAIR(add, _c, lbu) PAIR(add, _c, ld_c) PAIR(add, _c, sb)                  \
    PAIR(lbu, , add_c) PAIR(ld, , sub) PAIR(lhu, , addiw_c) PAIR(addi, _c, addi_c)             \
    PAIR(addi, _c, add) PAIR(addi, _c, add_c) PAIR(addi, , add_c) PAIR(addi, _c, slli)         \
    /* hashing and ciphers */                                                                  \
    PAIR(slliw, , srliw) PAIR(srliw, , slliw) PAIR(slliw, , slliw) PAIR(srliw, , srliw)        \
    PAIR(slliw, , or) PAIR(srliw, , or) PAIR(or, , or) PAIR(xor, , xor) PAIR(srliw, , xor)     \
    PAIR(xor, , srliw) PAIR(or, , slliw) PAIR(addw, , xor) PAIR(addw, _c, xor)                 \
    PAIR(xor, , addw_c) PAIR(xor, , addw) PAIR(addw, , addw) PAIR(slliw, , addw)               \
    PAIR(addiw, , addiw) PAIR(addiw, , addiw_c) PAIR(addiw, _c, addiw) PAIR(xor, _c, mul)      \
    PAIR(addi, _c, xor_c) PAIR(addiw, _c, andi) PAIR(andi, , or_c)
/* clang-format on */

#define HV_OP_ENUM_ONE(name)                   HV_OP_##name,
#define HV_OP_ENUM_TWO(name)                   HV_OP_##name, HV_OP_##name##_c,
#define HV_OP_ENUM_PAIR(first, suffix, second) HV_OP_##first##suffix##_then_##second,
enum hv_op {
    HV_OPS(HV_OP_ENUM_ONE, HV_OP_ENUM_TWO) HV_OP_SINGLES,
    HV_OP_BEFORE_PAIRS = HV_OP_SINGLES - 1,
    HV_PAIRS(HV_OP_ENUM_PAIR) HV_OP_COUNT
};

struct hv_insn {
    uint8_t op; /* enum hv_op; 0 = HV_OP_decode: nothing was decoded here yet */
    uint8_t rd; /* HV_REG_SINK for x0 */
    uint8_t rs1;
    uint8_t rs2;
    int32_t
        imm; /* also: the raw bits of system and illegal instructions, the kind of an amo or fp */
};
_Static_assert(sizeof(struct hv_insn) == 8, "eight bytes, so that a slot's address is a shift");
_Static_assert(HV_OP_COUNT <= 256, "op is one byte");

#endif
