/* SPDX-License-Identifier: MIT */
/*
 * As long as no page of a run matched anything, nobody asked the table to grow: partitions filled
 * up to the last slot, and each insertion walked past many full buckets.
 */
#include "engine.h"
#include "test.h"
#include "vmm.h"

#define PAGES 40000u
#define BATCH 128u

static void test(void **state)
{
    struct vmm *vmm = vmm_new(1, PAGES, PAGES);
    share_ppn ppns[BATCH];
    vmm_engine(vmm, NULL, 0);
    vmm_add(vmm, 0, 0, 0);
    for (unsigned slot = 0; slot < PAGES; slot++)
        assert_true(vmm_populate(vmm, 0, slot, (struct vmm_content){slot + 1, 0}));
    for (unsigned slot = 0; slot < PAGES;) {
        size_t count = 0;
        for (; count < BATCH && slot < PAGES; count++)
            ppns[count] = vmm_ppn(vmm, 0, slot++);
        assert_int_equal(share_offer(vmm->share, 0, ppns, count, NULL), SHARE_OK);
        /* A run may bring a partition so much more than its 92 % before the next one starts. */
        for (unsigned p = 0; p < SHARE_TABLE_PARTITIONS; p++) {
            const struct share_partition *part = &vmm->share->table.partition[p];
            unsigned slots = part->now.buckets * SHARE_TABLE_SLOTS;
            if (slots > 200)
                assert_true(part->entries <= slots * 95 / 100 + 8);
        }
    }
    share_free(vmm->share);
    vmm_free(vmm);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test)};
    return RUN(tests);
}
