/* SPDX-License-Identifier: MIT */
/* The model's life, and the comparison of engine and model. */
#include "model.h"
#include "grow.h"
#include "table.h" /* SHARE_TABLE_MOVES */
#include <string.h>

static enum share_answer answer(struct vmm *vmm, enum vmm_op op, share_vm vm, share_ppn ppn)
{
    struct model *model = vmm->hook_ctx;
    (void)vm;
    (void)ppn;
    if (!model->in_step || !model->failing || op == VMM_PEEK ||
        model->source.below(model->source.ctx, model->failing))
        return SHARE_ANSWER_OK;
    static const enum share_answer refusals[] = {SHARE_ANSWER_STALE, SHARE_ANSWER_BUSY,
                                                 SHARE_ANSWER_FAIL};
    return refusals[model->source.below(model->source.ctx, 3)];
}

static bool refuse(void *ctx)
{
    const struct model *model = ctx;
    return model->in_step && model->failing &&
           model->source.below(model->source.ctx, model->failing) == 0;
}

void model_init(struct model *model, struct model_source source, uint64_t salt, uint64_t hash_mask)
{
    memset(model, 0, sizeof *model);
    model->source = source;
    metadata_init(&model->metadata);
    model->metadata.refuse = refuse;
    model->metadata.refuse_ctx = model;
    /* A few machine pages fewer than guest pages: populating may fail, too. */
    model->vmm = vmm_new(MODEL_VMS, MODEL_SLOTS, MODEL_VMS * MODEL_SLOTS * 3 / 4);
    model->share = vmm_engine(model->vmm, &model->metadata.alloc, salt);
    model->vmm->hook_ctx = model;
    model->vmm->answer = answer;
    model->weak_hash = hash_mask != ~UINT64_C(0);
    vmm_weaken_hash(model->vmm, hash_mask);
    model->group[0] = (struct model_group){.live = true, .sharing = true, .number = 0};
}

/* ---------------------------------------------------------------------------------- checks -- */

static void check_contents(const struct model *model)
{
    for (share_vm vm = 0; vm < MODEL_VMS; vm++)
        for (unsigned slot = 0; slot < MODEL_SLOTS && model->vm[vm].live; slot++) {
            const struct model_page *page = &model->vm[vm].page[slot];
            MUST(vmm_page(model->vmm, vm, slot)->present == page->present);
            MUST(!page->present || vmm_reads(model->vmm, vm, slot, page->content));
        }
}

struct census {
    uint64_t framed, hinted, shared, code, distinct_frames;
    uint64_t frame_refs[MODEL_VMS * MODEL_SLOTS + 1]; /* pages seen on a frame */
};

/* Counts the pages of one VM as share_page_info describes them. */
static void count_vm(struct model *model, share_vm vm, struct census *census)
{
    struct model_vm *of = &model->vm[vm];
    for (unsigned slot = 0; slot < model->vm[vm].slots; slot++) {
        struct share_page_info info = vmm_info(model->vmm, vm, slot);
        const struct vmm_page *page = vmm_page(model->vmm, vm, slot);
        MUST(info.state != SHARE_PAGE_MERGING && info.state != SHARE_PAGE_MOVING);
        census->hinted += info.state == SHARE_PAGE_HINTED;
        bool shared = info.state == SHARE_PAGE_SHARED;
        MUST(!shared || !of->page[slot].alone || of->page[slot].framed);
        of->page[slot].framed = shared;
        MUST(shared == ((page->reasons & VMM_SHARING) != 0));
        if (!shared)
            continue;
        MUST(page->present && info.mpn.n == model->vmm->mpn_base + page->mpn);
        MUST(info.refs == atomic_load(&model->vmm->machine[page->mpn].maps));
        census->framed++;
        census->shared += info.refs > 1;
        census->code += info.code;
        MUST(info.frame && info.frame <= MODEL_VMS * MODEL_SLOTS);
        census->distinct_frames += census->frame_refs[info.frame]++ == 0;
        MUST(census->frame_refs[info.frame] <= info.refs);
    }
}

static void check_vm_stats(const struct model *model, share_vm vm, const struct census *before,
                           const struct census *after)
{
    struct share_stats stats;
    struct share_vm_usage usage;
    MUST(share_vm_stats(model->share, vm, &stats) == SHARE_OK);
    MUST(stats.framed_pages == after->framed - before->framed);
    MUST(stats.code_pages == after->code - before->code);
    MUST(share_vm_usage(model->share, vm, &usage) == SHARE_OK);
    MUST(usage.shared_pages == after->shared - before->shared);
    MUST(usage.shared_pages + usage.single_pages == stats.framed_pages);
    MUST(usage.charge_pages <= (double)stats.framed_pages + 0.001);
}

