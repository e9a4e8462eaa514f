/* SPDX-License-Identifier: MIT */
/*
 * Nothing of what an engine held for a VM's pages was given back when the VM went: not the pages'
 * words, not the frames, and of the table only a part, when other pages came.
 */
#include "generator.h"
#include "test.h"
#include <stdlib.h>

#define PAGES   (1u << 18)
#define VMS     2u
#define RESERVE 65536u /* share.h: kept when all VMs have gone, and a 64th of what was held */

static uint64_t in_pairs(uint64_t number)
{
    return number % PAGES + 1; /* VM 1 has what VM 0 has */
}

static uint64_t distinct(uint64_t number)
{
    return number + 1;
}

static uint64_t held(struct share *share)
{
    struct share_stats stats;
    share_stats(share, &stats);
    return stats.metadata_bytes;
}

static void must_be_sound(struct share *share)
{
    struct share_check_report report;
    if (share_check(share, &report) != SHARE_OK)
        fail_msg("%s", report.reason);
}

static void add_again(struct share *share, share_vm expected)
{
    share_vm vm;
    assert_int_equal(share_vm_add(share, 0, (share_ppn){0}, (share_ppn){PAGES}, NULL, &vm),
                     SHARE_OK);
    assert_int_equal(vm, expected);
    assert_int_equal(share_vm_start(share, vm), SHARE_OK);
}

static void vms_come_and_go(uint64_t (*content)(uint64_t number))
{
    struct generator *source = aligned_alloc(_Alignof(struct generator), sizeof *source);
    assert_non_null(source);
    memset(source, 0, sizeof *source);
    source->vms = VMS;
    source->pages_per_vm = PAGES;
    source->content = content;
    struct share *share = generator_engine(source);
    uint64_t base = held(share);
    for (unsigned round = 0; round < 3; round++) {
        struct share_scan_report report;
        assert_int_equal(share_scan(share, SHARE_SEQUENTIAL, 0, UINT64_MAX, &report), SHARE_OK);
        assert_int_equal(share_scan(share, SHARE_RANDOM, 0, 1000, &report), SHARE_OK);
        uint64_t full = held(share);
        assert_int_equal(share_vm_remove(share, 0), SHARE_OK);
        uint64_t half = held(share);
        must_be_sound(share);
        assert_int_equal(share_vm_remove(share, 1), SHARE_OK);
        uint64_t none = held(share);
        must_be_sound(share);
        print_message("%llu KiB, with one VM %llu, with none %llu; at first %llu\n",
                      (unsigned long long)full >> 10, (unsigned long long)half >> 10,
                      (unsigned long long)none >> 10, (unsigned long long)base >> 10);
        assert_true(full > 10 * VMS * PAGES);
        assert_true(full - half > 4 * PAGES); /* its pages' words, at least */
        assert_true(none <= base + RESERVE + full / 64);
        add_again(share, 1);
        add_again(share, 0);
    }
    share_free(share);
    free(source);
}

static void of_pages_that_are_alone(void **state)
{
    (void)state;
    vms_come_and_go(distinct);
}

static void of_shared_pages(void **state)
{
    (void)state;
    vms_come_and_go(in_pairs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(of_pages_that_are_alone),
                                       cmocka_unit_test(of_shared_pages)};
    return RUN(tests);
}
