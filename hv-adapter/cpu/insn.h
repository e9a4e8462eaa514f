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
#define HV_OPS(ONE, TWO)                                                                       \
    ONE(decode) ONE(page_end) ONE(step_end) ONE(straddle) ONE(illegal) ONE(system)             \
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
    ONE(amo)                                                                                   \
    ONE(flw) TWO(fld) ONE(fsw) TWO(fsd) ONE(fp)                                                \
    TWO(beq) TWO(bne) ONE(blt) ONE(bge) ONE(bltu) ONE(bgeu) /* from here on: ends of runs */   \
    TWO(beq_far) TWO(bne_far) ONE(blt_far) ONE(bge_far) ONE(bltu_far) ONE(bgeu_far)            \
    TWO(jal) TWO(jal_far) TWO(jalr)
/* clang-format on */

#define HV_OP_ENUM_ONE(name) HV_OP_##name,
#define HV_OP_ENUM_TWO(name) HV_OP_##name, HV_OP_##name##_c,
enum hv_op { HV_OPS(HV_OP_ENUM_ONE, HV_OP_ENUM_TWO) HV_OP_COUNT };

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
