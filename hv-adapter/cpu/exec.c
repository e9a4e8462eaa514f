/* SPDX-License-Identifier: MIT */
/*
 * Runs decoded instructions: the one loop of the hart.
 *
 * Idea: each handler ends by jumping to the next instruction's handler (labels as values, a GNU
 * extension), so that the host predicts each guest instruction on its own. What every instruction
 * needs lives in locals: the slot pointer `insn`, from which the virtual pc follows; `left`, the
 * ticks left after the run at hand; the page; the TLB bank. Handlers never test for the end of a
 * page or of the budget: runs are charged whole when they are entered, and their ends are slots
 * like any other (code.h).
 *
 * Whatever leaves the straight path goes through one of four labels: `jump` (to pc, any page),
 * `exhausted` (the budget does not cover the run: go by single steps), `redirected` (something
 * changed the hart: start over from it), `stopped`.
 *
 * This function is as long as the instruction set; each handler is a line or a macro of a few.
 */
#include "access.h"
#include "alu.h"
#include "decode.h"
#include "state.h"

/* Operands of the instruction at hand. */
#define RD  x[insn->rd]
#define RS1 x[insn->rs1]
#define RS2 x[insn->rs2]
#define IMM ((uint64_t)(int64_t)insn->imm)

#define SLOT ((unsigned)(insn - page->slot))
#define PC   (hart->code_va + (uint64_t)SLOT * 2)

#define DISPATCH() goto *handlers[insn->op]

/* On to the instruction behind one that is `slots` halfwords long, in the same run. */
#define NEXT(slots)      \
    do {                 \
        insn += (slots); \
        DISPATCH();      \
    } while (0)

/* Begins the run at insn. */
#define ENTER()                    \
    do {                           \
        left -= page->left[SLOT];  \
        if (HV_UNLIKELY(left < 0)) \
            goto exhausted;        \
        DISPATCH();                \
    } while (0)

#define JUMP(target)   \
    do {               \
        pc = (target); \
        goto jump;     \
    } while (0)

/* Writes the hart back as it was before insn: see state.h. */
#define SAVE()                                      \
    do {                                            \
        hart->pc = PC;                              \
        hart->ticks_left = left + page->left[SLOT]; \
    } while (0)

#define LOAD_VALUE(value, nbytes)                                             \
    do {                                                                      \
        uint64_t va = RS1 + IMM;                                              \
        const struct hv_tlb_data *entry = &bank->read[hv_tlb_data_index(va)]; \
        if (HV_LIKELY(entry->tag == hv_tlb_tag(va, nbytes))) {                \
            value = hv_mem_load(hv_tlb_host(entry, va), nbytes);              \
        } else {                                                              \
            SAVE();                                                           \
            if (hv_load_slow(hart, va, nbytes) != HV_DONE)                    \
                goto redirected;                                              \
            value = hart->loaded;                                             \
        }                                                                     \
    } while (0)

#define LOAD(type)                           \
    do {                                     \
        uint64_t value;                      \
        LOAD_VALUE(value, sizeof(type));     \
        RD = (uint64_t)(int64_t)(type)value; \
    } while (0)

#define STORE(value, nbytes)                                                   \
    do {                                                                       \
        uint64_t va = RS1 + IMM;                                               \
        const struct hv_tlb_data *entry = &bank->write[hv_tlb_data_index(va)]; \
        if (HV_LIKELY(entry->tag == hv_tlb_tag(va, nbytes))) {                 \
            hv_mem_store(hv_tlb_host(entry, va), nbytes, value);               \
        } else {                                                               \
            SAVE();                                                            \
            if (hv_store_slow(hart, va, nbytes, value) != HV_DONE)             \
                goto redirected;                                               \
        }                                                                      \
    } while (0)

/* An instruction of F or D; with FS off there is none. */
#define FP(...)                                      \
    do {                                             \
        if (HV_UNLIKELY(!(*status & HV_SSTATUS_FS))) \
            goto illegal_fp;                         \
        __VA_ARGS__;                                 \
    } while (0)

#define FP_LOAD(nbytes, box)             \
    do {                                 \
        uint64_t value;                  \
        LOAD_VALUE(value, nbytes);       \
        hart->f[insn->rd] = value | box; \
        *status |= HV_SSTATUS_FS;        \
    } while (0)

/* A taken jump inside the page; a kick or an interrupt is noticed here. */
#define TAKE_NEAR()                          \
    do {                                     \
        insn += insn->imm;                   \
        if (HV_UNLIKELY(hv_attention(hart))) \
            JUMP(PC);                        \
        ENTER();                             \
    } while (0)

/* One conditional branch: near and far, each `slots` halfwords long; suffix is empty or _c. */
#define BRANCH(name, suffix, slots, condition) \
    op_##name##suffix:                         \
    {                                          \
        if (condition)                         \
            TAKE_NEAR();                       \
        insn += (slots);                       \
        ENTER();                               \
    }                                          \
    op_##name##_far##suffix:                   \
    {                                          \
        if (condition)                         \
            JUMP(PC + IMM);                    \
        insn += (slots);                       \
        ENTER();                               \
    }

