/* SPDX-License-Identifier: MIT */
/* Address spaces: which tables there are, and what stands in them. The kernel's half is one middle
 * table that every root names. */
#include "kernel.h"

enum { KERNEL_SLOT = RAM_BASE >> 30 };

static struct {
    ppn_t root, middle;
    ppn_t leaf[SLOTS];
} kernel;

static unsigned slot_of(uint64_t va, unsigned level)
{
    return va >> (PAGE_SHIFT + 9 * level) & (SLOTS - 1);
}

void linear_entry(ppn_t ppn, uint64_t flags)
{
    uint64_t va = (uint64_t)ppn << PAGE_SHIFT;
    entry_set(kernel.leaf[slot_of(va, 1)], slot_of(va, 0), ppn,
              flags ? flags | PTE_A | (flags & PTE_W ? PTE_D : 0) : 0);
}

void linear_set(ppn_t ppn, uint64_t pages, uint64_t flags)
{
    for (uint64_t i = 0; i < pages; i++)
        linear_entry((ppn_t)(ppn + i), flags);
    entries_commit();
    if (!flags)
        tlb_flush((uint64_t)ppn << PAGE_SHIFT, pages);
}

static void set_range(uint64_t begin, uint64_t end, uint64_t flags)
{
    linear_set((ppn_t)(begin >> PAGE_SHIFT), (end - begin) >> PAGE_SHIFT, flags);
}

static ppn_t must_table(unsigned level)
{
    ppn_t table = table_new(level);
    if (!table)
        panic("no memory for the kernel's page tables");
    return table;
}

static void kernel_entries(ppn_t root)
{
    entry_set(root, KERNEL_SLOT, kernel.middle, PTE_V);
    devices_map(root);
}

void kernel_space_init(uint64_t ram_end)
{
    unsigned leaves = (unsigned)((ram_end - RAM_BASE + (1 << 21) - 1) >> 21);
    uint64_t first = pages_begin();
    kernel.root = must_table(2);
    kernel.middle = must_table(1);
    for (unsigned i = 0; i < leaves; i++) {
        kernel.leaf[i] = must_table(0);
        entry_set(kernel.middle, i, kernel.leaf[i], PTE_V);
    }
    kernel_entries(kernel.root);
    set_range((uint64_t)kernel_start, (uint64_t)kernel_text_end, PTE_R | PTE_X);
    set_range((uint64_t)kernel_text_end, (uint64_t)kernel_rodata_end, PTE_R);
    set_range((uint64_t)kernel_rodata_end, first, PTE_R | PTE_W);
    table_adopt(kernel.root);
    table_adopt(kernel.middle);
    for (unsigned i = 0; i < leaves; i++)
        table_adopt(kernel.leaf[i]);
    kernel_space_use();
}

void kernel_space_use(void)
{
    tables_switch(kernel.root);
}

bool space_init(struct space *space)
{
    memset(space, 0, sizeof *space);
    space->root = table_new(2);
    space->middle = space->root ? table_new(1) : 0;
    if (!space->middle) {
        if (space->root)
            table_free(space->root);
        return false;
    }
    kernel_entries(space->root);
    entry_set(space->root, 0, space->middle, PTE_V);
    return true;
}

/* From the root down: a table goes when nothing names it. */
void space_fini(struct space *space)
{
    table_free(space->root);
    table_free(space->middle);
    for (unsigned i = 0; i < sizeof space->leaf / sizeof *space->leaf; i++)
        if (space->leaf[i])
            table_free(space->leaf[i]);
}

bool space_set(struct space *space, uint64_t va, ppn_t ppn, uint64_t flags)
{
    ppn_t *leaf = &space->leaf[slot_of(va, 1)];
    if (!*leaf) {
        *leaf = table_new(0);
        if (!*leaf)
            return false;
        entry_set(space->middle, slot_of(va, 1), *leaf, PTE_V);
    }
    entry_set(*leaf, slot_of(va, 0), ppn,
              flags ? flags | PTE_U | PTE_A | (flags & PTE_W ? PTE_D : 0) : 0);
    return true;
}