static void check_stats(struct model *model)
{
    struct census census = {0};
    struct share_stats stats;
    unsigned vms = 0;
    for (share_vm vm = 0; vm < MODEL_VMS; vm++) {
        struct census before = census;
        if (!model->vm[vm].live)
            continue;
        vms++;
        count_vm(model, vm, &census);
        check_vm_stats(model, vm, &before, &census);
    }
    share_stats(model->share, &stats);
    uint64_t offered = 0;
    for (unsigned o = 0; o < SHARE_OUTCOMES; o++)
        offered += stats.outcomes[o];
    MUST(stats.offered_pages == offered && offered == model->offered_pages);
    MUST(stats.framed_pages == census.framed && stats.hints == census.hinted);
    MUST(stats.frames == census.distinct_frames && stats.shared_pages == census.shared);
    MUST(stats.reclaimed_pages == census.framed - census.distinct_frames);
    MUST(stats.code_pages == census.code && stats.vms == vms);
    MUST(stats.metadata_bytes == atomic_load(&model->metadata.bytes));
    MUST(stats.metadata_peak_bytes >= stats.metadata_bytes);
    MUST(stats.buckets_moved_max <= SHARE_TABLE_MOVES);
}

void model_check(struct model *model)
{
    bool in_step = model->in_step;
    model->in_step = false; /* nothing fails while we look */
    check_contents(model);
    vmm_must_be_sound(model->vmm);
    check_stats(model);
    model->in_step = in_step;
}

/* -------------------------------------------------------------------------------- optimum -- */

/* Is the content of this page one that an earlier page of its group has? */
static bool has_earlier(const struct model *model, share_vm vm, unsigned slot)
{
    const struct model_page *page = &model->vm[vm].page[slot];
    for (share_vm v = 0; v <= vm; v++) {
        const struct model_vm *other = &model->vm[v];
        if (!other->live || other->group != model->vm[vm].group)
            continue;
        for (unsigned s = 0; s < (v == vm ? slot : MODEL_SLOTS); s++)
            if (other->page[s].present && other->page[s].content.head == page->content.head &&
                other->page[s].content.tail == page->content.tail)
                return true;
    }
    return false;
}

/* Machine pages needed at least: one a content and group, and one a page where nothing is shared.
 */
static unsigned optimum(const struct model *model)
{
    unsigned needed = 0;
    for (share_vm vm = 0; vm < MODEL_VMS; vm++)
        for (unsigned slot = 0; slot < MODEL_SLOTS && model->vm[vm].live; slot++)
            needed += model->vm[vm].page[slot].present &&
                      !(model->group[model->vm[vm].group].sharing && has_earlier(model, vm, slot));
    return needed;
}

static bool any_pinned(const struct model *model)
{
    for (unsigned i = 0; i < MODEL_VMS * MODEL_SLOTS; i++)
        if (model->vmm->page[i].present && model->vmm->page[i].pinned)
            return true;
    return false;
}

static bool any_alone(const struct model *model)
{
    bool any = false;
    for (share_vm vm = 0; vm < MODEL_VMS; vm++)
        for (unsigned slot = 0; slot < MODEL_SLOTS && model->vm[vm].live; slot++)
            any |= model->vm[vm].page[slot].alone;
    return any;
}

void model_share_now(struct model *model)
{
    struct share_scan_report report;
    enum share_result result = share_now(model->share, 8, &report);
    model->offered_pages += report.looked_pages;
    /* More entries of one hash than a lookup returns: a page may not find its own hint again. */
    MUST(result == SHARE_OK || model->failing ||
         (result == SHARE_UNSETTLED && (model->weak_hash || any_pinned(model))));
    if (!model->failing && !model->weak_hash && !any_pinned(model)) {
        unsigned used = vmm_used(model->vmm), least = optimum(model);
        MUST(any_alone(model) ? used >= least : used == least);
        MUST(share_settled(model->share));
    }
}

void model_fini(struct model *model)
{
    model->in_step = false;
    model->failing = 0;
    for (share_vm vm = 0; vm < MODEL_VMS; vm++)
        if (model->vm[vm].live)
            vmm_remove(model->vmm, vm, vm % 2);
    memset(model->vm, 0, sizeof model->vm);
    model_check(model);
    MUST(vmm_used(model->vmm) == 0);
    share_free(model->share);
    MUST(atomic_load(&model->metadata.bytes) == 0 && atomic_load(&model->metadata.blocks) == 0);
    vmm_free(model->vmm);
}
