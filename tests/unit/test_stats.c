/* SPDX-License-Identifier: MIT */
/* Statistics, pages, usage, and what an observer hears. */
#include "engine.h"
#include "metadata.h"
#include "test.h"
#include "vmm.h"

#define EVENTS_MAX 64u

static struct metadata metadata;
static struct vmm *vmm;
static struct share_event events[EVENTS_MAX];
static unsigned events_heard;

static void hear(void *ctx, const struct share_event *event)
{
    assert_ptr_equal(ctx, &metadata);
    assert_true(events_heard < EVENTS_MAX);
    events[events_heard++] = *event;
}

/* Three VMs of four pages: contents 1, 2, 0, and the VM's own. */
static int begin(void **state)
{
    (void)state;
    metadata_init(&metadata);
    vmm = vmm_new(3, 4, 24);
    struct share_observer observer = {sizeof observer, hear, &metadata};
    struct share_config config = {.struct_size = sizeof config,
                                  .ops = &vmm_ops,
                                  .ops_ctx = vmm,
                                  .alloc = &metadata.alloc,
                                  .observer = &observer};
    assert_int_equal(share_new(&config, &vmm->share), SHARE_OK);
    for (unsigned i = 0; i < 3; i++) {
        share_vm vm = vmm_add(vmm, 0, 10, 0);
        for (unsigned slot = 0; slot < 4; slot++)
            assert_true(vmm_populate(
                vmm, vm, slot,
                (struct vmm_content){slot == 3 ? 100 + i : (const uint64_t[]){1, 2, 0}[slot], 0}));
    }
    events_heard = 0;
    return 0;
}

static int end(void **state)
{
    (void)state;
    vmm_end(vmm);
    return 0;
}

static struct share_event heard(unsigned at)
{
    assert_true(at < events_heard);
    return events[at];
}

static void gauges_are_of_now(void **state)
{
    (void)state;
    struct share_stats stats;
    share_stats(vmm->share, &stats);
    assert_int_equal(stats.vms, 3);
    assert_int_equal(stats.offered_pages + stats.frames + stats.hints + stats.framed_pages, 0);
    assert_int_equal(stats.metadata_bytes, metadata.bytes);
    assert_true(stats.metadata_bytes < (32 + 3 * 2 + 16) * 1024);

    assert_int_equal(share_now(vmm->share, 5, NULL), SHARE_OK);
    share_stats(vmm->share, &stats);
    assert_int_equal(stats.framed_pages, 9);
    assert_int_equal(stats.shared_pages, 9);
    assert_int_equal(stats.frames, 3);
    assert_true(stats.frame_end > 3);
    assert_int_equal(stats.reclaimed_pages, 6);
    assert_int_equal(stats.hints, 3);
    assert_int_equal(stats.passes, 2);
    assert_int_equal(stats.metadata_bytes, metadata.bytes);

    assert_int_equal(vmm_store(vmm, 0, 0, 0, 7), SHARE_OK);
    assert_int_equal(vmm_store(vmm, 1, 0, 0, 8), SHARE_OK);
    share_stats(vmm->share, &stats);
    assert_int_equal(stats.breaks_copied, 2);
    assert_int_equal(stats.framed_pages, 7);
    assert_int_equal(stats.shared_pages, 6); /* one page is alone on its frame */
    assert_int_equal(stats.frames, 3);
    assert_int_equal(vmm_store(vmm, 2, 0, 0, 9), SHARE_OK);
    share_stats(vmm->share, &stats);
    assert_int_equal(stats.breaks_last, 1);
    assert_int_equal(stats.frames, 2);
}

static void counters_outlive_their_vm(void **state)
{
    (void)state;
    struct share_stats before, after, one;
    assert_int_equal(share_now(vmm->share, 5, NULL), SHARE_OK);
    share_stats(vmm->share, &before);
    assert_int_equal(share_vm_stats(vmm->share, 1, &one), SHARE_OK);
    assert_true(one.offered_pages > 0);
    assert_int_equal(one.frames + one.hints + one.metadata_bytes, 0);
    events_heard = 0;
    vmm_remove(vmm, 1, false);
    share_stats(vmm->share, &after);
    assert_int_equal(after.offered_pages, before.offered_pages);
    assert_memory_equal(after.outcomes, before.outcomes, sizeof after.outcomes);
    assert_int_equal(after.framed_pages, before.framed_pages - 3);
    assert_int_equal(after.forgets, 3);
    assert_int_equal(after.vms, 2);
    assert_int_equal(after.hints, before.hints - 1);
    assert_int_equal(events_heard, 3);
}

