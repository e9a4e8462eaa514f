/* SPDX-License-Identifier: MIT */
/* A hostile paravirtualized guest against a model. See para_model.h. */
#include "para_model.h"

#include <string.h>

#include "cpu/access.h"
#include "inside.h"
#include "must.h"

enum { BATCH = 0, BATCH_MAX = 4, FEW_SLOTS = 4, TABLES_MAX = 14, MACHINE_PAGES = 2 * 2048 + 64 };

/* A load and a store, and two tables that map them: other steps leave these pages alone. */
enum { CODE = PARA_MODEL_PAGES - 3, CODE_MIDDLE, CODE_LEAF, PICKED = CODE, CODE_SLOT = 5 };
enum { LOAD_AT = 0, STORE_AT = 4, TRAP_AT = 8 };
enum { REG_T0 = 5, REG_T1 = 6, REG_A0 = 10, CSR_STVEC = 0x105 };
static const uint32_t code[] = {0x00053303 /* ld t1,0(a0) */, 0x00553023 /* sd t0,0(a0) */,
                                0x0000006f /* j . */};
#define CODE_VA ((uint64_t)CODE_SLOT << 30)

#define PPN_BEGIN  (HV_RAM_BASE >> HV_PAGE_SHIFT)
#define PPN_END    (PPN_BEGIN + 2048)
#define LEAF_FLAGS (HV_PTE_R | HV_PTE_W | HV_PTE_X)

static uint64_t pick(struct para_model *model, uint64_t below)
{
    return model->source.below(model->source.ctx, below);
}

static uint64_t gpa_of(uint64_t page)
{
    return (PPN_BEGIN + page) << HV_PAGE_SHIFT;
}

static uint64_t mpn_of(const struct hv_vm *vm, uint64_t page)
{
    uint32_t mpn = hv_physmap_at(&vm->map, (hv_ppn){PPN_BEGIN + page})->mpn;
    return mpn == HV_MPN_NONE ? HV_PARA_ABSENT : mpn;
}

/* Notes which machine pages are the VM's now. Nothing moves twice in a step. */
static void note_owned(struct para_model *model)
{
    for (unsigned i = 0; i < PARA_MODEL_PAGES; i++)
        if (mpn_of(model->vm, i) != HV_PARA_ABSENT)
            model->ever[mpn_of(model->vm, i)] = 1;
}

static struct hv_hypercall_answer ask(struct para_model *model, uint64_t call, uint64_t a0,
                                      uint64_t a1)
{
    hv_hart_set_reg(model->vm->hart, 10, a0);
    hv_hart_set_reg(model->vm->hart, 11, a1);
    struct hv_hypercall_answer answer = hv_hypercall(model->vm, call);
    model->refused += answer.error != HV_PARA_OK;
    return answer;
}

/* ---- what calls must answer */

/* A page number of the guest's, or what is none: then -1. */
static int page_of(uint64_t ppn)
{
    return ppn >= PPN_BEGIN && ppn < PPN_BEGIN + PARA_MODEL_PAGES ? (int)(ppn - PPN_BEGIN) : -1;
}

static bool in_memory(uint64_t ppn)
{
    return ppn >= PPN_BEGIN && ppn < PPN_END;
}

/* Whether an entry of any table that is still one names this page, and as what. */
static bool named(const struct para_model *model, unsigned page, bool branch, uint64_t flags)
{
    for (unsigned t = 0; t < PARA_MODEL_PAGES; t++)
        for (unsigned s = 0; model->page[t].table && s < PARA_MODEL_SLOTS; s++) {
            const struct para_model_entry *entry = &model->page[t].entry[s];
            if (entry->flags && entry->page == page && (model->page[t].level > 0) == branch &&
                (entry->flags & flags) == flags)
                return true;
        }
    return false;
}

static unsigned count_tables(const struct para_model *model)
{
    unsigned count = 0;
    for (unsigned i = 0; i < PARA_MODEL_PAGES; i++)
        count += model->page[i].table;
    return count;
}

static int64_t expect_mpn(const struct para_model *model, uint64_t mpn, unsigned page)
{
    if (mpn == mpn_of(model->vm, page))
        return HV_PARA_OK;
    if (mpn == HV_PARA_ABSENT || (mpn < MACHINE_PAGES && model->ever[mpn]))
        return HV_PARA_RETRY;
    return HV_PARA_DENIED;
}

