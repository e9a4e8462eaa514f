/* SPDX-License-Identifier: MIT */
/*
 * Traps: entering the S-mode handler, and leaving it.
 *
 * Source: volume II, 4.1.1 (sstatus), 4.1.2 (stvec), 4.1.3 (order of interrupts), 3.3.2 (sret).
 */
#include "state.h"

void hv_select_bank(struct hv_hart *hart)
{
    unsigned bank = hart->priv == HV_PRIV_U              ? HV_BANK_U
                    : hart->csr.sstatus & HV_SSTATUS_SUM ? HV_BANK_SUM
                                                         : HV_BANK_S;
    hart->bank = &hart->tlb.bank[bank];
}

static void enter(struct hv_hart *hart, uint64_t scause, uint64_t tval, uint64_t handler)
{
    struct hv_csrs *csr = &hart->csr;
    uint64_t status = csr->sstatus & ~(HV_SSTATUS_SPP | HV_SSTATUS_SPIE | HV_SSTATUS_SIE);
    if (hart->priv == HV_PRIV_S)
        status |= HV_SSTATUS_SPP;
    if (csr->sstatus & HV_SSTATUS_SIE)
        status |= HV_SSTATUS_SPIE;
    csr->sstatus = status;
    csr->sepc = hart->pc;
    csr->scause = scause;
    csr->stval = tval;
    hart->priv = HV_PRIV_S;
    hart->pc = handler;
    hv_select_bank(hart);
}

enum hv_result hv_raise(struct hv_hart *hart, enum hv_cause cause, uint64_t tval)
{
    hart->exceptions++;
    hart->ticks_left--;
    enter(hart, cause, tval, hart->csr.stvec & ~UINT64_C(3));
    return HV_REDIRECTED;
}

void hv_take_interrupt(struct hv_hart *hart)
{
    static const enum hv_irq by_priority[] = {HV_IRQ_EXTERNAL, HV_IRQ_SOFT, HV_IRQ_TIMER};
    if (hart->priv == HV_PRIV_S && !(hart->csr.sstatus & HV_SSTATUS_SIE))
        return;
    uint64_t ready = atomic_load_explicit(&hart->irq, memory_order_acquire) & hart->csr.sie;
    for (unsigned i = 0; ready && i < 3; i++) {
        uint64_t irq = by_priority[i];
        if (!(ready >> irq & 1))
            continue;
        uint64_t vector = hart->csr.stvec & 1 ? 4 * irq : 0;
        hart->interrupts++;
        enter(hart, UINT64_C(1) << 63 | irq, 0, (hart->csr.stvec & ~UINT64_C(3)) + vector);
        return;
    }
}

void hv_attend(struct hv_hart *hart)
{
    uint32_t kick = HV_ATTEND_KICK;
    if (atomic_fetch_and_explicit(&hart->attention, ~kick, memory_order_acquire) & kick) {
        hart->stop = HV_STOP_KICK; /* what else there is comes first in the next run */
        return;
    }
    atomic_exchange_explicit(&hart->attention, 0, memory_order_acquire);
    hv_take_interrupt(hart);
}

void hv_sret(struct hv_hart *hart)
{
    struct hv_csrs *csr = &hart->csr;
    hart->priv = csr->sstatus & HV_SSTATUS_SPP ? HV_PRIV_S : HV_PRIV_U;
    uint64_t status = csr->sstatus & ~(HV_SSTATUS_SPP | HV_SSTATUS_SIE);
    if (csr->sstatus & HV_SSTATUS_SPIE)
        status |= HV_SSTATUS_SIE;
    csr->sstatus = status | HV_SSTATUS_SPIE;
    hart->pc = csr->sepc;
    hart->reservation.nbytes = 0; /* another context's sc must not find it */
    hv_select_bank(hart);
}