static void pages_are_described(void **state)
{
    (void)state;
    struct share_page_info infos[4];
    struct share *share = vmm->share;
    assert_int_equal(share_now(share, 5, NULL), SHARE_OK);
    assert_int_equal(share_page_info(share, 0, (share_ppn){10}, 4, infos), SHARE_OK);
    for (unsigned slot = 0; slot < 3; slot++) {
        assert_int_equal(infos[slot].state, SHARE_PAGE_SHARED);
        assert_int_equal(infos[slot].refs, 3);
        assert_int_equal(infos[slot].zero, slot == 2);
        assert_true(infos[slot].mpn.n == vmm->mpn_base + vmm_page(vmm, 0, slot)->mpn);
        assert_true(infos[slot].frame != 0);
    }
    assert_int_equal(infos[3].state, SHARE_PAGE_HINTED);
    assert_int_equal(infos[3].frame, 0);
    assert_int_equal(share_page_info(share, 0, (share_ppn){9}, 1, infos), SHARE_INVALID);
    assert_int_equal(share_page_info(share, 0, (share_ppn){13}, 2, infos), SHARE_INVALID);
    assert_int_equal(share_page_info(share, 0, (share_ppn){14}, 1, infos), SHARE_INVALID);
}

static void charges_add_up_to_what_is_used(void **state)
{
    (void)state;
    struct share_vm_usage usage;
    assert_int_equal(share_now(vmm->share, 5, NULL), SHARE_OK);
    vmm_forget(vmm, 1, 0);
    vmm_forget(vmm, 2, 0);
    double charges = 0;
    for (share_vm vm = 0; vm < 3; vm++) {
        assert_int_equal(share_vm_usage(vmm->share, vm, &usage), SHARE_OK);
        assert_int_equal(usage.shared_pages, 2);
        assert_int_equal(usage.zero_pages, 1);
        assert_int_equal(usage.single_pages, vm == 0);
        charges += usage.charge_pages;
    }
    assert_true(charges > 2.999 && charges < 3.001); /* frames */
}

static void the_observer_hears_who_joins_whom(void **state)
{
    (void)state;
    assert_int_equal(vmm_offer(vmm, 0, 0), SHARE_HINTED);
    assert_int_equal(vmm_offer(vmm, 1, 0), SHARE_PROMOTED);
    assert_int_equal(vmm_offer(vmm, 2, 0), SHARE_JOINED);
    assert_int_equal(vmm_offer(vmm, 2, 0), SHARE_ALREADY);
    struct share_page_info info = vmm_info(vmm, 0, 0);
    assert_int_equal(events_heard, 5);
    assert_int_equal(heard(0).outcome, SHARE_HINTED);
    assert_int_equal(heard(0).frame, 0);
    struct share_event partner = heard(1), promoted = heard(2), joined = heard(3);
    assert_int_equal(partner.kind, SHARE_EVENT_PARTNER);
    assert_true(partner.vm == 0 && partner.ppn.n == 10 && partner.frame == info.frame);
    assert_true(partner.mpn.n == info.mpn.n);
    assert_int_equal(promoted.kind, SHARE_EVENT_OFFER);
    assert_int_equal(promoted.outcome, SHARE_PROMOTED);
    assert_true(promoted.vm == 1 && promoted.ppn.n == 10 && promoted.frame == info.frame);
    assert_true(promoted.with_vm == 0 && promoted.with_ppn.n == 10);
    assert_true(promoted.mpn.n == info.mpn.n); /* what it maps now */
    assert_true(joined.vm == 2 && joined.frame == info.frame && joined.mpn.n == info.mpn.n);
    assert_int_equal(heard(4).outcome, SHARE_ALREADY);
}

static void the_observer_hears_who_leaves(void **state)
{
    (void)state;
    for (share_vm vm = 0; vm < 3; vm++)
        vmm_offer(vmm, vm, 1);
    share_frame frame = vmm_info(vmm, 0, 1).frame;
    uint64_t mpn = vmm_info(vmm, 0, 1).mpn.n;
    events_heard = 0;
    vmm_forget(vmm, 0, 1);
    assert_int_equal(share_break(vmm->share, 1, (share_ppn){11}), SHARE_OK);
    assert_int_equal(share_break(vmm->share, 2, (share_ppn){11}), SHARE_OK);
    assert_int_equal(events_heard, 3);
    assert_int_equal(heard(0).kind, SHARE_EVENT_FORGET);
    assert_int_equal(heard(1).kind, SHARE_EVENT_BREAK);
    assert_int_equal(heard(2).kind, SHARE_EVENT_BREAK_LAST);
    for (share_vm vm = 0; vm < 3; vm++)
        assert_true(heard(vm).vm == vm && heard(vm).ppn.n == 11 && heard(vm).frame == frame);
    assert_true(heard(1).mpn.n == vmm->mpn_base + vmm_page(vmm, 1, 1)->mpn);
    assert_true(heard(2).mpn.n == mpn);
}

/* Adding and subtracting what it hears, an observer knows each frame's references. */
static void the_observer_can_count_references(void **state)
{
    (void)state;
    int refs[64] = {0};
    assert_int_equal(share_now(vmm->share, 1, NULL), SHARE_UNSETTLED);
    assert_int_equal(share_vm_regroup(vmm->share, 0, 0), SHARE_OK);
    assert_int_equal(share_break(vmm->share, 0, (share_ppn){10}), SHARE_OK);
    vmm_remove(vmm, 2, true);
    for (unsigned i = 0; i < events_heard; i++) {
        struct share_event event = events[i];
        bool merged = event.outcome == SHARE_PROMOTED || event.outcome == SHARE_JOINED ||
                      event.outcome == SHARE_ZERO;
        if (event.kind == SHARE_EVENT_PARTNER || (event.kind == SHARE_EVENT_OFFER && merged))
            refs[event.frame]++;
        else if (event.kind != SHARE_EVENT_OFFER)
            refs[event.frame]--;
    }
    for (share_vm vm = 0; vm < 2; vm++)
        for (unsigned slot = 0; slot < 4; slot++) {
            struct share_page_info info = vmm_info(vmm, vm, slot);
            if (info.frame)
                assert_int_equal(refs[info.frame], info.refs);
        }
}