static int64_t expect_branch(const struct para_model_page *table,
                             const struct para_model_page *child, unsigned slot, uint64_t flags)
{
    if (flags != HV_PTE_V || !child->table || child->level + 1 != table->level)
        return HV_PARA_INVALID;
    return table->level == 2 && slot >= 510 ? HV_PARA_DENIED : HV_PARA_OK;
}

static int64_t expect_leaf(const struct para_model_page *page, uint64_t flags)
{
    if (!(flags & HV_PTE_V) || !(flags & (HV_PTE_R | HV_PTE_X)) ||
        ((flags & HV_PTE_W) && !(flags & HV_PTE_R)))
        return HV_PARA_INVALID;
    return (flags & HV_PTE_W) && page->table ? HV_PARA_DENIED : HV_PARA_OK;
}

/* Pages beyond those of the model are never tables, and absent. */
static int64_t expect_update(const struct para_model *model, const struct hv_para_update *u)
{
    static const struct para_model_page plain;
    uint64_t flags = u->entry & 1023, mpn = u->entry >> 10 & ((UINT64_C(1) << 44) - 1);
    int at = page_of(u->at >> HV_PAGE_SHIFT), to = page_of(u->ppn);
    unsigned slot = (unsigned)(u->at % HV_PAGE_BYTES / 8);
    if (!in_memory(u->at >> HV_PAGE_SHIFT) || u->at > (PPN_END << HV_PAGE_SHIFT) - 8)
        return HV_PARA_ADDRESS;
    if (at < 0 || !model->page[at].table || u->at % 8)
        return HV_PARA_INVALID;
    if (u->entry == 0)
        return HV_PARA_OK;
    if (!in_memory(u->ppn))
        return HV_PARA_ADDRESS;
    if (u->entry >> 54 || (flags & HV_PARA_COW))
        return HV_PARA_INVALID;
    const struct para_model_page *page = to >= 0 ? &model->page[to] : &plain;
    int64_t expected = model->page[at].level > 0
                           ? expect_branch(&model->page[at], page, slot, flags)
                           : expect_leaf(page, flags);
    if (expected != HV_PARA_OK)
        return expected;
    return to >= 0 ? expect_mpn(model, mpn, (unsigned)to)
           : mpn == HV_PARA_ABSENT || (mpn < MACHINE_PAGES && model->ever[mpn]) ? HV_PARA_RETRY
                                                                                : HV_PARA_DENIED;
}

/* ---- calls */

static uint64_t some_ppn(struct para_model *model)
{
    return pick(model, 32) ? PPN_BEGIN + pick(model, PICKED)
                           : model->source.word(model->source.ctx);
}

static void create(struct para_model *model)
{
    uint64_t ppn = some_ppn(model), level = pick(model, 16) ? pick(model, 3) : pick(model, 256);
    int page = page_of(ppn);
    int64_t expected = HV_PARA_OK;
    if (level > 2)
        expected = HV_PARA_INVALID;
    else if (!in_memory(ppn))
        expected = HV_PARA_ADDRESS;
    else if (page < 0)
        return; /* the model has not so many pages */
    else if (model->page[page].table)
        expected = HV_PARA_INVALID;
    else if (named(model, (unsigned)page, false, HV_PTE_W))
        expected = HV_PARA_BUSY;
    else if (count_tables(model) == TABLES_MAX)
        expected = HV_PARA_NOMEM;
    MUST(ask(model, HV_PARA_CREATE_PT, ppn, level).error == expected);
    if (expected == HV_PARA_OK)
        model->page[page] = (struct para_model_page){.table = true, .level = (unsigned)level};
}

static void destroy(struct para_model *model)
{
    uint64_t ppn = some_ppn(model);
    int page = page_of(ppn);
    int64_t expected = HV_PARA_OK;
    if (!in_memory(ppn))
        expected = HV_PARA_ADDRESS;
    else if (page < 0 || !model->page[page].table)
        expected = HV_PARA_INVALID;
    else if (page == model->root || named(model, (unsigned)page, true, HV_PTE_V))
        expected = HV_PARA_BUSY;
    MUST(ask(model, HV_PARA_DESTROY_PT, ppn, 0).error == expected);
    model->stale |= expected == HV_PARA_OK;
    if (expected == HV_PARA_OK)
        model->page[page] = (struct para_model_page){.table = false};
}

