/* SPDX-License-Identifier: MIT */
/* Shadow page tables against a naive walker. See shadow_model.h. */
#include "shadow_model.h"

#include <string.h>

#include "cpu/access.h"
#include "cpu/state.h"
#include "cpu/sv39.h"
#include "inside.h"
#include "must.h"

enum {
    TABLES = 24,
    DATA = 40,
    CSR_SSTATUS = 0x100,
    CSR_SATP = 0x180,
    PAGES = 2048,
    NEIGHBOUR_PAGES = 60
};

#define MEMORY_NBYTES ((uint64_t)PAGES * HV_PAGE_BYTES)
#define PPN_BEGIN     (HV_RAM_BASE >> HV_PAGE_SHIFT)

struct naive {
    unsigned cause; /* 0: it is allowed */
    uint64_t gpa;
    uint64_t leaf_gpa; /* of the leaf entry; 0: Bare */
};

/* What memory holds, by the physmap alone. */
static uint64_t peek(struct hv_vm *vm, uint64_t gpa)
{
    const struct hv_physmap_entry *page = hv_physmap_at(&vm->map, hv_ppn_of(gpa));
    if (page->mpn == HV_MPN_NONE)
        return 0;
    return hv_mem_load(hv_machine_page(vm->machine, (hv_mpn){page->mpn}) + hv_page_offset(gpa), 8);
}

static bool in_memory(uint64_t gpa)
{
    return gpa >= HV_RAM_BASE && gpa < HV_RAM_BASE + MEMORY_NBYTES;
}

static struct naive fault(enum hv_access access, bool page)
{
    static const unsigned page_causes[] = {12, 13, 15, 15}, access_causes[] = {1, 5, 7, 7};
    return (struct naive){.cause = page ? page_causes[access] : access_causes[access]};
}

/* Volume II, 4.3.2, written once more, and as plainly as that. */
static struct naive walk(struct hv_vm *vm, const struct hv_mmu *mmu, uint64_t va,
                         enum hv_access access)
{
    if (mmu->satp >> 60 == 0)
        return in_memory(va) ? (struct naive){.gpa = va} : fault(access, false);
    if ((int64_t)(va << 25) >> 25 != (int64_t)va)
        return fault(access, true);
    uint64_t table = (mmu->satp & ((UINT64_C(1) << 44) - 1)) << 12;
    for (int level = 2; level >= 0; level--) {
        uint64_t at = table + (va >> (12 + 9 * level) & 511) * 8;
        if (!in_memory(at))
            return fault(access, false);
        uint64_t pte = peek(vm, at), ppn = pte >> 10 & ((UINT64_C(1) << 44) - 1);
        bool r = pte & 2, w = pte & 4, x = pte & 8, u = pte & 16;
        if (!(pte & 1) || pte >> 54 || (w && !r))
            return fault(access, true);
        if (!r && !x) {
            if (pte & (16 | 64 | 128))
                return fault(access, true);
            table = ppn << 12;
            continue;
        }
        uint64_t inside = (UINT64_C(1) << (9 * level)) - 1;
        bool user_ok = mmu->priv == HV_PRIV_U ? u : !u || (mmu->sum && access != HV_ACCESS_FETCH);
        bool right = access == HV_ACCESS_FETCH  ? x
                     : access == HV_ACCESS_LOAD ? r || (mmu->mxr && x)
                                                : w;
        if ((ppn & inside) || !user_ok || !right)
            return fault(access, true);
        uint64_t gpa = ((ppn | (va >> 12 & inside)) << 12) | (va & 4095);
        return in_memory(gpa) ? (struct naive){.gpa = gpa, .leaf_gpa = at} : fault(access, false);
    }
    return fault(access, true);
}

static uint64_t pick(struct shadow_model *model, uint64_t below)
{
    return model->source.below(model->source.ctx, below);
}

static uint64_t any_word(struct shadow_model *model)
{
    return model->source.word(model->source.ctx);
}

/* As the hart asks: a break of sharing stops it, and it comes again. */
static enum hv_fill fill_page(struct hv_vm *vm, uint64_t va, enum hv_access access,
                              struct hv_tlb_fill *out)
{
    enum hv_fill kind;
    do {
        *out = (struct hv_tlb_fill){.span_bits = HV_PAGE_SHIFT};
        kind = hv_full_fill(vm, va, access, out);
    } while (kind == HV_FILL_STOP && vm->state == HV_RUNNING_VM);
    return kind;
}

