/* SPDX-License-Identifier: MIT */
/* Page tables under paravirtualization: they hold MPNs, and the VMM writes them when asked. Changes
 * are asked for in batches. */
#include "guest/hypercall.h"
#include "kernel.h"

const char tables_mode[] = "para";
uint64_t tables_updates;

/* Pages that were tables and may be again: not in the linear map. The list is the array's head. */
static ppn_t spare[1024];
static unsigned spare_count;

static struct hv_para_update batch[HV_PARA_BATCH_MAX];
static unsigned batch_count;

static struct sbi_answer hypercall(enum hv_para_call call, uint64_t a0, uint64_t a1)
{
    return sbi_call(HV_PARA_EXTENSION, (uint64_t)call, a0, a1);
}

static void must(struct sbi_answer answer, const char *what)
{
    if (answer.error == HV_PARA_OK)
        return;
    console_say(what);
    console_say(" was refused: ");
    console_number((uint64_t)answer.error);
    console_say("\n");
    panic("paravirtualization");
}

void tables_init(void)
{
    enum { BASE = 0x10, PROBE = 3 };
    if (sbi_call(BASE, PROBE, HV_PARA_EXTENSION, 0).value == 0)
        panic("no hypercalls here: boot with --para, or the kernel for full virtualization");
}

ppn_t table_new(unsigned level)
{
    ppn_t table = spare_count ? spare[--spare_count] : page_take();
    if (!table)
        return 0;
    entries_commit(); /* the linear map may still have it */
    struct sbi_answer answer = hypercall(HV_PARA_CREATE_PT, table, level);
    if (answer.error == HV_PARA_OK)
        return table;
    spare[spare_count++] = table;
    return 0;
}

void table_free(ppn_t table)
{
    entries_commit();
    must(hypercall(HV_PARA_DESTROY_PT, table, 0), "DestroyPT");
    if (spare_count == sizeof spare / sizeof *spare)
        panic("more tables than the VMM allows");
    spare[spare_count++] = table;
}

void table_adopt(ppn_t table)
{
    (void)table;
}

static uint64_t mpn_of(uint64_t ppn)
{
    const volatile uint64_t *window = (const volatile uint64_t *)HV_PARA_P2M_VA;
    return window[ppn - (RAM_BASE >> PAGE_SHIFT)];
}

/* A page may move between our look at the window and the VMM's: then we look again. */
void entries_commit(void)
{
    for (unsigned done = 0; done < batch_count;) {
        for (unsigned i = done; i < batch_count; i++)
            if (batch[i].entry)
                batch[i].entry = mpn_of(batch[i].ppn) << 10 | (batch[i].entry & 1023);
        struct sbi_answer answer =
            hypercall(HV_PARA_UPDATE_PT, (uint64_t)&batch[done], batch_count - done);
        done += (unsigned)answer.value;
        if (answer.error != HV_PARA_RETRY)
            must(answer, "UpdatePT");
    }
    batch_count = 0;
}

void entry_set(ppn_t table, unsigned slot, ppn_t ppn, uint64_t flags)
{
    batch[batch_count++] = (struct hv_para_update){
        .at = ((uint64_t)table << PAGE_SHIFT) + slot * sizeof(uint64_t),
        .entry = flags ? flags | PTE_V : 0,
        .ppn = ppn,
    };
    tables_updates++;
    if (batch_count == HV_PARA_BATCH_MAX)
        entries_commit();
}

void tables_switch(ppn_t root)
{
    entries_commit();
    must(hypercall(HV_PARA_SWITCH_PT, root, 0), "SwitchPT");
}

void tlb_flush(uint64_t va, uint64_t pages)
{
    entries_commit();
    must(hypercall(HV_PARA_FLUSH_TLB, va, pages), "FlushTLB");
}

/* They have a window. */
void devices_map(ppn_t root)
{
    (void)root;
}