static void switch_to(struct para_model *model)
{
    uint64_t ppn = some_ppn(model);
    int page = page_of(ppn);
    bool root = page >= 0 && model->page[page].table && model->page[page].level == 2;
    int64_t expected = root ? HV_PARA_OK : in_memory(ppn) ? HV_PARA_INVALID : HV_PARA_ADDRESS;
    MUST(ask(model, HV_PARA_SWITCH_PT, ppn, 0).error == expected);
    if (!root)
        return;
    model->root = page;
    model->stale = false;
}

/* Most are what an orderly guest would ask for, with one thing wrong now and then. */
static struct hv_para_update some_update(struct para_model *model)
{
    uint64_t at = pick(model, PICKED), to = pick(model, PICKED);
    for (unsigned tries = 0; tries < 8 && !model->page[at].table; tries++)
        at = (at + 1) % PICKED;
    bool branch = model->page[at].table && model->page[at].level > 0;
    for (unsigned tries = 0; branch && tries < PARA_MODEL_PAGES; tries++, to++)
        if (model->page[to % PARA_MODEL_PAGES].table &&
            model->page[to % PARA_MODEL_PAGES].level + 1 == model->page[at].level)
            break;
    to %= PARA_MODEL_PAGES;
    uint64_t flags =
        branch ? HV_PTE_V : HV_PTE_V | HV_PTE_R | (model->source.word(model->source.ctx) & 0xfe);
    struct hv_para_update u = {gpa_of(at) + pick(model, FEW_SLOTS) * 8,
                               mpn_of(model->vm, to) << 10 | flags, PPN_BEGIN + to};
    switch (pick(model, 24)) {
    case 0:
        u.entry = 0;
        break;
    case 1:
        u.entry = mpn_of(model->neighbour, to) << 10 | flags;
        break;
    case 2:
        u.entry = pick(model, MACHINE_PAGES + 8) << 10 | flags;
        break;
    case 3:
        u.entry = model->source.word(model->source.ctx);
        break;
    case 4:
        u.ppn = some_ppn(model);
        break;
    case 5:
        u.at = model->source.word(model->source.ctx);
        break;
    case 6:
        u.at = gpa_of(at) + pick(model, HV_PAGE_BYTES);
        break;
    case 7:
        u.entry = HV_PARA_ABSENT << 10 | flags;
        break;
    }
    return u;
}

static void apply(struct para_model *model, const struct hv_para_update *u)
{
    struct para_model_entry *entry =
        &model->page[page_of(u->at >> HV_PAGE_SHIFT)].entry[u->at % HV_PAGE_BYTES / 8];
    model->stale |= entry->flags != 0;
    *entry = (struct para_model_entry){u->entry & 1023, u->entry ? (unsigned)page_of(u->ppn) : 0};
}

static void update(struct para_model *model)
{
    struct hv_para_update batch[BATCH_MAX];
    uint64_t count = 1 + pick(model, BATCH_MAX), done = 0;
    if (model->page[BATCH].table)
        return; /* nowhere to put it */
    for (uint64_t i = 0; i < count; i++)
        batch[i] = some_update(model);
    MUST(hv_guest_write(model->vm, gpa_of(BATCH), batch, sizeof batch));
    model->page[BATCH].word = batch[0].at;
    note_owned(model);
    if (pick(model, 32) == 0) { /* a batch that lies somewhere, of some size */
        uint64_t gpa = model->source.word(model->source.ctx) | 1;
        MUST(ask(model, HV_PARA_UPDATE_PT, gpa, count).error == HV_PARA_INVALID);
        count = HV_PARA_BATCH_MAX + 1 + model->source.word(model->source.ctx) / 2;
        MUST(ask(model, HV_PARA_UPDATE_PT, gpa_of(BATCH), count).error == HV_PARA_INVALID);
        return;
    }
    int64_t expected = HV_PARA_OK;
    for (; done < count && (expected = expect_update(model, &batch[done])) == HV_PARA_OK; done++)
        apply(model, &batch[done]);
    struct hv_hypercall_answer answer = ask(model, HV_PARA_UPDATE_PT, gpa_of(BATCH), count);
    MUST(answer.error == expected && answer.value == done);
    model->updates += done;
}

/* ---- accesses */

