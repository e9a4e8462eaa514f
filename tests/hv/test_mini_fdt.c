/* SPDX-License-Identifier: MIT */
/* Our guest kernel's reader of device trees, on the host: what a whole tree says, and that one that
 * is cut or lies in any word is refused or read without a byte outside it (run by asan, too). */
#include <libfdt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "guest/mini/kernel.h"

enum { ROOM = 1024 };
static const char words[] = "HV_WORKLOAD=touch HV_SEED=12";
static uint8_t whole[ROOM];
static uint32_t nbytes;

static int make(void **state)
{
    const fdt64_t memory[] = {cpu_to_fdt64(RAM_BASE), cpu_to_fdt64(8 << 20)};
    (void)state;
    assert_int_equal(fdt_create(whole, sizeof whole), 0);
    assert_int_equal(fdt_finish_reservemap(whole), 0);
    assert_int_equal(fdt_begin_node(whole, ""), 0);
    assert_int_equal(fdt_begin_node(whole, "chosen"), 0);
    assert_int_equal(fdt_property_string(whole, "bootargs", words), 0);
    assert_int_equal(fdt_end_node(whole), 0);
    assert_int_equal(fdt_begin_node(whole, "memory@80000000"), 0);
    assert_int_equal(fdt_property(whole, "reg", memory, sizeof memory), 0);
    assert_int_equal(fdt_end_node(whole), 0);
    assert_int_equal(fdt_end_node(whole), 0);
    assert_int_equal(fdt_finish(whole), 0);
    nbytes = fdt_totalsize(whole);
    return 0;
}

/* In memory of exactly its size. */
static bool reads(const uint8_t *tree, uint32_t size, struct boot *boot)
{
    uint8_t *copy = malloc(size ? size : 1);
    assert_non_null(copy);
    memcpy(copy, tree, size);
    *boot = (struct boot){.ram_end = 0};
    bool read = boot_read(copy, size, boot);
    free(copy);
    return read;
}

static void a_whole_tree_is_read(void **state)
{
    struct boot boot;
    (void)state;
    assert_true(reads(whole, nbytes, &boot));
    assert_int_equal(boot.ram_end, RAM_BASE + (8 << 20));
    assert_int_equal(boot_number(&boot, "HV_SEED", 0), 12);
    assert_true(boot_is(&boot, "HV_WORKLOAD", "touch"));
    assert_false(boot_is(&boot, "HV_WORKLOAD", "tou"));
}

static void a_cut_tree_is_none(void **state)
{
    struct boot boot;
    (void)state;
    for (uint32_t size = 0; size < nbytes; size++) {
        uint8_t cut[ROOM];
        memcpy(cut, whole, sizeof cut);
        assert_false(reads(cut, size, &boot)); /* it says that it is longer */
        fdt_set_totalsize(cut, size);
        if (size >= 40)
            (void)reads(cut, size, &boot); /* it may end behind all that matters */
    }
}

static void no_word_is_believed(void **state)
{
    static const uint32_t lies[] = {0,  1,          3,          4,          9,
                                    40, 0x7fffffff, 0x80000000, 0xfffffff0, 0xffffffff};
    struct boot boot;
    (void)state;
    for (uint32_t at = 0; at + 4 <= nbytes; at += 4)
        for (unsigned i = 0; i < sizeof lies / sizeof *lies; i++) {
            uint8_t tree[ROOM];
            memcpy(tree, whole, sizeof tree);
            fdt32_st(tree + at, lies[i]);
            (void)reads(tree, nbytes, &boot);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_tree_is_read),
        cmocka_unit_test(a_cut_tree_is_none),
        cmocka_unit_test(no_word_is_believed),
    };
    return cmocka_run_group_tests(tests, make, NULL);
}
