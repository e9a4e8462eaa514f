/* SPDX-License-Identifier: MIT */
/*
 * The hart as an object: making, running, looking at it, and what its VMM does to its TLB.
 */
#include "hart.h"

#include <stdlib.h>
#include <string.h>

#include "state.h"

struct hv_hart *hv_hart_new(const struct hv_hart_ops *ops, void *ctx, struct hv_code_pool *code,
                            unsigned code_pages_max)
{
    struct hv_hart *hart = aligned_alloc(_Alignof(struct hv_hart), sizeof *hart);
    if (!hart)
        return NULL;
    memset(hart, 0, sizeof *hart);
    if (!code)
        code = hart->own_pool = hv_code_pool_new(SIZE_MAX);
    if (!code || !hv_code_cache_init(&hart->code, code, code_pages_max)) {
        hv_code_pool_free(hart->own_pool);
        free(hart);
        return NULL;
    }
    hart->ops = ops;
    hart->ctx = ctx;
    hart->priv = HV_PRIV_S;
    hart->has_fp = true;
    hart->stop = HV_STOP_BUDGET;
    atomic_init(&hart->attention, 0);
    atomic_init(&hart->irq, 0);
    hv_tlb_init(&hart->tlb);
    hv_code_page_reset(&hart->step, NULL);
    hart->step_slot = HV_CODE_SLOTS;
    hv_select_bank(hart);
    return hart;
}

void hv_hart_free(struct hv_hart *hart)
{
    if (!hart)
        return;
    hv_code_cache_fini(&hart->code);
    hv_code_pool_free(hart->own_pool);
    free(hart);
}

size_t hv_hart_code_pages(const struct hv_hart *hart)
{
    return hart->code.held;
}

void hv_hart_drop_code(struct hv_hart *hart)
{
    hv_tlb_flush_code(&hart->tlb);
    hv_code_cache_drop(&hart->code);
}

void hv_hart_set_fp(struct hv_hart *hart, bool has_fp)
{
    hart->has_fp = has_fp;
    if (!has_fp)
        hart->csr.sstatus &= ~HV_SSTATUS_FS;
}

enum hv_stop hv_hart_run(struct hv_hart *hart, uint64_t budget)
{
    uint64_t ticks = hv_ticks(hart);
    if (budget > INT64_MAX)
        budget = INT64_MAX;
    hart->ticks_end = ticks + budget;
    hart->ticks_left = (int64_t)budget;
    hart->stop = HV_RUNNING;
    hv_execute(hart);
    return (enum hv_stop)hart->stop;
}

static void attend(struct hv_hart *hart, uint32_t why)
{
    atomic_fetch_or_explicit(&hart->attention, why, memory_order_release);
}

void hv_hart_kick(struct hv_hart *hart)
{
    attend(hart, HV_ATTEND_KICK);
}

void hv_hart_set_irq(struct hv_hart *hart, enum hv_irq irq, bool level)
{
    uint32_t bit = UINT32_C(1) << irq;
    if (level)
        atomic_fetch_or_explicit(&hart->irq, bit, memory_order_release);
    else
        atomic_fetch_and_explicit(&hart->irq, ~bit, memory_order_release);
    attend(hart, HV_ATTEND_IRQ);
}

bool hv_hart_wakes(const struct hv_hart *hart)
{
    return (atomic_load_explicit(&hart->irq, memory_order_acquire) & hart->csr.sie) != 0;
}

uint64_t hv_hart_reg(const struct hv_hart *hart, unsigned i)
{
    return hart->x[i & 31];
}

void hv_hart_set_reg(struct hv_hart *hart, unsigned i, uint64_t value)
{
    if (i & 31)
        hart->x[i & 31] = value;
}

uint64_t hv_hart_freg(const struct hv_hart *hart, unsigned i)
{
    return hart->f[i & 31];
}

void hv_hart_set_freg(struct hv_hart *hart, unsigned i, uint64_t value)
{
    hart->f[i & 31] = value;
}

uint64_t hv_hart_pc(const struct hv_hart *hart)
{
    return hart->pc;
}

void hv_hart_set_pc(struct hv_hart *hart, uint64_t pc)
{
    hart->pc = pc & ~UINT64_C(1);
}

struct hv_mmu hv_hart_mmu(const struct hv_hart *hart)
{
    return (struct hv_mmu){
        .satp = hart->csr.satp,
        .priv = hart->priv,
        .sum = (hart->csr.sstatus & HV_SSTATUS_SUM) != 0,
        .mxr = (hart->csr.sstatus & HV_SSTATUS_MXR) != 0,
    };
}

bool hv_hart_csr_read(const struct hv_hart *hart, unsigned csr, uint64_t *value)
{
    return hv_csr_read(hart, csr, value);
}

bool hv_hart_csr_write(struct hv_hart *hart, unsigned csr, uint64_t value)
{
    attend(hart, HV_ATTEND_IRQ | HV_ATTEND_FETCH);
    return hv_csr_write(hart, csr, value);
}

void hv_hart_tlb_flush(struct hv_hart *hart)
{
    hart->reservation.nbytes = 0;
    hv_tlb_flush(&hart->tlb);
    attend(hart, HV_ATTEND_FETCH);
}

void hv_hart_tlb_flush_page(struct hv_hart *hart, uint64_t va)
{
    hart->reservation.nbytes = 0;
    hv_tlb_flush_page(&hart->tlb, va);
    attend(hart, HV_ATTEND_FETCH);
}

void hv_hart_tlb_flush_code(struct hv_hart *hart)
{
    hv_tlb_flush_code(&hart->tlb);
    attend(hart, HV_ATTEND_FETCH);
}

void hv_hart_tlb_drop_host_page(struct hv_hart *hart, const void *page)
{
    hv_tlb_drop_host_page(&hart->tlb, page);
    attend(hart, HV_ATTEND_FETCH);
}

void hv_hart_tlb_write_protect_host_page(struct hv_hart *hart, const void *page)
{
    hv_tlb_write_protect_host_page(&hart->tlb, page);
}

bool hv_hart_tlb_has_host_page(const struct hv_hart *hart, const void *page)
{
    return hv_tlb_has_host_page(&hart->tlb, page);
}

const void *hv_hart_tlb_find(const struct hv_hart *hart, uint64_t va, enum hv_access access)
{
    const struct hv_tlb_bank *bank = hart->bank;
    uint64_t tag = va & HV_PAGE_MASK;
    if (access == HV_ACCESS_FETCH) {
        const struct hv_tlb_code *entry = &bank->exec[hv_tlb_code_index(va)];
        return entry->tag == tag ? entry->page->host : NULL;
    }
    const struct hv_tlb_data *entry =
        &(access == HV_ACCESS_LOAD ? bank->read : bank->write)[hv_tlb_data_index(va)];
    return entry->tag == tag ? hv_tlb_host(entry, tag) : NULL;
}

struct hv_hart_stats hv_hart_stats(const struct hv_hart *hart)
{
    uint64_t ticks = hv_ticks(hart);
    return (struct hv_hart_stats){
        .ticks = ticks,
        .instructions = ticks - hart->exceptions,
        .exceptions = hart->exceptions,
        .interrupts = hart->interrupts,
        .tlb_misses = hart->tlb_misses,
        .code_decodes = hart->code_decodes,
    };
}
