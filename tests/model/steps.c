/* SPDX-License-Identifier: MIT */
/* The operations of the model, each done to the engine and to the model. */
#include "model.h"

static uint32_t pick(struct model *model, uint32_t bound)
{
    return model->source.below(model->source.ctx, bound);
}

/* Few contents, so that equal pages are common; {0, 0} is the zero page. */
static struct vmm_content pick_content(struct model *model)
{
    return (struct vmm_content){pick(model, 3), pick(model, 3)};
}

/* A VM that lives, or MODEL_VMS. */
static share_vm pick_vm(struct model *model)
{
    share_vm first = pick(model, MODEL_VMS);
    for (share_vm i = 0; i < MODEL_VMS; i++)
        if (model->vm[(first + i) % MODEL_VMS].live)
            return (first + i) % MODEL_VMS;
    return MODEL_VMS;
}

static unsigned pick_slot(struct model *model, share_vm vm)
{
    return pick(model, model->vm[vm].slots);
}

static unsigned pick_group(struct model *model)
{
    unsigned group = pick(model, MODEL_GROUPS);
    return model->group[group].live ? group : 0;
}

/* --------------------------------------------------------------------------------- sharing -- */

static void offer(struct model *model, share_vm vm)
{
    share_ppn ppns[100];
    enum share_outcome outcomes[100];
    unsigned count = pick(model, 100), start = pick(model, MODEL_SLOTS);
    for (unsigned i = 0; i < count; i++) {
        /* Mostly in order; some twice, some that are not there. */
        ppns[i] = vmm_ppn(model->vmm, vm, (start + i) % MODEL_SLOTS);
        if (pick(model, 16) == 0)
            ppns[i].n += 1 + pick(model, 3);
    }
    enum share_result result = share_offer(model->share, vm, ppns, count, outcomes);
    MUST(result == SHARE_OK || (result == SHARE_NOMEM && model->failing));
    for (unsigned i = 0; i < count; i++)
        MUST(outcomes[i] < SHARE_OUTCOMES);
    model->offered_pages += count;
}

static void scan(struct model *model)
{
    static const enum share_order orders[] = {SHARE_SEQUENTIAL, SHARE_RANDOM, SHARE_DIRTY};
    struct share_scan_report report;
    uint64_t budget = pick(model, 200);
    uint64_t budget_ns = pick(model, 2) ? UINT64_MAX : pick(model, 1000);
    enum share_result result =
        share_scan_for(model->share, orders[pick(model, 3)], pick(model, 2) ? SHARE_SCAN_ALL : 0,
                       budget, budget_ns, &report);
    MUST(result == SHARE_OK || (result == SHARE_NOMEM && model->failing));
    MUST(report.looked_pages <= budget);
    model->offered_pages += report.looked_pages;
}

static void dirty(struct model *model, share_vm vm)
{
    share_ppn ppns[8];
    unsigned count = pick(model, 8);
    for (unsigned i = 0; i < count; i++)
        ppns[i] = vmm_ppn(model->vmm, vm, pick_slot(model, vm));
    enum share_result result = share_dirty(model->share, vm, ppns, count);
    MUST(result == SHARE_OK || (result == SHARE_NOMEM && model->failing));
}

/* -------------------------------------------------------------------------------- guest pages --
 */

static void write_page(struct model *model, share_vm vm, unsigned slot)
{
    struct model_page *page = &model->vm[vm].page[slot];
    bool head = pick(model, 2);
    uint64_t value = pick(model, 3);
    enum share_result result = vmm_store(model->vmm, vm, slot, head ? 0 : VMM_WORDS - 1, value);
    MUST((result == SHARE_GONE) == !page->present);
    /* A full pool refuses the copy: the guest would have to wait. */
    MUST(result != SHARE_NOMEM || model->failing || !model->vmm->free_count);
    MUST(result != SHARE_FAIL || model->failing);
    if (result == SHARE_OK)
        *(head ? &page->content.head : &page->content.tail) = value;
}

static void populate(struct model *model, share_vm vm, unsigned slot)
{
    struct model_page *page = &model->vm[vm].page[slot];
    struct vmm_content content = pick_content(model);
    if (page->present || !vmm_populate(model->vmm, vm, slot, content))
        return;
    page->present = true;
    page->content = content;
    vmm_page(model->vmm, vm, slot)->code = pick(model, 4) == 0;
}

static void forget(struct model *model, share_vm vm, unsigned slot)
{
    vmm_forget(model->vmm, vm, slot);
    model->vm[vm].page[slot].present = false;
}

/* Pages from a slot on, by one call; some of them are not there. */
static void forget_pages(struct model *model, share_vm vm, unsigned first, unsigned end)
{
    unsigned slots[MODEL_SLOTS], count = 0;
    for (unsigned slot = first; slot < end; slot++) {
        slots[count++] = slot;
        model->vm[vm].page[slot].present = false;
    }
    vmm_forget_pages(model->vmm, vm, slots, count);
}

