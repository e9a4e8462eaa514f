/* SPDX-License-Identifier: MIT */
/* The TLB alone: what a page flush must take along when the page came from a superpage. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cpu/tlb.h"

static struct hv_tlb tlb;
static _Alignas(4096) uint8_t page[4096];

static int set_up(void **state)
{
    (void)state;
    hv_tlb_init(&tlb);
    return 0;
}

static void put(uint64_t va, unsigned span_bits)
{
    hv_tlb_note_span(&tlb, va, span_bits);
    hv_tlb_put_data(&tlb.bank[HV_BANK_S], va, page, false);
}

static bool has(uint64_t va)
{
    return tlb.bank[HV_BANK_S].read[hv_tlb_data_index(va)].tag == hv_tlb_tag(va, 1);
}

static void small_pages_go_alone(void **state)
{
    (void)state;
    put(0x1000, 12);
    put(0x2000, 12);
    hv_tlb_flush_page(&tlb, 0x1fff);
    assert_false(has(0x1000));
    assert_true(has(0x2000));
}

static void a_superpage_goes_whole(void **state)
{
    (void)state;
    put(0x40000000, 21);
    put(0x401ff000, 21);
    put(0x80003000, 12);
    hv_tlb_flush_page(&tlb, 0x80003000);
    assert_true(has(0x401ff000));
    hv_tlb_flush_page(&tlb, 0x40100000);
    assert_false(has(0x40000000));
    assert_false(has(0x401ff000));
}

static void superpages_of_all_sizes_and_places(void **state)
{
    (void)state;
    /* The region that covers the first two is everything. The third made it narrow again once. */
    put(0xffffffd800001000, 30);
    put(0x40002000, 21);
    put(0xffffffd900003000, 21);
    hv_tlb_flush_page(&tlb, 0xffffffd810000000);
    assert_false(has(0xffffffd800001000));
    put(0x3000, 12); /* the flush forgot them all */
    hv_tlb_flush_page(&tlb, 0x80000000);
    assert_true(has(0x3000));
}

static void misaligned_accesses_never_hit(void **state)
{
    (void)state;
    put(0x5000, 12);
    for (unsigned nbytes = 2; nbytes <= 8; nbytes *= 2) {
        for (uint64_t at = 0; at < 4096; at++)
            assert_int_equal(hv_tlb_tag(0x5000 + at, nbytes) == 0x5000, at % nbytes == 0);
    }
    /* An empty entry is hit by nothing. */
    assert_int_not_equal(hv_tlb_tag(UINT64_MAX, 8), HV_TLB_NONE);
    assert_int_not_equal(hv_tlb_tag(UINT64_MAX, 1), HV_TLB_NONE);
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(small_pages_go_alone),
        TEST(a_superpage_goes_whole),
        TEST(superpages_of_all_sizes_and_places),
        TEST(misaligned_accesses_never_hit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
