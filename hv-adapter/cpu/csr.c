/* SPDX-License-Identifier: MIT */
/*
 * The CSRs that S and U mode see.
 *
 * A CSR number carries its lowest privilege in bits 8, 9 and "read-only" as 3 in bits 10, 11.
 * Whatever is not listed does not exist: access is illegal.
 *
 * Source: volume II, 2.1 (numbers), 4.1 (supervisor CSRs); volume I, 10.5 (counters), 11.2 (fcsr).
 */
#include "state.h"

enum {
    CSR_FFLAGS = 0x001,
    CSR_FRM = 0x002,
    CSR_FCSR = 0x003,
    CSR_SSTATUS = 0x100,
    CSR_SIE = 0x104,
    CSR_STVEC = 0x105,
    CSR_SCOUNTEREN = 0x106,
    CSR_SENVCFG = 0x10a,
    CSR_SSCRATCH = 0x140,
    CSR_SEPC = 0x141,
    CSR_SCAUSE = 0x142,
    CSR_STVAL = 0x143,
    CSR_SIP = 0x144,
    CSR_SATP = 0x180,
    CSR_CYCLE = 0xc00,
    CSR_TIME = 0xc01,
    CSR_INSTRET = 0xc02,
};

#define IRQ_BIT(irq) (UINT64_C(1) << (irq))
#define IRQ_ALL      (IRQ_BIT(HV_IRQ_SOFT) | IRQ_BIT(HV_IRQ_TIMER) | IRQ_BIT(HV_IRQ_EXTERNAL))
#define SSTATUS_WRITE                                                                      \
    (HV_SSTATUS_SIE | HV_SSTATUS_SPIE | HV_SSTATUS_SPP | HV_SSTATUS_SUM | HV_SSTATUS_MXR | \
     HV_SSTATUS_FS)
#define SSTATUS_UXL64 (UINT64_C(2) << 32)
#define SSTATUS_SD    (UINT64_C(1) << 63) /* FS is dirty */
#define SATP_SV39     UINT64_C(8)
#define SATP_PPN      ((UINT64_C(1) << 44) - 1)

static bool readable(const struct hv_hart *hart, unsigned csr)
{
    if ((csr >> 8 & 3) > (unsigned)hart->priv)
        return false;
    if (csr >= CSR_FFLAGS && csr <= CSR_FCSR)
        return (hart->csr.sstatus & HV_SSTATUS_FS) != 0;
    if (csr >= CSR_CYCLE && csr <= CSR_INSTRET && hart->priv == HV_PRIV_U)
        return hart->csr.scounteren >> (csr - CSR_CYCLE) & 1;
    return true;
}

bool hv_csr_read(const struct hv_hart *hart, unsigned csr, uint64_t *value)
{
    const struct hv_csrs *all = &hart->csr;
    if (!readable(hart, csr))
        return false;
    switch (csr) {
    case CSR_FFLAGS:
        *value = all->fflags;
        return true;
    case CSR_FRM:
        *value = all->frm;
        return true;
    case CSR_FCSR:
        *value = all->frm << 5 | all->fflags;
        return true;
    case CSR_SSTATUS:
        *value = all->sstatus | SSTATUS_UXL64 |
                 ((all->sstatus & HV_SSTATUS_FS) == HV_SSTATUS_FS ? SSTATUS_SD : 0);
        return true;
    case CSR_SIE:
        *value = all->sie;
        return true;
    case CSR_STVEC:
        *value = all->stvec;
        return true;
    case CSR_SCOUNTEREN:
        *value = all->scounteren;
        return true;
    case CSR_SENVCFG:
        *value = 0;
        return true;
    case CSR_SSCRATCH:
        *value = all->sscratch;
        return true;
    case CSR_SEPC:
        *value = all->sepc;
        return true;
    case CSR_SCAUSE:
        *value = all->scause;
        return true;
    case CSR_STVAL:
        *value = all->stval;
        return true;
    case CSR_SIP:
        *value = atomic_load_explicit(&hart->irq, memory_order_acquire);
        return true;
    case CSR_SATP:
        *value = all->satp;
        return true;
    case CSR_CYCLE:
        *value = hv_ticks(hart);
        return true;
    case CSR_TIME:
        *value = hart->ops->time(hart->ctx);
        return true;
    case CSR_INSTRET:
        *value = hv_ticks(hart) - hart->exceptions;
        return true;
    default:
        return false;
    }
}

static void write_sstatus(struct hv_hart *hart, uint64_t value)
{
    uint64_t changed = hart->csr.sstatus ^ value;
    hart->csr.sstatus = value & SSTATUS_WRITE & ~(hart->has_fp ? 0 : HV_SSTATUS_FS);
    if (changed & HV_SSTATUS_MXR) /* rare, so it has no bank of its own */
        hv_tlb_flush(&hart->tlb);
    hv_select_bank(hart);
}

/* WARL: other modes are not there, so the write does nothing; the ASID has no bits. */
static bool write_satp(struct hv_hart *hart, uint64_t value)
{
    uint64_t mode = value >> 60;
    if (mode != 0 && mode != SATP_SV39)
        return true;
    value &= SATP_SV39 << 60 | SATP_PPN;
    hart->reservation.nbytes = 0;
    hv_tlb_flush(&hart->tlb);
    if (!hart->ops->satp_write(hart->ctx, value))
        return false;
    hart->csr.satp = value;
    return true;
}

static void write_fcsr(struct hv_csrs *all, uint64_t fflags, uint64_t frm)
{
    all->fflags = (uint32_t)fflags;
    all->frm = (uint32_t)frm;
    all->sstatus |= HV_SSTATUS_FS;
}

static void write_sip(struct hv_hart *hart, uint64_t value)
{
    uint32_t soft = (uint32_t)IRQ_BIT(HV_IRQ_SOFT);
    if (value & soft)
        atomic_fetch_or_explicit(&hart->irq, soft, memory_order_acq_rel);
    else
        atomic_fetch_and_explicit(&hart->irq, ~soft, memory_order_acq_rel);
}

bool hv_csr_write(struct hv_hart *hart, unsigned csr, uint64_t value)
{
    struct hv_csrs *all = &hart->csr;
    if (!readable(hart, csr) || csr >> 10 == 3)
        return false;
    switch (csr) {
    case CSR_FFLAGS:
        write_fcsr(all, value & 31, all->frm);
        return true;
    case CSR_FRM:
        write_fcsr(all, all->fflags, value & 7);
        return true;
    case CSR_FCSR:
        write_fcsr(all, value & 31, value >> 5 & 7);
        return true;
    case CSR_SSTATUS:
        write_sstatus(hart, value);
        return true;
    case CSR_SIE:
        all->sie = value & IRQ_ALL;
        return true;
    case CSR_STVEC:
        if (!(value & 2)) /* modes 2 and 3 are reserved */
            all->stvec = value;
        return true;
    case CSR_SCOUNTEREN:
        all->scounteren = value & 7;
        return true;
    case CSR_SENVCFG:
        return true;
    case CSR_SSCRATCH:
        all->sscratch = value;
        return true;
    case CSR_SEPC:
        all->sepc = value & ~UINT64_C(1);
        return true;
    case CSR_SCAUSE:
        all->scause = value;
        return true;
    case CSR_STVAL:
        all->stval = value;
        return true;
    case CSR_SIP:
        write_sip(hart, value);
        return true;
    case CSR_SATP:
        return write_satp(hart, value);
    default:
        return false;
    }
}