/* Any pages by one call, the same page twice, too. */
static void break_pages(struct model *model, share_vm vm)
{
    share_ppn ppns[MODEL_SLOTS + 1];
    unsigned slots[MODEL_SLOTS + 1], times[MODEL_SLOTS] = {0}, count = pick(model, MODEL_SLOTS + 1);
    enum share_result results[MODEL_SLOTS + 1];
    for (unsigned i = 0; i < count; i++) {
        slots[i] = pick_slot(model, vm);
        times[slots[i]]++;
        ppns[i] = vmm_ppn(model->vmm, vm, slots[i]);
    }
    MUST(share_break_pages(model->share, vm, ppns, count, results) == SHARE_OK);
    for (unsigned i = 0; i < count; i++) {
        const struct vmm_page *page = vmm_page(model->vmm, vm, slots[i]);
        MUST(results[i] != SHARE_OK || !(page->reasons & VMM_SHARING));
        MUST(results[i] == SHARE_OK || model->failing ||
             (results[i] == SHARE_NOMEM && !model->vmm->free_count) ||
             (results[i] == SHARE_RETRY && times[slots[i]] > 1));
    }
}

/* The VMM gives a page that is on no frame another machine page, without a word. */
static void replace_untold(struct model *model, share_vm vm, unsigned slot)
{
    struct model_page *page = &model->vm[vm].page[slot];
    struct vmm_content content = pick_content(model);
    if (page->present && vmm_info(model->vmm, vm, slot).state != SHARE_PAGE_SHARED &&
        vmm_replace_untold(model->vmm, vm, slot, content))
        page->content = content;
}

/* A page that is about to be written without a mapping is broken first, then pinned. */
static void pin(struct model *model, share_vm vm, unsigned slot)
{
    struct vmm_page *page = vmm_page(model->vmm, vm, slot);
    if (!page->present)
        return;
    if (page->pinned) {
        page->pinned = false;
        return;
    }
    enum share_result result = share_break(model->share, vm, vmm_ppn(model->vmm, vm, slot));
    if (result == SHARE_OK) {
        MUST(!(page->reasons & VMM_SHARING));
        page->pinned = true;
    }
}

/* ---------------------------------------------------------------------------------- ranges -- */

/* The PPNs of a range of slots, and of what lies between them. */
static uint64_t span(const struct model *model, share_vm vm, unsigned first, unsigned end)
{
    return vmm_ppn(model->vmm, vm, end - 1).n - vmm_ppn(model->vmm, vm, first).n + 1;
}

static void unshare(struct model *model, share_vm vm, unsigned first, unsigned end)
{
    enum share_result result = share_unshare(model->share, vm, vmm_ppn(model->vmm, vm, first),
                                             span(model, vm, first, end));
    MUST(result == SHARE_OK || model->failing ||
         (result == SHARE_NOMEM && !model->vmm->free_count));
    for (unsigned slot = first; slot < end && result == SHARE_OK; slot++)
        MUST(vmm_info(model->vmm, vm, slot).state != SHARE_PAGE_SHARED);
}

static void leave_alone(struct model *model, share_vm vm, unsigned first, unsigned end, bool alone)
{
    enum share_result result = share_leave_alone(model->share, vm, vmm_ppn(model->vmm, vm, first),
                                                 span(model, vm, first, end), alone);
    MUST(result == SHARE_OK || (result == SHARE_NOMEM && model->failing));
    for (unsigned slot = first; slot < end && result == SHARE_OK; slot++) {
        struct model_page *page = &model->vm[vm].page[slot];
        page->alone = alone;
        page->framed = vmm_info(model->vmm, vm, slot).state == SHARE_PAGE_SHARED;
    }
}

/* So that all is to be shared. */
static void leave_none_alone(struct model *model)
{
    for (share_vm vm = 0; vm < MODEL_VMS; vm++)
        if (model->vm[vm].live)
            leave_alone(model, vm, 0, model->vm[vm].slots, false);
}

static void page_step(struct model *model, share_vm vm, unsigned slot, uint32_t what)
{
    switch (what) {
    case 0:
    case 1:
    case 2:
        write_page(model, vm, slot);
        break;
    case 3:
    case 4:
    case 5:
        populate(model, vm, slot);
        break;
    case 6:
        forget(model, vm, slot);
        break;
    case 7:
        replace_untold(model, vm, slot);
        break;
    case 8:
        pin(model, vm, slot);
        break;
    case 9:
        vmm_page(model->vmm, vm, slot)->reasons |=
            model->vm[vm].page[slot].present ? VMM_DIRTY_LOG : 0;
        break;
    case 12:
        unshare(model, vm, slot, slot + pick(model, model->vm[vm].slots - slot) + 1);
        break;
    case 13:
        leave_alone(model, vm, slot, slot + pick(model, model->vm[vm].slots - slot) + 1,
                    pick(model, 2));
        break;
    case 10:
        break_pages(model, vm);
        break;
    case 11:
        forget_pages(model, vm, slot, slot + pick(model, model->vm[vm].slots - slot) + 1);
        break;
    default:
        (void)!share_break(model->share, vm, vmm_ppn(model->vmm, vm, slot));
        break;
    }
}