static void names_are_the_headers(void **state)
{
    (void)state;
    assert_string_equal(share_outcome_name(SHARE_HINTED), "hinted");
    assert_string_equal(share_outcome_name(SHARE_REPLACED_STALE), "replaced_stale");
    assert_string_equal(share_outcome_name(SHARE_FALSE_MATCH), "false_match");
    assert_string_equal(share_outcome_name(SHARE_BACKED_OFF), "backed_off");
    assert_string_equal(share_outcome_name(SHARE_PAGE_GONE), "gone");
    assert_string_equal(share_outcome_name(SHARE_GROUP_OFF), "group_off");
    assert_string_equal(share_outcome_name(SHARE_ERROR), "error");
    assert_string_equal(share_outcome_name(SHARE_OUTCOMES), "unknown");
    assert_string_equal(share_result_name(SHARE_OK), "ok");
    assert_string_equal(share_result_name(SHARE_UNSETTLED), "unsettled");
    assert_string_equal(share_result_name((enum share_result)99), "unknown");
}

/* For a moment, beside other threads. */
static void a_count_below_nothing_is_nothing(void **state)
{
    struct share_stats stats;
    (void)state;
    vmm = vmm_new_pair();
    _Atomic uint64_t *count = &share_vm_at(vmm->share, 0)->counts.framed_pages;
    atomic_fetch_sub(count, 1);
    assert_int_equal(share_vm_stats(vmm->share, 0, &stats), SHARE_OK);
    assert_int_equal(stats.framed_pages, 0);
    atomic_fetch_add(count, 1);
    vmm_end(vmm);
}

static void page_infos_go_on_in_the_next_chunk(void **state)
{
    struct share_page_info infos[130];
    (void)state;
    vmm = vmm_new_guest(130);
    assert_int_equal(vmm_offer(vmm, 0, 100), SHARE_HINTED);
    assert_int_equal(share_page_info(vmm->share, 0, vmm_ppn(vmm, 0, 0), 130, infos), SHARE_OK);
    for (unsigned slot = 0; slot < 130; slot++)
        assert_int_equal(infos[slot].state, slot == 100 ? SHARE_PAGE_HINTED : SHARE_PAGE_PRIVATE);
    vmm_end(vmm);
}

/* A program built with a newer header has longer structs: what the library does not know is 0. */
static void what_a_newer_program_knows_is_0(void **state)
{
    struct newer_stats {
        struct share_stats known;
        uint64_t unknown[2];
    } stats, none = {.unknown = {0}};
    struct newer_info {
        struct share_page_info known;
        uint64_t unknown[2];
    } infos[3];
    (void)state;
    memset(&stats, 0xff, sizeof stats);
    share_stats_sized(vmm->share, &stats.known, sizeof stats);
    assert_int_equal(stats.known.vms, 3);
    assert_memory_equal(stats.unknown, none.unknown, sizeof none.unknown);

    assert_int_equal(vmm_offer(vmm, 0, 1), SHARE_HINTED);
    memset(infos, 0xff, sizeof infos);
    assert_int_equal(share_page_info_sized(vmm->share, 0, vmm_ppn(vmm, 0, 0), 3, &infos[0].known,
                                           sizeof infos[0]),
                     SHARE_OK);
    assert_int_equal(infos[1].known.state, SHARE_PAGE_HINTED);
    for (unsigned slot = 0; slot < 3; slot++)
        assert_memory_equal(infos[slot].unknown, none.unknown, sizeof none.unknown);
}

static void strays_are_told_as_left_out(void **state)
{
    struct share_stats stats;
    (void)state;
    vmm = vmm_new_guest(1);
    atomic_store(&vmm->share->table.strays, 3);
    share_stats(vmm->share, &stats);
    assert_int_equal(stats.hints_left_out, 3);
    vmm_end(vmm);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(gauges_are_of_now),
        TEST(counters_outlive_their_vm),
        TEST(pages_are_described),
        TEST(charges_add_up_to_what_is_used),
        TEST(the_observer_hears_who_joins_whom),
        TEST(the_observer_hears_who_leaves),
        TEST(the_observer_can_count_references),
        TEST(names_are_the_headers),
        TEST(what_a_newer_program_knows_is_0),
        cmocka_unit_test(a_count_below_nothing_is_nothing),
        cmocka_unit_test(page_infos_go_on_in_the_next_chunk),
        cmocka_unit_test(strays_are_told_as_left_out),
    };
    return RUN(tests);
}