#define JUMPS(suffix, nbytes)                         \
    op_jal##suffix:                                   \
    {                                                 \
        RD = PC + (nbytes);                           \
        TAKE_NEAR();                                  \
    }                                                 \
    op_jal_far##suffix:                               \
    {                                                 \
        pc = PC;                                      \
        RD = pc + (nbytes);                           \
        JUMP(pc + IMM);                               \
    }                                                 \
    op_jalr##suffix:                                  \
    {                                                 \
        uint64_t target = (RS1 + IMM) & ~UINT64_C(1); \
        RD = PC + (nbytes);                           \
        JUMP(target);                                 \
    }

/* What each of HV_STRAIGHT_OPS does. */
#define DO_fence      hv_mem_fence_light()
#define DO_fence_full hv_mem_fence_full()

#define DO_li    RD = IMM
#define DO_mv    RD = RS1
#define DO_auipc RD = PC + IMM

#define DO_addi  RD = RS1 + IMM
#define DO_slti  RD = (int64_t)RS1 < insn->imm
#define DO_sltiu RD = RS1 < IMM
#define DO_xori  RD = RS1 ^ IMM
#define DO_ori   RD = RS1 | IMM
#define DO_andi  RD = RS1 & IMM
#define DO_slli  RD = RS1 << insn->imm
#define DO_srli  RD = RS1 >> insn->imm
#define DO_srai  RD = (uint64_t)((int64_t)RS1 >> insn->imm)
#define DO_addiw RD = hv_alu_word(RS1 + IMM)
#define DO_slliw RD = hv_alu_word(RS1 << insn->imm)
#define DO_srliw RD = hv_alu_word((uint32_t)RS1 >> insn->imm)
#define DO_sraiw RD = (uint64_t)(int64_t)((int32_t)RS1 >> insn->imm)

#define DO_add  RD = RS1 + RS2
#define DO_sub  RD = RS1 - RS2
#define DO_sll  RD = RS1 << (RS2 & 63)
#define DO_slt  RD = (int64_t)RS1 < (int64_t)RS2
#define DO_sltu RD = RS1 < RS2
#define DO_xor  RD = RS1 ^ RS2
#define DO_srl  RD = RS1 >> (RS2 & 63)
#define DO_sra  RD = (uint64_t)((int64_t)RS1 >> (RS2 & 63))
#define DO_or   RD = RS1 | RS2
#define DO_and  RD = RS1 & RS2
#define DO_addw RD = hv_alu_word(RS1 + RS2)
#define DO_subw RD = hv_alu_word(RS1 - RS2)
#define DO_sllw RD = hv_alu_word(RS1 << (RS2 & 31))
#define DO_srlw RD = hv_alu_word((uint32_t)RS1 >> (RS2 & 31))
#define DO_sraw RD = (uint64_t)(int64_t)((int32_t)RS1 >> (RS2 & 31))

#define DO_mul    RD = RS1 * RS2
#define DO_mulh   RD = hv_alu_mulh(RS1, RS2)
#define DO_mulhsu RD = hv_alu_mulhsu(RS1, RS2)
#define DO_mulhu  RD = hv_alu_mulhu(RS1, RS2)
#define DO_div    RD = hv_alu_div(RS1, RS2)
#define DO_divu   RD = hv_alu_divu(RS1, RS2)
#define DO_rem    RD = hv_alu_rem(RS1, RS2)
#define DO_remu   RD = hv_alu_remu(RS1, RS2)
#define DO_mulw   RD = hv_alu_word(RS1 * RS2)
#define DO_divw   RD = hv_alu_divw(RS1, RS2)
#define DO_divuw  RD = hv_alu_divuw(RS1, RS2)
#define DO_remw   RD = hv_alu_remw(RS1, RS2)
#define DO_remuw  RD = hv_alu_remuw(RS1, RS2)

#define DO_lb  LOAD(int8_t)
#define DO_lh  LOAD(int16_t)
#define DO_lw  LOAD(int32_t)
#define DO_ld  LOAD(int64_t)
#define DO_lbu LOAD(uint8_t)
#define DO_lhu LOAD(uint16_t)
#define DO_lwu LOAD(uint32_t)
#define DO_sb  STORE(RS2, 1)
#define DO_sh  STORE(RS2, 2)
#define DO_sw  STORE(RS2, 4)
#define DO_sd  STORE(RS2, 8)

#define DO_flw FP(FP_LOAD(4, UINT64_C(0xffffffff00000000)))
#define DO_fld FP(FP_LOAD(8, 0))
#define DO_fsw FP(STORE(hart->f[insn->rs2], 4))
#define DO_fsd FP(STORE(hart->f[insn->rs2], 8))
#define DO_fp  FP(if (!hv_fp(hart, insn)) goto illegal_fp)