/* What the guest's entries allow: a page, or -1. */
static int expect_page(const struct para_model *model, uint64_t va, enum hv_access access)
{
    int page = model->root;
    for (unsigned level = 2; page >= 0; level--) {
        const struct para_model_entry *entry =
            &model->page[page].entry[va >> (12 + 9 * level) & 511];
        if (!entry->flags)
            return -1;
        page = (int)entry->page;
        if (level > 0)
            continue;
        bool right = access == HV_ACCESS_FETCH  ? entry->flags & HV_PTE_X
                     : access == HV_ACCESS_LOAD ? entry->flags & HV_PTE_R
                                                : entry->flags & HV_PTE_W;
        return right && !(entry->flags & HV_PTE_U) ? page : -1; /* S mode, without SUM */
    }
    return -1;
}

static void access_one(struct para_model *model)
{
    enum hv_access access = (enum hv_access)pick(model, 4);
    uint64_t va = 0;
    for (unsigned level = 0; level < 3; level++)
        va |= pick(model, FEW_SLOTS) << (12 + 9 * level);
    struct hv_tlb_fill fill = {.span_bits = 12};
    int page = expect_page(model, va, access);
    if (model->root < 0) { /* no translation yet: addresses are guest-physical */
        page = (int)pick(model, PICKED);
        va = gpa_of((uint64_t)page);
        if (access >= HV_ACCESS_STORE && model->page[page].table)
            page = -1;
    }
    enum hv_fill kind = HV_FILL_STOP; /* the VMM was busy with the page: again */
    for (unsigned tries = 0; kind == HV_FILL_STOP && tries < 4; tries++)
        kind = hv_para_fill(model->vm, va, access, &fill);
    MUST(kind == (page < 0 ? HV_FILL_FAULT : HV_FILL_PAGE));
    model->faults += page < 0;
    model->accesses += page >= 0;
    if (page < 0)
        return;
    if (model->root >= 0)
        model->last_va = va;
    hv_mpn mpn = {mpn_of(model->vm, (uint64_t)page)};
    MUST(!(hv_physmap_at(&model->vm->map, (hv_ppn){PPN_BEGIN + (uint64_t)page})->reasons &
           HV_REASON_SAMPLING));
    MUST(fill.page == hv_machine_page(&model->world->commons.machine, mpn));
    if (!model->page[page].table)
        MUST(hv_mem_load(fill.page, 8) == model->page[page].word);
    if ((fill.allow & HV_ALLOW_WRITE) && model->root >= 0)
        MUST(expect_page(model, va, HV_ACCESS_STORE) == page && !model->page[page].table);
    if (access < HV_ACCESS_STORE)
        return;
    model->page[page].word = pick(model, 3); /* few contents: pages become equal */
    hv_mem_store(fill.page, 8, model->page[page].word);
}

/* The root of now maps the code; false: there is none, or nowhere to ask from. */
static bool map_code(struct para_model *model)
{
    if (model->root < 0 || model->page[BATCH].table)
        return false;
    struct hv_para_update u = {gpa_of((uint64_t)model->root) + CODE_SLOT * 8,
                               mpn_of(model->vm, CODE_MIDDLE) << 10 | HV_PTE_V,
                               PPN_BEGIN + CODE_MIDDLE};
    if (expect_page(model, CODE_VA, HV_ACCESS_FETCH) == CODE)
        return true;
    MUST(hv_guest_write(model->vm, gpa_of(BATCH), &u, sizeof u));
    model->page[BATCH].word = u.at;
    MUST(ask(model, HV_PARA_UPDATE_PT, gpa_of(BATCH), 1).error == HV_PARA_OK);
    apply(model, &u);
    return true;
}

/* One instruction of the guest's, through its TLB. */
static void run_code(struct para_model *model, uint64_t at, uint64_t va, uint64_t value)
{
    struct hv_hart *hart = model->vm->hart;
    hv_hart_set_reg(hart, REG_A0, va);
    hv_hart_set_reg(hart, REG_T0, value);
    hv_hart_set_pc(hart, CODE_VA + at);
    for (unsigned tries = 0; hv_hart_pc(hart) == CODE_VA + at; tries++) {
        MUST(tries < 8); /* the VMM was busy with the page, or asked to look up */
        hv_hart_run(hart, 1);
    }
}

/* With translations that the guest should have flushed: the store goes to a page of its own that is
 * no table, or nowhere. */
static void find_store(struct para_model *model, uint64_t value)
{
    unsigned changed = 0;
    for (unsigned i = 0; i < PICKED; i++) {
        uint64_t word;
        MUST(hv_guest_read(model->vm, gpa_of(i), &word, sizeof word));
        if (model->page[i].table || word == model->page[i].word)
            continue;
        MUST(word == value && ++changed == 1);
        model->page[i].word = word;
    }
    MUST(!hv_para_check(model->vm->para));
}