/* --------------------------------------------------------------------------- VMs and groups -- */

static void add_vm(struct model *model)
{
    static const uint64_t begins[] = {0, 1, 63, 4096, (SHARE_PPN_END >> 1) + 5};
    static const unsigned shifts[] = {0, 0, 3, 6, 13, 27};
    unsigned group = pick_group(model);
    share_vm vm, live = 0;
    for (share_vm i = 0; i < MODEL_VMS; i++)
        live += model->vm[i].live;
    if (live == MODEL_VMS)
        return;
    enum share_result result = vmm_try_add(model->vmm, model->group[group].number,
                                           begins[pick(model, 5)], shifts[pick(model, 6)], &vm);
    MUST(result == SHARE_OK || (result == SHARE_NOMEM && model->failing));
    if (result == SHARE_OK)
        model->vm[vm] = (struct model_vm){.live = true, .group = group, .slots = MODEL_SLOTS};
}

/* Memory is plugged, or unplugged: refused while a page of it is known. */
static void resize(struct model *model, share_vm vm)
{
    unsigned slots = 1 + pick(model, MODEL_SLOTS), was = model->vm[vm].slots;
    bool known = false;
    for (unsigned slot = slots; slot < was; slot++)
        known |= vmm_info(model->vmm, vm, slot).state != SHARE_PAGE_PRIVATE;
    if (known && pick(model, 2)) {
        MUST(vmm_resize(model->vmm, vm, slots) == SHARE_INVALID);
        return;
    }
    if (slots < was)
        forget_pages(model, vm, slots, was);
    enum share_result result = vmm_resize(model->vmm, vm, slots);
    MUST(result == SHARE_OK || (result == SHARE_NOMEM && model->failing));
    if (result != SHARE_OK)
        return;
    for (unsigned slot = slots; slot < was; slot++)
        model->vm[vm].page[slot].alone = false;
    model->vm[vm].slots = slots;
}

static void remove_vm(struct model *model, share_vm vm)
{
    struct share_stats stats;
    MUST(share_vm_stats(model->share, vm, &stats) == SHARE_OK);
    vmm_remove(model->vmm, vm, pick(model, 2));
    model->vm[vm].live = false;
}

static void regroup(struct model *model, share_vm vm)
{
    unsigned group = pick_group(model);
    enum share_result result = share_vm_regroup(model->share, vm, model->group[group].number);
    MUST(result == SHARE_OK || model->failing ||
         (result == SHARE_NOMEM && !model->vmm->free_count));
    if (result == SHARE_OK)
        model->vm[vm].group = group;
}

static void change_groups(struct model *model)
{
    struct model_group *group = &model->group[1 + pick(model, MODEL_GROUPS - 1)];
    if (!group->live) {
        group->sharing = pick(model, 4) != 0;
        enum share_result result = share_group_add(model->share, group->sharing, &group->number);
        MUST(result == SHARE_OK || (result == SHARE_NOMEM && model->failing));
        group->live = result == SHARE_OK;
        return;
    }
    bool used = false;
    for (share_vm vm = 0; vm < MODEL_VMS; vm++)
        used |= model->vm[vm].live && &model->group[model->vm[vm].group] == group;
    enum share_result result = share_group_remove(model->share, group->number);
    MUST(result == (used ? SHARE_INVALID : SHARE_OK));
    group->live = used;
}

static void change_failing(struct model *model)
{
    static const unsigned odds[] = {0, 0, 0, 50, 10, 3};
    model->failing = odds[pick(model, 6)];
}

/* ---------------------------------------------------------------------------------- steps -- */

void model_step(struct model *model)
{
    uint32_t what = pick(model, 64);
    share_vm vm = pick_vm(model);
    model->in_step = true;
    if (vm == MODEL_VMS || what == 0) {
        add_vm(model);
    } else if (what == 1) {
        remove_vm(model, vm);
    } else if (what == 2) {
        regroup(model, vm);
    } else if (what == 3) {
        change_groups(model);
    } else if (what == 4) {
        change_failing(model);
    } else if (what <= 6) {
        if (pick(model, 4))
            leave_none_alone(model);
        model_share_now(model);
    } else if (what == 7) {
        resize(model, vm);
    } else if (what <= 12) {
        scan(model);
    } else if (what <= 15) {
        dirty(model, vm);
    } else if (what <= 23) {
        offer(model, vm);
    } else {
        for (unsigned i = 1 + pick(model, 8); i; i--)
            page_step(model, vm, pick_slot(model, vm), pick(model, 15));
    }
    model->in_step = false;
    model_check(model);
}
