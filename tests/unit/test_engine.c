/* SPDX-License-Identifier: MIT */
/* Engines: their config, versions of its structs, and immutable ones. */
#include "engine.h"
#include "metadata.h"
#include "test.h"
#include "vmm.h"

static struct vmm *vmm;

static int begin(void **state)
{
    (void)state;
    vmm = vmm_new(2, 8, 16);
    return 0;
}

static int end(void **state)
{
    (void)state;
    vmm_free(vmm);
    return 0;
}

static struct share_config config_of(const struct share_ops *ops)
{
    return (struct share_config){
        .struct_size = sizeof(struct share_config), .ops = ops, .ops_ctx = vmm};
}

static enum share_result try_new(const struct share_config *config)
{
    struct share *share = (struct share *)(void *)vmm;
    enum share_result result = share_new(config, &share);
    assert_int_equal(share != NULL, result == SHARE_OK);
    share_free(share);
    return result;
}

static void wrong_configs_are_refused(void **state)
{
    (void)state;
    struct share_ops ops = vmm_ops;
    struct share_config config = config_of(&ops);
    assert_int_equal(try_new(&config), SHARE_OK);
    assert_int_equal(try_new(NULL), SHARE_INVALID);
    config.struct_size = 4;
    assert_int_equal(try_new(&config), SHARE_INVALID);
    config = config_of(NULL);
    assert_int_equal(try_new(&config), SHARE_INVALID);
    config = config_of(&ops);
    config.flags = 4;
    assert_int_equal(try_new(&config), SHARE_INVALID);
    config = config_of(&ops);
    config.expected_contents = (UINT64_C(1) << 32) + 1;
    assert_int_equal(try_new(&config), SHARE_INVALID);
}

/* Takes the memory at once, and refuses if there is none. */
static void expected_contents_take_memory(void **state)
{
    (void)state;
    struct share_ops ops = vmm_ops;
    struct share_config config = config_of(&ops);
    struct metadata metadata;
    struct share_stats stats;
    struct share *share;
    metadata_init(&metadata);
    config.alloc = &metadata.alloc;
    config.expected_contents = 100000;
    assert_int_equal(share_new(&config, &share), SHARE_OK);
    share_stats(share, &stats);
    assert_in_range(stats.metadata_bytes, 100000 * 8, 100000 * 13);
    share_free(share);
    metadata.fail_at = atomic_load(&metadata.calls) + 20; /* amid the table's arrays */
    metadata.fail_count = 1;
    assert_int_equal(try_new(&config), SHARE_NOMEM);
    assert_int_equal(metadata.blocks, 0);
}

static void each_op_is_needed_but_two(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 10; i++) {
        struct share_ops ops = vmm_ops;
        struct share_config config = config_of(&ops);
        switch (i) {
        case 0:
            ops.resolve = NULL;
            break;
        case 1:
            ops.next_present = NULL;
            break;
        case 2:
            ops.peek = NULL;
            break;
        case 3:
            ops.protect = NULL;
            break;
        case 4:
            ops.unprotect = NULL;
            break;
        case 5:
            ops.remap = NULL;
            break;
        case 6:
            ops.alloc = NULL;
            break;
        case 7:
            ops.free = NULL;
            break;
        case 8:
            ops.now_ns = NULL;
            break;
        default:
            ops.unpeek = NULL;
        }
        assert_int_equal(try_new(&config), i >= 8 ? SHARE_OK : SHARE_INVALID);
        config.flags = SHARE_IMMUTABLE;
        assert_int_equal(try_new(&config), i < 3 ? SHARE_INVALID : SHARE_OK);
    }
}

/* Structs of a newer header are longer, and none is shorter than those of 0.2.0. */
static void structs_have_their_size(void **state)
{
    (void)state;
    struct share_ops ops = vmm_ops;
    struct share_config config = config_of(&ops);
    config.struct_size--;
    assert_int_equal(try_new(&config), SHARE_INVALID);

    config = config_of(&ops);
    ops.struct_size = offsetof(struct share_ops, protect);
    assert_int_equal(try_new(&config), SHARE_INVALID);
    config.flags = SHARE_IMMUTABLE;
    assert_int_equal(try_new(&config), SHARE_INVALID);

    struct { /* and a newer one has longer ones */
        struct share_config config;
        uint64_t more;
    } newer = {config_of(&vmm_ops), 0};
    newer.config.struct_size = sizeof newer;
    assert_int_equal(try_new(&newer.config), SHARE_OK);
}

