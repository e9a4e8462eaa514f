/* SPDX-License-Identifier: MIT */
/*
 * The SYSTEM opcode and fence.i: everything that may change more than registers and memory.
 *
 * All of them end a run, so that counters are exact here and a change of mode, translation or
 * interrupt enable takes effect before the next instruction.
 *
 * Source: volume I, 9 (Zicsr), 2.8 (ecall, ebreak), 3 (Zifencei); volume II, 3.3 and 4.2.1.
 */
#include "state.h"

enum {
    ECALL = 0x00000073,
    EBREAK = 0x00100073,
    SRET = 0x10200073,
    WFI = 0x10500073,
    SFENCE_VMA = 0x12000073, /* with rs1 and rs2 free */
    SFENCE_VMA_MASK = 0xfe007fff,
    OPCODE_MASK = 0x7f,
    MISC_MEM = 0x0f,
};

static enum hv_result illegal(struct hv_hart *hart, uint32_t bits)
{
    return hv_raise(hart, HV_CAUSE_ILLEGAL, bits);
}

static void retire(struct hv_hart *hart)
{
    hart->pc += 4;
    hart->ticks_left--;
}

/* csrrw, csrrs, csrrc and their immediate forms. */
static enum hv_result csr_instruction(struct hv_hart *hart, uint32_t bits)
{
    unsigned csr = bits >> 20, rs1 = bits >> 15 & 31, rd = bits >> 7 & 31, funct3 = bits >> 12 & 7;
    unsigned form = funct3 & 3; /* 1 write, 2 set, 3 clear */
    uint64_t operand = funct3 & 4 ? rs1 : hart->x[rs1];
    uint64_t old = 0;
    bool reads = form != 1 || rd != 0;
    bool writes = form == 1 || rs1 != 0;
    if (form == 0 || (reads && !hv_csr_read(hart, csr, &old)))
        return illegal(hart, bits);
    uint64_t value = form == 1 ? operand : form == 2 ? old | operand : old & ~operand;
    if (writes && !hv_csr_write(hart, csr, value))
        return illegal(hart, bits);
    if (rd != 0)
        hart->x[rd] = old;
    return HV_DONE;
}

/* The exception is the machine's, taken by the VMM: like any ecall it does not retire. */
static void ecall(struct hv_hart *hart)
{
    if (hart->priv == HV_PRIV_U) {
        hv_raise(hart, HV_CAUSE_ECALL_U, 0);
        return;
    }
    if (hart->ops->ecall(hart->ctx) == HV_ECALL_STOP)
        hart->stop = HV_STOP_ECALL;
    hart->exceptions++;
    retire(hart);
}

static void sfence_vma(struct hv_hart *hart, uint32_t bits)
{
    unsigned rs1 = bits >> 15 & 31, rs2 = bits >> 20 & 31;
    hart->reservation.nbytes = 0;
    if (rs1)
        hv_tlb_flush_page(&hart->tlb, hart->x[rs1]);
    else
        hv_tlb_flush(&hart->tlb);
    hart->ops->sfence_vma(hart->ctx, rs1 != 0, hart->x[rs1], rs2 != 0, hart->x[rs2]);
    retire(hart);
}

static void wfi(struct hv_hart *hart)
{
    retire(hart);
    if (!hv_hart_wakes(hart))
        hart->stop = HV_STOP_WFI;
}

static void sret(struct hv_hart *hart)
{
    hart->ticks_left--;
    hv_sret(hart);
}

/* Instructions that only S mode has; false if bits is none of them. */
static bool privileged(struct hv_hart *hart, uint32_t bits)
{
    if (hart->priv != HV_PRIV_S)
        return false;
    if (bits == SRET)
        sret(hart);
    else if (bits == WFI)
        wfi(hart);
    else if ((bits & SFENCE_VMA_MASK) == SFENCE_VMA)
        sfence_vma(hart, bits);
    else
        return false;
    return true;
}

static void execute(struct hv_hart *hart, uint32_t bits)
{
    if ((bits & OPCODE_MASK) == MISC_MEM) { /* fence.i */
        hv_tlb_flush_code(&hart->tlb);
        retire(hart);
    } else if (bits == ECALL) {
        ecall(hart);
    } else if (bits == EBREAK) {
        hv_raise(hart, HV_CAUSE_BREAKPOINT, 0);
    } else if (bits >> 12 & 7) {
        if (csr_instruction(hart, bits) == HV_DONE)
            retire(hart);
    } else if (!privileged(hart, bits)) {
        illegal(hart, bits);
    }
}

void hv_system(struct hv_hart *hart, uint32_t bits)
{
    execute(hart, bits);
    if (hart->stop == HV_RUNNING)
        hv_take_interrupt(hart);
}
