/* SPDX-License-Identifier: MIT */
/*
 * A guest that zeroes its pages and fills them again between any two passes had every merge of
 * every pass broken: the scanner forgot a break at once.
 */
#include "test.h"
#include "vmm.h"

enum { PAGES = 1000, PASSES = 40, POSSIBLE = PAGES * PASSES };

/* `alternates`: each pass sees other contents than the one before; else the same again. */
static void count_breaks(bool alternates)
{
    struct vmm *vmm = vmm_new(1, PAGES, 2 * PAGES);
    struct share_stats stats;
    vmm_engine(vmm, NULL, 0);
    vmm_add(vmm, 0, 0, 0);
    for (unsigned slot = 0; slot < PAGES; slot++)
        assert_true(vmm_populate(vmm, 0, slot, (struct vmm_content){1 + slot, 0}));
    for (unsigned pass = 0; pass < PASSES; pass++) {
        assert_int_equal(share_scan(vmm->share, SHARE_SEQUENTIAL, 0, UINT64_MAX, NULL), SHARE_OK);
        for (unsigned slot = 0; slot < PAGES; slot++)
            assert_int_equal(vmm_store(vmm, 0, slot, 0, alternates && (pass & 1) ? 1 + slot : 0),
                             SHARE_OK);
    }
    share_stats(vmm->share, &stats);
    assert_true(stats.breaks_copied + stats.breaks_last >= PAGES / 2); /* it was tried */
    assert_true(stats.breaks_copied + stats.breaks_last <=
                (alternates ? POSSIBLE / 2 : POSSIBLE) / 10);
    vmm_end(vmm);
}

static void pages_that_alternate(void **state)
{
    (void)state;
    count_breaks(true);
}

static void pages_that_are_written_as_they_were(void **state)
{
    (void)state;
    count_breaks(false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(pages_that_alternate),
                                       cmocka_unit_test(pages_that_are_written_as_they_were)};
    return RUN(tests);
}