static void execute(struct para_model *model)
{
    bool store = pick(model, 2);
    uint64_t va = model->last_va, value = pick(model, 3);
    if (!map_code(model))
        return;
    if (pick(model, 4) == 0) { /* else where the TLB may still have something */
        va = 0;
        for (unsigned level = 0; level < 3; level++)
            va |= pick(model, FEW_SLOTS) << (12 + 9 * level);
        model->last_va = va;
    }
    uint64_t exceptions = hv_hart_stats(model->vm->hart).exceptions;
    int page = expect_page(model, va, store ? HV_ACCESS_STORE : HV_ACCESS_LOAD);
    run_code(model, store ? STORE_AT : LOAD_AT, va, value);
    bool trapped = hv_hart_stats(model->vm->hart).exceptions != exceptions;
    model->executed++;
    if (model->stale) {
        find_store(model, value);
        return;
    }
    MUST(trapped == (page < 0));
    if (page >= 0 && store)
        model->page[page].word = value;
    else if (page >= 0 && !model->page[page].table)
        MUST(hv_hart_reg(model->vm->hart, REG_T1) == model->page[page].word);
}

static void flush(struct para_model *model)
{
    uint64_t pages = pick(model, 256);
    MUST(ask(model, HV_PARA_FLUSH_TLB, 0, pages).error == HV_PARA_OK);
    model->stale = model->stale && pages > 0 && pages <= 64;
}

/* ---- the rest of the world */

static void offer(struct para_model *model)
{
    const struct hv_vm *vm = pick(model, 2) ? model->vm : model->neighbour;
    share_ppn ppn = {PPN_BEGIN + pick(model, PICKED)};
    MUST(share_offer(model->world->commons.share, vm->share, &ppn, 1, NULL) == SHARE_OK);
}

/* A device, or the VMM for whoever: the neighbour's own stores look the same. */
static void write_by_vmm(struct para_model *model)
{
    unsigned page = (unsigned)pick(model, PICKED);
    uint64_t word = pick(model, 3);
    if (pick(model, 2)) {
        model->theirs[page] = word;
        others_must_be_same(&model->others);
        MUST(hv_guest_write(model->neighbour, gpa_of(page), &word, sizeof word));
        model->others = others_now(model->world, model->vm);
        return;
    }
    bool written = hv_guest_write(model->vm, gpa_of(page), &word, sizeof word);
    MUST(written == !model->page[page].table);
    if (written)
        model->page[page].word = word;
}

static void leave(struct para_model *model)
{
    unsigned page = (unsigned)pick(model, PICKED);
    bool left = hv_page_depart(model->vm, (hv_ppn){PPN_BEGIN + page}, HV_DEPART_FREE);
    MUST(left == !model->page[page].table);
    if (left)
        model->page[page].word = 0;
}

/* To the VMM's disk: whoever touches it finds it as it was. */
static void page_out(struct para_model *model)
{
    unsigned page = (unsigned)pick(model, PICKED);
    const struct hv_physmap_entry *entry =
        hv_physmap_at(&model->vm->map, (hv_ppn){PPN_BEGIN + page});
    bool could = entry->mpn != HV_MPN_NONE && !model->page[page].table;
    bool did = hv_paging_take(model->vm, (hv_ppn){PPN_BEGIN + page}) != HV_PAGING_NOTHING;
    MUST(could || !did);
}

static void sample(struct para_model *model)
{
    if (pick(model, 2))
        hv_vm_sample(model->vm, pick(model, 2), pick(model, 2) == 1);
    else
        hv_sample_turn(model->vm, 1);
}

void para_model_step(struct para_model *model)
{
    static void (*const steps[])(struct para_model *) = {
        update, update, update,     update, access_one, access_one, access_one,   access_one,
        offer,  offer,  access_one, create, create,     destroy,    write_by_vmm, leave,
    };
    uint64_t which = pick(model, 64);
    if (which == 0)
        sample(model);
    else if (which == 4)
        page_out(model);
    else if (which < 3)
        switch_to(model);
    else if (which == 3)
        flush(model);
    else if (which > 55)
        execute(model);
    else
        steps[which % (sizeof steps / sizeof *steps)](model);
    note_owned(model);
    MUST(model->vm->state == HV_RUNNING_VM && model->neighbour->state == HV_RUNNING_VM);
}

