/* SPDX-License-Identifier: MIT */
/* A VM, its page tables and its programs. */
#include "guest.h"
#include "residence/hypercall.h"

#define SV39       (UINT64_C(8) << 60)
#define CSR_SATP   0x180u
#define LEAF_FLAGS (HV_PTE_V | HV_PTE_R | HV_PTE_W | HV_PTE_A | HV_PTE_D)
#define ROOT_SLOT  2u /* of HV_RAM_BASE */

enum { LEAVES = GUEST_PAGES / GUEST_SLOTS };

static uint64_t ppn_of(uint64_t page)
{
    return guest_gpa(page) >> HV_PAGE_SHIFT;
}

void guest_set(const struct guest *guest, unsigned reg, uint64_t value)
{
    hv_hart_set_reg(guest->vm->hart, reg, value);
}

uint64_t guest_get(const struct guest *guest, unsigned reg)
{
    return hv_hart_reg(guest->vm->hart, reg);
}

int64_t guest_hypercall(const struct guest *guest, uint64_t call, uint64_t a0, uint64_t a1)
{
    guest_set(guest, GUEST_A0, a0);
    guest_set(guest, GUEST_A1, a1);
    return hv_hypercall(guest->vm, call).error;
}

uint64_t guest_entry(const struct guest *guest, uint64_t page)
{
    uint64_t number = guest->vm->para ? guest->vm->para->p2m.mpn[page] : ppn_of(page);
    return number << 10 | LEAF_FLAGS;
}

/* ----------------------------------------------------------------------------- page tables -- */

/* An entry of a table that is not in use yet, or by the call for it. */
static bool put(const struct guest *guest, uint64_t table, unsigned slot, uint64_t entry,
                uint64_t page)
{
    uint64_t at = guest_gpa(table) + slot * 8;
    struct hv_para_update update = {at, entry, ppn_of(page)};
    if (!guest->vm->para)
        return hv_guest_write(guest->vm, at, &entry, sizeof entry);
    return hv_guest_write(guest->vm, guest_gpa(GUEST_BATCH), &update, sizeof update) &&
           guest_hypercall(guest, HV_PARA_UPDATE_PT, guest_gpa(GUEST_BATCH), 1) == HV_PARA_OK;
}

/* An entry that names a table. */
static bool put_table(const struct guest *guest, uint64_t table, unsigned slot, uint64_t child)
{
    uint64_t number = guest_entry(guest, child) >> 10;
    return put(guest, table, slot, number << 10 | HV_PTE_V, child);
}

static bool make_tables(const struct guest *guest)
{
    bool ok = true;
    for (unsigned i = 0; guest->vm->para && i < LEAVES + 3 && ok; i++) {
        static const uint8_t levels[LEAVES + 3] = {2, 1}; /* then leaves */
        ok = guest_hypercall(guest, HV_PARA_CREATE_PT, ppn_of(GUEST_ROOT + i), levels[i]) ==
             HV_PARA_OK;
    }
    ok = ok && put_table(guest, GUEST_ROOT, ROOT_SLOT, GUEST_MIDDLE) &&
         put_table(guest, GUEST_MIDDLE, LEAVES, GUEST_WINDOW);
    for (unsigned i = 0; i < LEAVES && ok; i++)
        ok = put_table(guest, GUEST_MIDDLE, i, GUEST_LEAVES + i);
    return ok;
}

/* Memory where it lies; a paravirtualized guest's tables are not its to write. */
static bool map_all(const struct guest *guest)
{
    bool ok = true;
    for (unsigned page = 0; page < GUEST_PAGES && ok; page++) {
        uint64_t flags = page == GUEST_CODE ? HV_PTE_X : 0;
        if (!guest->vm->para || page == GUEST_CODE || page >= GUEST_DATA)
            ok = put(guest, GUEST_LEAVES + page / GUEST_SLOTS, page % GUEST_SLOTS,
                     guest_entry(guest, page) | flags, page);
    }
    return ok;
}

static bool switch_to_tables(const struct guest *guest)
{
    if (guest->vm->para)
        return guest_hypercall(guest, HV_PARA_SWITCH_PT, ppn_of(GUEST_ROOT), 0) == HV_PARA_OK;
    return hv_hart_csr_write(guest->vm->hart, CSR_SATP, SV39 | ppn_of(GUEST_ROOT));
}

/* ------------------------------------------------------------------------------------ life -- */

/* Every page has its machine page, and data pages their words. */
static bool fill_memory(const struct guest *guest)
{
    bool ok = true;
    for (uint64_t page = 0; page < GUEST_PAGES && ok; page++)
        ok = hv_guest_write(guest->vm, guest_gpa(page), &(uint64_t){page < GUEST_DATA ? 0 : page},
                            sizeof page);
    return ok;
}

bool guest_init(struct guest *guest, bool para)
{
    struct hv_error error;
    struct hv_world_config host = {.machine_pages = GUEST_PAGES + 64, .seed = 1};
    struct hv_vm_config config = {
        .memory_bytes = GUEST_PAGES * HV_PAGE_BYTES, .seed = 1, .para = para};
    guest->world = hv_world_new(&host, &error);
    guest->vm = guest->world ? hv_vm_new(guest->world, &config, &error) : NULL;
    return guest->vm && fill_memory(guest) && make_tables(guest) && map_all(guest) &&
           switch_to_tables(guest);
}

void guest_fini(struct guest *guest)
{
    hv_world_free(guest->world);
    *guest = (struct guest){NULL, NULL};
}

bool guest_load(const struct guest *guest, const uint32_t *code, size_t count)
{
    hv_hart_tlb_flush_code(guest->vm->hart); /* as a guest's fence.i */
    return hv_guest_write(guest->vm, guest_gpa(GUEST_CODE), code, count * sizeof *code);
}

bool guest_run(const struct guest *guest, uint64_t ticks)
{
    hv_hart_set_pc(guest->vm->hart, guest_gpa(GUEST_CODE));
    return hv_hart_run(guest->vm->hart, ticks) == HV_STOP_WFI && guest->vm->state == HV_RUNNING_VM;
}

uint64_t guest_words(uint64_t first, uint64_t end, uint64_t step)
{
    uint64_t sum = 0;
    for (uint64_t page = first; page < end; page += step)
        sum += page;
    return sum;
}