/* A guest store of 8 bytes without translation, as the hart does it. */
static void guest_store(struct shadow_model *model, uint64_t gpa, uint64_t value)
{
    struct hv_vm *vm = model->vm;
    vm->hart->priv = HV_PRIV_S;
    uint64_t satp = hv_hart_mmu(vm->hart).satp;
    struct hv_tlb_fill fill;
    MUST(hv_hart_csr_write(vm->hart, CSR_SATP, 0));
    enum hv_fill kind = fill_page(vm, gpa, HV_ACCESS_STORE, &fill);
    MUST(kind == HV_FILL_PAGE || kind == HV_FILL_WATCHED);
    hv_mem_store((uint8_t *)fill.page + hv_page_offset(gpa), 8, value);
    if (kind == HV_FILL_WATCHED) {
        model->watched++;
        hv_full_wrote(vm, gpa, 8);
    }
    MUST(hv_hart_csr_write(vm->hart, CSR_SATP, satp));
}

/* Tables are roots (0..3), of the middle (4..11) or of leaves (12..23), if they are what they seem.
 */
static uint64_t table_ppn(struct shadow_model *model)
{
    return PPN_BEGIN + 16 + pick(model, TABLES);
}

static uint64_t table_of_level(struct shadow_model *model, unsigned level)
{
    static const unsigned first[] = {12, 4, 0}, count[] = {12, 8, 4};
    return PPN_BEGIN + 16 + first[level] + pick(model, count[level]);
}

static uint64_t wild_pte(struct shadow_model *model)
{
    uint64_t flags = any_word(model) & 0xff;
    switch (pick(model, 6)) {
    case 0:
        return 0;
    case 1:
        return any_word(model); /* anything */
    case 2:                     /* a superpage */
        return (PPN_BEGIN & ~UINT64_C(511)) << 10 | flags | 1;
    case 3: /* a table, as data */
        return table_ppn(model) << 10 | flags | 1;
    case 4: /* a table, at any level */
        return table_ppn(model) << 10 | 1;
    default:
        return (UINT64_C(1) << 40) << 10 | flags | 1; /* nowhere */
    }
}

/* What an orderly guest writes into a table of this level. */
static uint64_t tame_pte(struct shadow_model *model, unsigned level)
{
    static const uint8_t flags[] = {HV_PTE_R, HV_PTE_R | HV_PTE_W, HV_PTE_R | HV_PTE_X, HV_PTE_X,
                                    HV_PTE_R | HV_PTE_W | HV_PTE_X};
    uint64_t data = PPN_BEGIN + 100 + pick(model, DATA);
    if (level > 0)
        return table_of_level(model, level - 1) << 10 | 1;
    uint64_t marks = any_word(model) & (HV_PTE_A | HV_PTE_D | HV_PTE_U);
    return data << 10 | flags[pick(model, 5)] | marks | 1;
}

/* Few distinct indexes at each level, so that walks meet edits. */
static uint64_t random_va(struct shadow_model *model)
{
    uint64_t va = 0;
    if (pick(model, 8) == 0) /* where superpages and Bare lie */
        return HV_RAM_BASE + pick(model, PAGES) * 4096 + pick(model, 512) * 8;
    for (unsigned level = 0; level < 3; level++)
        va |= pick(model, 4) << (12 + 9 * level);
    return va | pick(model, 512) * 8;
}

static void edit(struct shadow_model *model)
{
    unsigned level = (unsigned)pick(model, 3);
    uint64_t slot = pick(model, 16) ? pick(model, 4) : pick(model, 512);
    bool wild = pick(model, 8) == 0;
    uint64_t ppn = wild ? table_ppn(model) : table_of_level(model, level);
    guest_store(model, ppn << 12 | slot * 8, wild ? wild_pte(model) : tame_pte(model, level));
}

static void switch_space(struct shadow_model *model)
{
    uint64_t satp = UINT64_C(8) << 60 | (PPN_BEGIN + 16 + pick(model, 4));
    switch (pick(model, 12)) {
    case 0:
        satp = 0;
        break;
    case 1:
        satp = UINT64_C(8) << 60 | table_ppn(model);
        break;
    case 2:
        satp = UINT64_C(8) << 60 | (any_word(model) & 0xffffffffff);
        break;
    case 3: /* of many */
        satp = UINT64_C(8) << 60 | (PPN_BEGIN + 256 + pick(model, PAGES - 256));
        break;
    }
    model->vm->hart->priv = HV_PRIV_S;
    MUST(hv_hart_csr_write(model->vm->hart, CSR_SATP, satp));
}

static struct hv_mmu random_mode(struct shadow_model *model)
{
    uint64_t bits = any_word(model);
    struct hv_hart *hart = model->vm->hart;
    hart->priv = HV_PRIV_S;
    MUST(hv_hart_csr_write(hart, CSR_SSTATUS, (bits & 3) << 18));
    hart->priv = bits & 12 ? HV_PRIV_S : HV_PRIV_U;
    return hv_hart_mmu(hart);
}

