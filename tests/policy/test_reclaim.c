/* SPDX-License-Identifier: MIT */
/* States of free memory: entered below their own fraction, left at the one before's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "overcommit/reclaim.h"

enum { PAGES = 1000 };

static void down_and_up(void **state)
{
    (void)state;
    static const struct {
        uint64_t free;
        enum hv_memory_state is;
    } walk[] = {
        {500, HV_MEMORY_HIGH}, {40, HV_MEMORY_HIGH}, {39, HV_MEMORY_SOFT}, {59, HV_MEMORY_SOFT},
        {60, HV_MEMORY_HIGH},  {45, HV_MEMORY_HIGH}, {19, HV_MEMORY_HARD}, {39, HV_MEMORY_HARD},
        {40, HV_MEMORY_SOFT},  {20, HV_MEMORY_SOFT}, {9, HV_MEMORY_LOW},   {19, HV_MEMORY_LOW},
        {20, HV_MEMORY_HARD},  {10, HV_MEMORY_HARD}, {0, HV_MEMORY_LOW},   {45, HV_MEMORY_SOFT},
        {0, HV_MEMORY_LOW},    {60, HV_MEMORY_HIGH},
    };
    enum hv_memory_state now = HV_MEMORY_HIGH;
    for (unsigned i = 0; i < sizeof walk / sizeof *walk; i++) {
        now = hv_reclaim_state(now, walk[i].free, PAGES);
        assert_int_equal(now, walk[i].is);
    }
}

/* Whatever came before: what is free bounds the state from both sides, and staying changes nothing.
 */
static void between_its_bounds(void **state)
{
    (void)state;
    static const unsigned enter[] = {1001, 40, 20, 10}, leave[] = {0, 60, 40, 20};
    for (unsigned was = HV_MEMORY_HIGH; was <= HV_MEMORY_LOW; was++)
        for (uint64_t n = 0; n <= PAGES; n++) {
            enum hv_memory_state now = hv_reclaim_state((enum hv_memory_state)was, n, PAGES);
            assert_true(now == HV_MEMORY_HIGH || n < leave[now]);
            assert_true(now == HV_MEMORY_LOW || n >= enter[now + 1]);
            assert_int_equal(hv_reclaim_state(now, n, PAGES), now);
        }
    assert_string_equal(hv_memory_state_name(HV_MEMORY_HARD), "hard");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(down_and_up),
                                       cmocka_unit_test(between_its_bounds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