/* Its handler if it is four bytes long, its handlers if it may be two bytes long; the handler of a
 * pair, which goes on with that of the second. */
#define SLOTS   2
#define SLOTS_c 1
#define HANDLER_ONE(name) \
    op_##name:            \
    {                     \
        DO_##name;        \
        NEXT(SLOTS);      \
    }
#define HANDLER_TWO(name) \
    HANDLER_ONE(name)     \
    op_##name##_c:        \
    {                     \
        DO_##name;        \
        NEXT(SLOTS_c);    \
    }
#define HANDLER_PAIR(first, suffix, second) \
    op_##first##suffix##_then_##second:     \
    {                                       \
        DO_##first;                         \
        insn += SLOTS##suffix;              \
        goto op_##second;                   \
    }

#define LABEL_ONE(name)                   &&op_##name,
#define LABEL_TWO(name)                   &&op_##name, &&op_##name##_c,
#define LABEL_PAIR(first, suffix, second) &&op_##first##suffix##_then_##second,

void hv_execute(struct hv_hart *hart)
{
    static const void *const handlers[HV_OP_COUNT] = {HV_OPS(LABEL_ONE, LABEL_TWO)
                                                          HV_PAIRS(LABEL_PAIR)};
    uint64_t *const x = hart->x, *const status = &hart->csr.sstatus;
    const struct hv_tlb_bank *bank;
    const struct hv_tlb_code *code;
    struct hv_code_page *page;
    const struct hv_insn *insn;
    int64_t left;
    uint64_t pc;

redirected:
    if (hart->stop != HV_RUNNING)
        return;
    left = hart->ticks_left;
    pc = hart->pc;
    bank = hart->bank;

jump:
    code = &bank->exec[hv_tlb_code_index(pc)];
    if (HV_UNLIKELY(hv_attention(hart)) || HV_UNLIKELY(code->tag != hv_tlb_tag(pc, 1)))
        goto off_path;
    page = code->page;
    insn = &page->slot[(pc & ~HV_PAGE_MASK) / 2];
    hart->code_va = code->tag;
    ENTER();

off_path: /* a jump that must be looked at, or whose page the TLB does not know */
    hart->pc = pc;
    hart->ticks_left = left;
    if (hv_attention(hart))
        hv_attend(hart);
    else if (left == 0)
        goto out_of_budget; /* even the page fault that a fetch may raise is a tick */
    else
        hv_fetch_fill(hart);
    goto redirected;

exhausted:
    SAVE();
    if (hart->ticks_left == 0)
        goto out_of_budget;
    if (hv_fetch_step(hart) != HV_DONE)
        goto redirected;
    left = hart->ticks_left - 1;
    goto step;

out_of_budget:
    hart->stop = HV_STOP_BUDGET;
    return;

step: /* the instruction is in hart->step, and charged */
    pc = hart->pc;
    page = &hart->step;
    insn = &page->slot[(pc & ~HV_PAGE_MASK) / 2];
    hart->code_va = pc & HV_PAGE_MASK;
    DISPATCH();

op_straddle:
    SAVE();
    if (hv_fetch_step(hart) != HV_DONE)
        goto redirected;
    goto step;

op_decode:
    /* A call of the VMM may have dropped this page: ask before reading it. */
    if (HV_UNLIKELY(hv_attention(hart)))
        JUMP(PC);
    hv_code_page_decode(page, SLOT);
    ENTER();

op_page_end:
op_step_end:
    JUMP(PC);

op_illegal:
    SAVE();
    hv_raise(hart, HV_CAUSE_ILLEGAL, (uint32_t)insn->imm);
    goto redirected;

illegal_fp:
    SAVE();
    hv_raise(hart, HV_CAUSE_ILLEGAL, hv_fetch_bits(hart, page, SLOT));
    goto redirected;

op_system:
    SAVE();
    hv_system(hart, (uint32_t)insn->imm);
    goto redirected;

op_amo:
    SAVE();
    if (hv_amo(hart, insn) != HV_DONE)
        goto redirected;
    NEXT(2);

    HV_STRAIGHT_OPS(HANDLER_ONE, HANDLER_TWO)
    HV_PAIRS(HANDLER_PAIR)

    BRANCH(beq, , 2, RS1 == RS2)
    BRANCH(bne, , 2, RS1 != RS2)
    BRANCH(blt, , 2, (int64_t)RS1 < (int64_t)RS2)
    BRANCH(bge, , 2, (int64_t)RS1 >= (int64_t)RS2)
    BRANCH(bltu, , 2, RS1 < RS2)
    BRANCH(bgeu, , 2, RS1 >= RS2)
    BRANCH(beq, _c, 1, RS1 == RS2)
    BRANCH(bne, _c, 1, RS1 != RS2)
    JUMPS(, 4)
    JUMPS(_c, 2)
}