static unsigned clock_reads;

static uint64_t count_clock_reads(void *ctx)
{
    assert_ptr_equal(ctx, vmm);
    return ++clock_reads;
}

/* A clock behind the end of the caller's struct is not there. */
static void the_clock_is_the_callers(void **state)
{
    (void)state;
    struct share_ops ops = vmm_ops;
    struct share_config config = config_of(&ops);
    ops.now_ns = count_clock_reads;
    for (unsigned i = 0; i < 2; i++) {
        ops.struct_size = i ? offsetof(struct share_ops, now_ns) : sizeof ops;
        clock_reads = 0;
        assert_int_equal(share_new(&config, &vmm->share), SHARE_OK);
        assert_int_equal(vmm_add(vmm, 0, 0, 0), 0);
        assert_true(vmm_populate(vmm, 0, i, (struct vmm_content){1, 1}));
        assert_int_equal(vmm_offer(vmm, 0, i), SHARE_HINTED);
        assert_int_equal(clock_reads != 0, i == 0);
        vmm_remove(vmm, 0, true);
        share_free(vmm->share);
        vmm->share = NULL;
    }
}

static void new_fails_without_memory_and_holds_nothing(void **state)
{
    (void)state;
    struct metadata metadata;
    struct share_config config = config_of(&vmm_ops);
    enum share_result result = SHARE_NOMEM;
    metadata_init(&metadata);
    config.alloc = &metadata.alloc;
    for (uint64_t k = 1; result != SHARE_OK; k++) {
        metadata.fail_at = metadata.calls + k;
        metadata.fail_count = 1;
        result = try_new(&config);
        assert_int_equal(metadata.blocks, 0);
        assert_true(result == SHARE_OK || result == SHARE_NOMEM);
    }
}

static void the_version_is_the_headers(void **state)
{
    (void)state;
    char version[32];
    snprintf(version, sizeof version, "%d.%d.%d", SHARE_VERSION_MAJOR, SHARE_VERSION_MINOR,
             SHARE_VERSION_PATCH);
    assert_string_equal(share_version(), version);
    share_free(NULL);
}

/* ------------------------------------------------------------------------------- immutable -- */

static struct share *immutable_engine(const struct share_ops *ops)
{
    struct share_config config = config_of(ops);
    config.flags = SHARE_IMMUTABLE;
    assert_int_equal(share_new(&config, &vmm->share), SHARE_OK);
    return vmm->share;
}

static void an_immutable_engine_only_counts(void **state)
{
    (void)state;
    struct share_ops ops = {.struct_size = sizeof ops,
                            .resolve = vmm_ops.resolve,
                            .next_present = vmm_ops.next_present,
                            .peek = vmm_ops.peek,
                            .unpeek = vmm_ops.unpeek};
    struct share *share = immutable_engine(&ops);
    struct share_stats stats;
    for (unsigned i = 0; i < 2; i++) {
        share_vm vm = vmm_add(vmm, 0, 0, 0);
        for (unsigned slot = 0; slot < 6; slot++)
            assert_true(vmm_populate(vmm, vm, slot, (struct vmm_content){slot / 2, 0}));
    }
    assert_int_equal(share_now(share, 5, NULL), SHARE_OK);
    share_stats(share, &stats);
    assert_int_equal(stats.framed_pages, 12);
    assert_int_equal(stats.frames, 3);
    assert_int_equal(stats.reclaimed_pages, 9);
    assert_int_equal(vmm_used(vmm), 12); /* and nothing was done about it */
    struct share_check_report report;
    assert_int_equal(share_check(share, &report), SHARE_OK);
    assert_int_equal(share_break(share, 0, (share_ppn){0}), SHARE_INVALID);

    /* The first page of a frame may leave before the others. */
    enum share_owner owner;
    for (share_vm vm = 0; vm < 2; vm++)
        for (uint64_t ppn = 0; ppn < 6; ppn++) {
            assert_int_equal(share_forget(share, vm, (share_ppn){ppn}, &owner), SHARE_OK);
            assert_int_equal(share_check(share, &report), SHARE_OK);
        }
    share_stats(share, &stats);
    assert_int_equal(stats.frames + stats.framed_pages, 0);
    share_free(share);
}

