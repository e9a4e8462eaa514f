/* SPDX-License-Identifier: MIT */
/* Page tables under full virtualization: ordinary Sv39. The VMM finds out by itself. */
#include "kernel.h"

const char tables_mode[] = "full";
uint64_t tables_updates;

void tables_init(void)
{
}

static bool adopted; /* there is a linear map, and the kernel's own tables are in it */

ppn_t table_new(unsigned level)
{
    (void)level;
    return adopted ? page_alloc() : page_take();
}

void table_free(ppn_t table)
{
    page_put(table);
}

void table_adopt(ppn_t table)
{
    linear_set(table, 1, PTE_R | PTE_W);
    adopted = true;
}

void entry_set(ppn_t table, unsigned slot, ppn_t ppn, uint64_t flags)
{
    uint64_t *entries = page_at(table);
    entries[slot] = flags ? (uint64_t)ppn << 10 | flags | PTE_V : 0;
    tables_updates++;
}

void entries_commit(void)
{
}

void tables_switch(ppn_t root)
{
    uint64_t satp = UINT64_C(8) << 60 | root;
    __asm__ volatile("csrw satp, %0\n\tsfence.vma" : : "r"(satp) : "memory");
}

void tlb_flush(uint64_t va, uint64_t pages)
{
    enum { ONE_BY_ONE_MAX = 8 };
    if (pages == 0 || pages > ONE_BY_ONE_MAX) {
        __asm__ volatile("sfence.vma" : : : "memory");
        return;
    }
    for (uint64_t i = 0; i < pages; i++)
        __asm__ volatile("sfence.vma %0" : : "r"(va + i * PAGE_BYTES) : "memory");
}

/* One leaf of a gigabyte, where paravirtualization has its window. */
void devices_map(ppn_t root)
{
    entry_set(root, 510, 0, PTE_R | PTE_W | PTE_A | PTE_D);
}