static void check_memory(struct hv_vm *vm, const struct para_model_page *page,
                         const uint64_t *words)
{
    for (unsigned i = 0; i < PARA_MODEL_PAGES; i++) {
        uint64_t bytes[HV_PAGE_BYTES / 8];
        if (page && (page[i].table || i == BATCH || i == CODE))
            continue;
        MUST(hv_guest_read(vm, gpa_of(i), bytes, sizeof bytes));
        MUST(bytes[0] == (page ? page[i].word : words[i]));
        for (unsigned k = 1; k < HV_PAGE_BYTES / 8; k++)
            MUST(bytes[k] == 0);
    }
}

void para_model_check(struct para_model *model)
{
    const char *wrong = hv_world_check(model->world);
    if (wrong)
        fprintf(stderr, "%s\n", wrong);
    MUST(!wrong);
    check_memory(model->vm, model->page, NULL);
    check_memory(model->neighbour, NULL, model->theirs);
    others_must_be_same(&model->others);
}

static struct hv_vm *new_vm(struct para_model *model)
{
    struct hv_error error = {""};
    struct hv_vm_config config = {
        .memory_bytes = 8 << 20, .seed = 1, .para = true, .para_tables = TABLES_MAX};
    struct hv_vm *vm = hv_vm_new(model->world, &config, &error);
    MUST(vm);
    return vm;
}

/* Tables that any root may name: CODE at CODE_VA. */
static void make_code(struct para_model *model)
{
    const struct hv_para_update batch[] = {
        {gpa_of(CODE_MIDDLE), mpn_of(model->vm, CODE_LEAF) << 10 | HV_PTE_V, PPN_BEGIN + CODE_LEAF},
        {gpa_of(CODE_LEAF), mpn_of(model->vm, CODE) << 10 | HV_PTE_V | HV_PTE_R | HV_PTE_X,
         PPN_BEGIN + CODE}};
    for (unsigned i = 0; i < 2; i++) {
        unsigned page = i ? CODE_LEAF : CODE_MIDDLE;
        MUST(ask(model, HV_PARA_CREATE_PT, PPN_BEGIN + page, 1 - i).error == HV_PARA_OK);
        model->page[page] = (struct para_model_page){.table = true, .level = 1 - i};
    }
    MUST(hv_guest_write(model->vm, gpa_of(CODE), code, sizeof code));
    memcpy(&model->page[CODE].word, code, sizeof model->page[CODE].word);
    MUST(hv_guest_write(model->vm, gpa_of(BATCH), batch, sizeof batch));
    model->page[BATCH].word = batch[0].at;
    MUST(ask(model, HV_PARA_UPDATE_PT, gpa_of(BATCH), 2).error == HV_PARA_OK);
    for (unsigned i = 0; i < 2; i++)
        apply(model, &batch[i]);
    MUST(hv_hart_csr_write(model->vm->hart, CSR_STVEC, CODE_VA + TRAP_AT));
}

void para_model_init(struct para_model *model, struct para_source source)
{
    struct hv_error error = {""};
    struct hv_world_config config = {
        .machine_pages = MACHINE_PAGES, .sharing = true, .scattered = true, .seed = 1};
    *model = (struct para_model){.source = source, .root = -1};
    model->world = hv_world_new(&config, &error);
    model->page = calloc(PARA_MODEL_PAGES, sizeof *model->page);
    model->ever = calloc(MACHINE_PAGES, 1);
    MUST(model->world && model->page && model->ever);
    model->vm = new_vm(model);
    model->neighbour = new_vm(model);
    for (unsigned i = 0; i < PARA_MODEL_PAGES; i++) {
        model->theirs[i] = model->page[i].word = i % 3;
        MUST(hv_guest_write(model->vm, gpa_of(i), &model->theirs[i], 8));
        MUST(hv_guest_write(model->neighbour, gpa_of(i), &model->theirs[i], 8));
    }
    model->others = others_now(model->world, model->vm);
    note_owned(model);
    make_code(model);
}

void para_model_fini(struct para_model *model)
{
    para_model_check(model);
    hv_vm_exit(model->vm);
    check_memory(model->neighbour, NULL, model->theirs);
    hv_vm_exit(model->neighbour);
    MUST(hv_machine_used(&model->world->commons.machine) == 0);
    hv_world_free(model->world);
    free(model->page);
    free(model->ever);
}