static void check_page(struct shadow_model *model, const struct hv_mmu *mmu, uint64_t va,
                       enum hv_access access, const struct naive *want,
                       const struct hv_tlb_fill *fill)
{
    struct hv_vm *vm = model->vm;
    hv_mpn mpn = {hv_physmap_at(&vm->map, hv_ppn_of(want->gpa))->mpn};
    MUST(fill->page == hv_machine_page(vm->machine, mpn));
    if (want->leaf_gpa) {
        uint64_t pte = peek(vm, want->leaf_gpa);
        MUST(pte & HV_PTE_A);
        if (access >= HV_ACCESS_STORE || (fill->allow & HV_ALLOW_WRITE))
            MUST(pte & HV_PTE_D);
    }
    for (unsigned i = 0; i < 3; i++) { /* nothing is allowed that the guest does not */
        static const enum hv_access kinds[] = {HV_ACCESS_LOAD, HV_ACCESS_STORE, HV_ACCESS_FETCH};
        if (fill->allow >> i & 1)
            MUST(walk(vm, mmu, va, kinds[i]).cause == 0);
    }
    if (fill->allow & HV_ALLOW_WRITE)
        MUST(hv_physmap_at(&vm->map, hv_ppn_of(want->gpa))->reasons == 0);
}

static void access_one(struct shadow_model *model)
{
    struct hv_mmu mmu = random_mode(model);
    uint64_t va = random_va(model);
    enum hv_access access = (enum hv_access)pick(model, 4);
    struct hv_tlb_fill fill;
    struct naive want = walk(model->vm, &mmu, va, access);
    enum hv_fill kind = fill_page(model->vm, va, access, &fill);
    if (want.cause) {
        model->faults++;
        if (kind != HV_FILL_MMIO) { /* a device lies there */
            MUST(kind == HV_FILL_FAULT);
            MUST(fill.cause == want.cause);
        }
        return;
    }
    model->pages++;
    MUST(kind == HV_FILL_PAGE || (kind == HV_FILL_WATCHED && access >= HV_ACCESS_STORE));
    if (kind == HV_FILL_WATCHED) /* nothing was written: the same as the hart's failed sc */
        MUST(hv_physmap_at(&model->vm->map, hv_ppn_of(want.gpa))->reasons & HV_REASON_TABLE);
    else
        check_page(model, &mmu, va, access, &want, &fill);
    if (kind == HV_FILL_PAGE && access >= HV_ACCESS_STORE)
        hv_mem_store((uint8_t *)fill.page + (hv_page_offset(va) & ~UINT64_C(7)), 8, pick(model, 3));
}

static void share_some(struct shadow_model *model)
{
    const struct hv_vm *vm = pick(model, 4) ? model->vm : model->neighbour;
    share_ppn ppn = {PPN_BEGIN + 16 + pick(model, 130)};
    MUST(share_offer(model->world->commons.share, vm->share, &ppn, 1, NULL) == SHARE_OK);
}

/* Page i of the neighbour: zero, or what a page of the guest may hold, too. */
static void neighbour_page(unsigned i, uint64_t page[HV_PAGE_BYTES / 8])
{
    memset(page, 0, HV_PAGE_BYTES);
    page[i % 5] = i % 3;
}

static struct hv_vm *new_vm(struct hv_world *world, uint32_t nodes)
{
    struct hv_error error;
    struct hv_vm_config config = {.memory_bytes = MEMORY_NBYTES, .seed = 1, .shadow_nodes = nodes};
    struct hv_vm *vm = hv_vm_new(world, &config, &error);
    MUST(vm);
    return vm;
}

void shadow_model_init(struct shadow_model *model, struct shadow_source source, uint32_t nodes,
                       bool sharing)
{
    struct hv_error error;
    struct hv_world_config config = {
        .machine_pages = 2 * PAGES + 64, .sharing = sharing, .scattered = true, .seed = 1};
    uint64_t page[HV_PAGE_BYTES / 8];
    *model = (struct shadow_model){.source = source};
    model->world = hv_world_new(&config, &error);
    MUST(model->world);
    model->vm = new_vm(model->world, nodes);
    model->neighbour = new_vm(model->world, 0);
    for (unsigned i = 0; i < NEIGHBOUR_PAGES; i++) {
        neighbour_page(i, page);
        MUST(hv_guest_write(model->neighbour, HV_RAM_BASE + (16 + i) * HV_PAGE_BYTES, page,
                            sizeof page));
    }
    model->others = others_now(model->world, model->vm);
}

void shadow_model_step(struct shadow_model *model)
{
    uint64_t what = pick(model, 100);
    if (what < 30)
        edit(model);
    else if (what < 36)
        switch_space(model);
    else if (what < 42 && model->world->commons.share)
        share_some(model);
    else
        access_one(model);
    MUST(model->vm->state == HV_RUNNING_VM);
}

void shadow_model_check(struct shadow_model *model)
{
    must_note = hv_world_check(model->world);
    MUST(!must_note);
}

void shadow_model_fini(struct shadow_model *model)
{
    shadow_model_check(model);
    others_must_be_same(&model->others);
    hv_vm_exit(model->vm);
    hv_vm_exit(model->neighbour);
    MUST(hv_machine_used(&model->world->commons.machine) == 0);
    hv_world_free(model->world);
}