static void an_immutable_vm_can_change_groups(void **state)
{
    (void)state;
    struct share *share = immutable_engine(&vmm_ops);
    share_group other;
    struct share_check_report report;
    struct share_stats stats;
    for (unsigned i = 0; i < 2; i++) {
        share_vm vm = vmm_add(vmm, 0, 0, 0);
        for (unsigned slot = 0; slot < 8; slot++)
            assert_true(vmm_populate(vmm, vm, slot, (struct vmm_content){slot, 0}));
    }
    assert_int_equal(share_group_add(share, true, &other), SHARE_OK);
    assert_int_equal(share_now(share, 5, NULL), SHARE_OK);
    assert_int_equal(share_vm_regroup(share, 0, other), SHARE_OK);
    assert_int_equal(share_check(share, &report), SHARE_OK);
    assert_int_equal(share_now(share, 5, NULL), SHARE_OK);
    share_stats(share, &stats);
    assert_int_equal(stats.reclaimed_pages, 0);
    share_free(share);
}

/* Two PPNs of one machine page are one page of a dump, however they are read. */
static void aliases_are_already_one(void **state)
{
    (void)state;
    struct share *share = immutable_engine(&vmm_ops);
    vmm_add(vmm, 0, 0, 0);
    for (unsigned slot = 0; slot < 4; slot += 2) {
        assert_true(vmm_populate(vmm, 0, slot, (struct vmm_content){slot, 0}));
        *vmm_page(vmm, 0, slot + 1) = *vmm_page(vmm, 0, slot);
        vmm_offer(vmm, 0, slot);
        assert_int_equal(vmm_offer(vmm, 0, slot + 1), SHARE_ALREADY);
    }
    share_free(share);
}

static const void *peek_askew(void *ctx, share_mpn mpn)
{
    static unsigned char askew[16][SHARE_PAGE_SIZE + 1];
    unsigned char *bytes = askew[mpn.n - vmm->mpn_base] + 1;
    (void)ctx;
    memcpy(bytes, vmm_bytes(vmm, (uint32_t)(mpn.n - vmm->mpn_base)), SHARE_PAGE_SIZE);
    return bytes;
}

static void pages_may_lie_anywhere(void **state)
{
    (void)state;
    struct share_ops ops = {.struct_size = sizeof ops,
                            .resolve = vmm_ops.resolve,
                            .next_present = vmm_ops.next_present,
                            .peek = peek_askew};
    struct share *share = immutable_engine(&ops);
    struct share_stats stats;
    vmm_add(vmm, 0, 0, 0);
    for (unsigned slot = 0; slot < 8; slot++)
        assert_true(vmm_populate(vmm, 0, slot, (struct vmm_content){slot / 2, slot / 2}));
    assert_int_equal(share_now(share, 5, NULL), SHARE_OK);
    share_stats(share, &stats);
    assert_int_equal(stats.reclaimed_pages, 4);
    share_free(share);
}

/* The salt decides how contents are hashed. */
static void engines_of_one_salt_hash_alike(void **state)
{
    uint32_t hash_top[2];
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        vmm = vmm_new_guest(1);
        assert_int_equal(vmm_offer(vmm, 0, 0), SHARE_HINTED);
        hash_top[i] = vmm_info(vmm, 0, 0).hash_top;
        vmm_end(vmm);
    }
    assert_int_equal(hash_top[0], hash_top[1]);
}

static void settled_ppm_is_heard(void **state)
{
    struct share_config config = {
        .struct_size = sizeof config, .ops = &vmm_ops, .settled_ppm = 500000};
    struct share *share;
    (void)state;
    assert_int_equal(share_new(&config, &share), SHARE_OK);
    assert_int_equal(share->settled_ppm, config.settled_ppm);
    share_free(share);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(wrong_configs_are_refused),
        TEST(expected_contents_take_memory),
        TEST(each_op_is_needed_but_two),
        TEST(structs_have_their_size),
        TEST(the_clock_is_the_callers),
        TEST(new_fails_without_memory_and_holds_nothing),
        TEST(the_version_is_the_headers),
        TEST(an_immutable_engine_only_counts),
        TEST(an_immutable_vm_can_change_groups),
        TEST(aliases_are_already_one),
        TEST(pages_may_lie_anywhere),
        cmocka_unit_test(engines_of_one_salt_hash_alike),
        cmocka_unit_test(settled_ppm_is_heard),
    };
    return RUN(tests);
}
