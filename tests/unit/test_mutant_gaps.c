/* SPDX-License-Identifier: MIT */
/*
 * What small faults in the library showed that no test saw (tests/mutants). Each test here is the
 * one that sees one of them.
 */
#include "engine.h"
#include "grow.h"
#include "lock.h"
#include "metadata.h"
#include "table.h"
#include "test.h"
#include "vmm.h"
#include <errno.h>
#include <pthread.h>
#include <unistd.h>

static struct vmm *vmm;
static struct share_scan_report report;

static void scan(uint32_t flags)
{
    assert_int_equal(share_scan(vmm->share, SHARE_SEQUENTIAL, flags, UINT64_MAX, &report),
                     SHARE_OK);
}

static share_mpn mpn_of(share_vm vm, unsigned slot)
{
    return (share_mpn){vmm->mpn_base + vmm_page(vmm, vm, slot)->mpn};
}

/* One VM of `slots` pages, all different. */
static void new_guest(unsigned slots)
{
    vmm = vmm_new(1, slots, slots + 4);
    vmm_engine(vmm, NULL, 1);
    vmm_add(vmm, 0, 0, 0);
    for (unsigned slot = 0; slot < slots; slot++)
        assert_true(vmm_populate(vmm, 0, slot, (struct vmm_content){1 + slot, 0}));
}

enum { MANY = 300 }; /* more than two vectors, and than two batches of a clone */

/* ---------------------------------------------------------------------------------- table -- */

static void tags_are_compared_bit_by_bit(void **state)
{
    const uint32_t key = UINT32_C(0x15555555); /* of 30 bits */
    (void)state;
    for (unsigned slot = 0; slot < SHARE_TABLE_SLOTS; slot++) {
        struct share_bucket bucket = {.tag = {0}};
        share_bucket_put(&bucket, slot, key, (struct share_hit){SHARE_KIND_HINT, 1});
        assert_int_equal(share_bucket_slots(&bucket, key).matches, 1u << slot);
        for (unsigned bit = 0; bit < 30; bit++)
            assert_int_equal(share_bucket_slots(&bucket, key ^ UINT32_C(1) << bit).matches, 0);
    }
}

static void an_empty_slot_has_no_key(void **state)
{
    struct share_bucket bucket = {.tag = {0, SHARE_TAG_SPILL, 0}};
    (void)state;
    assert_true(share_bucket_is_valid(&bucket));
    bucket.tag[1] |= 1u << SHARE_TAG_KEY_SHIFT;
    assert_false(share_bucket_is_valid(&bucket));
}

static void contents_are_told_apart_by_36_bits(void **state)
{
    const uint64_t hash = UINT64_C(0x123456789abcdef0);
    (void)state;
    for (unsigned bit = 0; bit < 64; bit++)
        assert_int_equal(share_entry_hash_equal(hash, hash ^ UINT64_C(1) << bit), bit < 28);
}

static struct metadata metadata;
static struct share_mem mem;
static struct share_table table;

static void new_table(void)
{
    metadata_init(&metadata);
    share_mem_init(&mem, &metadata.alloc);
    memset(&table, 0, sizeof table);
    assert_true(share_table_init(&table, &mem, 0));
}

static void end_table(void)
{
    assert_true(share_table_is_valid(&table));
    share_table_fini(&table);
    assert_int_equal(metadata.blocks, 0);
}

/* Entries for partition 0, until it waits for a larger array. Their number. */
static uint32_t fill_partition(void)
{
    uint32_t count = 0;
    struct share_partition *part = share_table_lock(&table, 0);
    while (!share_table_is_full(part)) {
        uint64_t hash = count * UINT64_C(0x9e3779b97f4a7c15) >> SHARE_PARTITION_BITS;
        (void)!share_table_insert(&table, part, hash, (struct share_hit){SHARE_KIND_HINT, ++count});
    }
    share_table_unlock(part);
    return count;
}

/* Without another insertion that asks for it. */
static void growth_that_was_refused_is_tried_again(void **state)
{
    (void)state;
    new_table();
    (void)fill_partition();
    metadata.fail_at = metadata.calls + 1;
    metadata.fail_count = 1;
    assert_false(share_table_reserve(&table));
    assert_int_equal(table.partition[0].old.buckets, 0);
    assert_true(share_table_reserve(&table));
    assert_int_not_equal(table.partition[0].old.buckets, 0);
    end_table();
}

/* A partition may ask for a larger array while its old one is being emptied. */
static void an_array_is_kept_until_it_is_empty(void **state)
{
    (void)state;
    new_table();
    (void)fill_partition();
    assert_true(share_table_reserve(&table));
    assert_int_not_equal(table.partition[0].old.buckets, 0);
    share_grow_want(&table, &table.partition[0]);
    assert_true(share_table_reserve(&table));
    end_table();
}

/* Also while the emptied array waits to be freed. */
static void buckets_that_were_moved_count_once(void **state)
{
    const struct share_hit absent = {SHARE_KIND_FRAME, 1};
    (void)state;
    new_table();
    (void)fill_partition();
    assert_true(share_table_reserve(&table));
    const struct share_partition *part = &table.partition[0];
    assert_int_not_equal(part->old.buckets, 0);
    while (part->move_next < part->old.buckets) /* each call moves some */
        assert_false(share_table_remove(&table, 0, SHARE_ENTRY_HASH_BITS, absent));
    assert_int_equal(share_table_moves(&table).buckets, part->old.buckets);
    end_table();
}

/* Six removals for each slot of each partition, with one entry at a time. */
static void removals_bring_new_buckets(void **state)
{
    (void)state;
    new_table();
    for (uint64_t i = 0; i < 6 * 24 * SHARE_TABLE_PARTITIONS; i++) {
        uint64_t hash = (i + 1) << (64 - SHARE_PARTITION_BITS) | i << 40;
        struct share_hit entry = {SHARE_KIND_HINT, (uint32_t)i + 1};
        struct share_partition *part = share_table_lock(&table, hash);
        assert_true(share_table_insert(&table, part, hash, entry));
        share_table_unlock(part);
        assert_true(share_table_remove(&table, hash, SHARE_ENTRY_HASH_BITS, entry));
        assert_true(share_table_reserve(&table));
    }
    assert_true(share_table_moves(&table).buckets >= SHARE_TABLE_PARTITIONS);
    end_table();
}

/* ------------------------------------------------------------------------------------ cow -- */

static struct share_ppn watched; /* of VM 1 */
static unsigned breaks;
static bool protected_after_break;

/* A write to a page before it is protected, and another one before it is compared. */
static void break_twice(struct vmm *of, enum vmm_op op)
{
    bool due = (breaks == 0 && op == VMM_PROTECT) || (breaks == 1 && op == VMM_PEEK);
    if (!due)
        return;
    breaks++;
    if (share_break(of->share, 1, watched) != SHARE_OK)
        return;
    if (breaks == 2)
        protected_after_break = vmm_page(of, 1, 0)->reasons & VMM_SHARING;
}

/* The owner protects a page that a write has won already: the next write needs its break, too. */
static void each_write_to_a_page_that_is_looked_at_unprotects_it(void **state)
{
    (void)state;
    vmm = vmm_new(2, 1, 4);
    vmm_engine(vmm, NULL, 1);
    for (share_vm vm = 0; vm < 2; vm++) {
        vmm_add(vmm, 0, 0, 0);
        assert_true(vmm_populate(vmm, vm, 0, (struct vmm_content){1, 0}));
    }
    assert_int_equal(vmm_offer(vmm, 0, 0), SHARE_HINTED);
    watched = vmm_ppn(vmm, 1, 0);
    breaks = 0;
    protected_after_break = true;
    vmm->step = break_twice;
    assert_int_equal(vmm_offer(vmm, 1, 0), SHARE_BUSY);
    vmm->step = NULL;
    assert_int_equal(breaks, 2);
    assert_false(protected_after_break);
    vmm_end(vmm);
}

static void forget_another(struct vmm *of, enum vmm_op op)
{
    if (op != VMM_ALLOC)
        return;
    of->step = NULL;
    (void)vmm_forget(of, 0, 0);
}

/* There is no memory, but what another call dropped while this one asked may have been some. */
static void a_break_tries_again_when_something_arrived_meanwhile(void **state)
{
    (void)state;
    vmm = vmm_new(3, 1, 4);
    vmm_engine(vmm, NULL, 1);
    for (share_vm vm = 0; vm < 3; vm++) {
        vmm_add(vmm, 0, 0, 0);
        assert_true(vmm_populate(vmm, vm, 0, (struct vmm_content){1, 0}));
    }
    assert_int_equal(share_now(vmm->share, 5, NULL), SHARE_OK);
    vmm->answers[VMM_ALLOC] = SHARE_ANSWER_FAIL;
    assert_int_equal(share_break(vmm->share, 1, vmm_ppn(vmm, 1, 0)), SHARE_NOMEM);
    vmm->step = forget_another;
    assert_int_equal(share_break(vmm->share, 1, vmm_ppn(vmm, 1, 0)), SHARE_RETRY);
    vmm_end(vmm);
}

static bool unprotected, read_after;

static void note_order(struct vmm *of, enum vmm_op op)
{
    (void)of;
    unprotected = unprotected || op == VMM_UNPROTECT;
    read_after = read_after || (unprotected && op == VMM_PEEK);
}

/* A frame is sought by its content: so it must be gone from the table before its last page is
 * unprotected. */
static void the_last_page_is_unprotected_when_its_frame_has_left_the_table(void **state)
{
    (void)state;
    vmm = vmm_new(2, 1, 4);
    vmm_engine(vmm, NULL, 1);
    for (share_vm vm = 0; vm < 2; vm++) {
        vmm_add(vmm, 0, 0, 0);
        assert_true(vmm_populate(vmm, vm, 0, (struct vmm_content){1, 0}));
    }
    assert_int_equal(share_now(vmm->share, 5, NULL), SHARE_OK);
    assert_int_equal(share_break(vmm->share, 0, vmm_ppn(vmm, 0, 0)), SHARE_OK);
    unprotected = read_after = false;
    vmm->step = note_order;
    assert_int_equal(share_break(vmm->share, 1, vmm_ppn(vmm, 1, 0)), SHARE_OK);
    vmm->step = NULL;
    assert_true(unprotected);
    assert_false(read_after);
    vmm_end(vmm);
}

static void merge_others(struct vmm *of, enum vmm_op op)
{
    if (op != VMM_ALLOC)
        return;
    of->step = NULL;
    assert_int_equal(vmm_offer(of, 1, 1), SHARE_PROMOTED);
}

/* Two VMs of two pages: contents 1 and 2. */
static void new_pair_of_guests(void)
{
    vmm = vmm_new(2, 2, 8);
    vmm_engine(vmm, NULL, 1);
    for (share_vm vm = 0; vm < 2; vm++) {
        vmm_add(vmm, 0, 0, 0);
        for (unsigned slot = 0; slot < 2; slot++)
            assert_true(vmm_populate(vmm, vm, slot, (struct vmm_content){1 + slot, 0}));
    }
}

/* What a merge freed meanwhile, too. */
static void a_break_tries_again_when_a_merge_freed_something(void **state)
{
    (void)state;
    new_pair_of_guests();
    assert_int_equal(vmm_offer(vmm, 0, 0), SHARE_HINTED);
    assert_int_equal(vmm_offer(vmm, 1, 0), SHARE_PROMOTED);
    assert_int_equal(vmm_offer(vmm, 0, 1), SHARE_HINTED);
    vmm->answers[VMM_ALLOC] = SHARE_ANSWER_FAIL;
    vmm->step = merge_others;
    assert_int_equal(share_break(vmm->share, 1, vmm_ppn(vmm, 1, 0)), SHARE_RETRY);
    vmm_end(vmm);
}

/* A write to the partner when both pages have been compared, and are equal. */
static void break_the_partner(struct vmm *of, enum vmm_op op)
{
    if (op == VMM_PROTECT)
        breaks = 1;
    if (op != VMM_UNPEEK || breaks != 1)
        return;
    breaks++;
    assert_int_equal(share_break(of->share, 0, vmm_ppn(of, 0, 0)), SHARE_OK);
}

static void a_promotion_that_a_write_wins_leaves_no_frame(void **state)
{
    (void)state;
    new_pair_of_guests();
    assert_int_equal(vmm_offer(vmm, 0, 0), SHARE_HINTED);
    breaks = 0;
    vmm->step = break_the_partner;
    assert_int_equal(vmm_offer(vmm, 1, 0), SHARE_BUSY);
    vmm->step = NULL;
    assert_int_equal(breaks, 2);
    vmm_must_be_sound(vmm);
    assert_int_equal(vmm_offer(vmm, 1, 0), SHARE_PROMOTED);
    vmm_end(vmm);
}

static void store_before_it_is_protected(struct vmm *of, enum vmm_op op)
{
    if (op != VMM_PROTECT)
        return;
    of->step = NULL;
    assert_int_equal(vmm_store(of, 1, 0, 5, 99), SHARE_OK);
}

static void a_page_that_changes_before_it_is_protected_is_volatile(void **state)
{
    (void)state;
    new_pair_of_guests();
    assert_int_equal(vmm_offer(vmm, 0, 0), SHARE_HINTED);
    vmm->step = store_before_it_is_protected;
    assert_int_equal(vmm_offer(vmm, 1, 0), SHARE_VOLATILE);
    vmm_end(vmm);
}

static enum share_outcome outcome_meanwhile;

static void offer_its_equal(struct vmm *of, enum vmm_op op)
{
    if (op != VMM_RESOLVE)
        return;
    of->step = NULL;
    outcome_meanwhile = vmm_offer(of, 1, 0);
}

static void a_page_whose_partner_is_looked_at_is_busy(void **state)
{
    (void)state;
    new_pair_of_guests();
    assert_int_equal(vmm_offer(vmm, 0, 0), SHARE_HINTED);
    vmm->step = offer_its_equal;
    assert_int_equal(vmm_offer(vmm, 0, 0), SHARE_HINTED);
    assert_int_equal(outcome_meanwhile, SHARE_BUSY);
    vmm_end(vmm);
}

/* Contents that look the same in the table, and have different hashes. */
static void an_item_tries_four_entries(void **state)
{
    (void)state;
    vmm = vmm_new(1, 6, 8);
    vmm_engine(vmm, NULL, 1);
    vmm_weaken_hash(vmm, 0xffffff);
    vmm_add(vmm, 0, 0, 0);
    for (unsigned slot = 0; slot < 6; slot++) {
        assert_true(vmm_populate(vmm, 0, slot, (struct vmm_content){1 + slot, 0}));
        assert_int_equal(vmm_offer(vmm, 0, slot), slot < 5 ? SHARE_HINTED : SHARE_FALSE_MATCH);
    }
    vmm_end(vmm);
}

/* The second time, a number of a VM that was asked for when it had gone. */
static void a_vm_that_was_asked_for_in_vain_can_go(void **state)
{
    (void)state;
    vmm = vmm_new(2, 1, 4);
    vmm_engine(vmm, NULL, 1);
    for (unsigned life = 0; life < 2; life++) {
        share_vm vm = vmm_add(vmm, 0, 0, 0);
        assert_int_equal(vm, 0);
        vmm_remove(vmm, vm, false);
        assert_int_equal(share_break(vmm->share, vm, (share_ppn){0}), SHARE_GONE);
    }
    vmm_end(vmm);
}

/* For a moment, beside other threads. */
static void a_count_below_nothing_is_nothing(void **state)
{
    struct share_stats stats;
    (void)state;
    new_pair_of_guests();
    _Atomic uint64_t *count = &share_vm_at(vmm->share, 0)->counts.framed_pages;
    atomic_fetch_sub(count, 1);
    assert_int_equal(share_vm_stats(vmm->share, 0, &stats), SHARE_OK);
    assert_int_equal(stats.framed_pages, 0);
    atomic_fetch_add(count, 1);
    vmm_end(vmm);
}

/* Numbers behind the last ones. */
static bool alloc_beyond(void *ctx, struct share_vm_ref vm, share_mpn *mpn, void **bytes)
{
    static uint64_t page[VMM_WORDS];
    (void)ctx;
    (void)vm;
    mpn->n = SHARE_MPN_END;
    *bytes = page;
    return true;
}

static void free_nothing(void *ctx, const share_mpn *mpns, size_t count, enum share_free_kind kind)
{
    (void)ctx;
    (void)mpns;
    (void)count;
    (void)kind;
}

static bool next_beyond(void *ctx, struct share_vm_ref vm, share_ppn from, share_ppn *found)
{
    (void)ctx;
    (void)vm;
    found->n = 2;
    return from.n <= 2;
}

static void a_resolve_beyond_the_last_machine_page_is_an_error(void **state)
{
    (void)state;
    new_guest(1);
    uint32_t mpn = vmm_page(vmm, 0, 0)->mpn;
    vmm_page(vmm, 0, 0)->mpn = vmm->mpns;
    assert_int_equal(vmm->mpn_base + vmm->mpns, SHARE_MPN_END);
    assert_int_equal(vmm_offer(vmm, 0, 0), SHARE_ERROR);
    vmm_page(vmm, 0, 0)->mpn = mpn;
    vmm_end(vmm);
}

static void allocs_and_pages_beyond_the_last_ones_are_refused(void **state)
{
    struct share_ops ops = vmm_ops;
    struct share_config config = {.struct_size = sizeof config, .ops = &ops};
    (void)state;
    vmm = vmm_new(2, 2, 8);
    ops.alloc = alloc_beyond;
    ops.free = free_nothing;
    ops.next_present = next_beyond;
    config.ops_ctx = vmm;
    assert_int_equal(share_new(&config, &vmm->share), SHARE_OK);
    for (share_vm vm = 0; vm < 2; vm++) {
        vmm_add(vmm, 0, 0, 0);
        assert_true(vmm_populate(vmm, vm, 0, (struct vmm_content){1, 0}));
    }
    scan(0);
    assert_int_equal(report.looked_pages, 0);
    assert_int_equal(vmm_offer(vmm, 0, 0), SHARE_HINTED);
    assert_int_equal(vmm_offer(vmm, 1, 0), SHARE_PROMOTED);
    assert_int_equal(share_break(vmm->share, 0, vmm_ppn(vmm, 0, 0)), SHARE_NOMEM);
    share_free(vmm->share);
    vmm_free(vmm);
}

/* More than the first table of aliases has room for. */
static void many_aliases_are_marked(void **state)
{
    (void)state;
    vmm = vmm_new(1, MANY, MANY);
    vmm_engine(vmm, NULL, 1);
    vmm_add(vmm, 0, 0, 0);
    for (unsigned slot = 0; slot < MANY; slot += 2) {
        assert_true(vmm_populate(vmm, 0, slot, (struct vmm_content){1 + slot, 0}));
        vmm_alias(vmm, 0, slot + 1, 0, slot);
    }
    scan(0);
    scan(0);
    for (unsigned slot = 0; slot < MANY; slot++)
        assert_int_equal(vmm_info(vmm, 0, slot).state, SHARE_PAGE_NO_MATCH);
    for (unsigned slot = 1; slot < MANY; slot += 2)
        vmm_unalias(vmm, 0, slot);
    vmm_end(vmm);
}

static void the_peak_is_no_less_than_what_is_held(void **state)
{
    struct share_stats stats;
    (void)state;
    new_guest(1);
    share_stats(vmm->share, &stats);
    assert_true(stats.metadata_peak_bytes >= stats.metadata_bytes && stats.metadata_bytes > 0);
    vmm_end(vmm);
}

static void a_page_joins_no_frame_of_another_machine_page(void **state)
{
    (void)state;
    new_pair_of_guests();
    struct share_adopt_run first = {.ppn = vmm_ppn(vmm, 0, 0), .mpn = mpn_of(0, 0), .count = 1};
    struct share_adopt_run run = {.ppn = vmm_ppn(vmm, 1, 0),
                                  .mpn = mpn_of(1, 0),
                                  .count = 1,
                                  .joins = true,
                                  .with_vm = 0,
                                  .with_ppn = vmm_ppn(vmm, 0, 0)};
    assert_int_equal(share_adopt(vmm->share, 0, &first, 1, 0), SHARE_OK);
    assert_int_equal(share_adopt(vmm->share, 1, &run, 1, 0), SHARE_INVALID);
    vmm_end(vmm);
}

/* The salt decides how contents are hashed. */
static void engines_of_one_salt_hash_alike(void **state)
{
    uint32_t hash_top[2];
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        new_guest(1);
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

static void a_tree_that_grows_keeps_what_it_had(void **state)
{
    (void)state;
    vmm = vmm_new(1, 2, 4);
    vmm_engine(vmm, NULL, 1);
    vmm_add(vmm, 0, 0, 27);
    for (unsigned slot = 0; slot < 2; slot++) {
        assert_true(vmm_populate(vmm, 0, slot, (struct vmm_content){1 + slot, 0}));
        assert_int_equal(vmm_offer(vmm, 0, slot), SHARE_HINTED);
    }
    assert_int_equal(vmm_info(vmm, 0, 0).state, SHARE_PAGE_HINTED);
    vmm_end(vmm);
}

static void dirty_pages_that_were_busy_stay_dirty(void **state)
{
    struct share_stats stats;
    (void)state;
    new_pair_of_guests();
    assert_int_equal(vmm_offer(vmm, 0, 0), SHARE_HINTED);
    vmm_page(vmm, 1, 0)->pinned = true;
    share_ppn ppn = vmm_ppn(vmm, 1, 0);
    assert_int_equal(share_dirty(vmm->share, 1, &ppn, 1), SHARE_OK);
    assert_int_equal(share_scan(vmm->share, SHARE_DIRTY, 0, 9, &report), SHARE_OK);
    assert_int_equal(report.outcomes[SHARE_BUSY], 1);
    share_stats(vmm->share, &stats);
    assert_int_equal(stats.dirty_pages, 1);
    vmm_end(vmm);
}

static void page_infos_go_on_in_the_next_chunk(void **state)
{
    struct share_page_info infos[130];
    (void)state;
    new_guest(130);
    assert_int_equal(vmm_offer(vmm, 0, 100), SHARE_HINTED);
    assert_int_equal(share_page_info(vmm->share, 0, vmm_ppn(vmm, 0, 0), 130, infos), SHARE_OK);
    for (unsigned slot = 0; slot < 130; slot++)
        assert_int_equal(infos[slot].state, slot == 100 ? SHARE_PAGE_HINTED : SHARE_PAGE_PRIVATE);
    vmm_end(vmm);
}

static void strays_are_told_as_left_out(void **state)
{
    struct share_stats stats;
    (void)state;
    new_guest(1);
    atomic_store(&vmm->share->table.strays, 3);
    share_stats(vmm->share, &stats);
    assert_int_equal(stats.hints_left_out, 3);
    vmm_end(vmm);
}

/* ---------------------------------------------------------------------------------- check -- */

static void a_hint_under_another_hash_is_named(void **state)
{
    struct share_check_report found;
    (void)state;
    new_pair_of_guests();
    assert_int_equal(vmm_offer(vmm, 0, 0), SHARE_HINTED);
    uint64_t hash = (uint64_t)vmm_info(vmm, 0, 0).hash_top << 38 ^ UINT64_C(1) << 50;
    struct share_page_ref page;
    assert_true(share_page_find(&vmm->share->pages, &share_vm_at(vmm->share, 0)->tree,
                                vmm_ppn(vmm, 0, 0), &page));
    struct share_hit entry = {SHARE_KIND_HINT, page.id};
    struct share_partition *part = share_table_lock(&vmm->share->table, hash);
    assert_true(share_table_insert(&vmm->share->table, part, hash, entry));
    share_table_unlock(part);
    assert_int_equal(share_check(vmm->share, &found), SHARE_FAIL);
    assert_string_equal(found.reason, "a hint stands for a page that is not hinted so");
    assert_true(share_table_remove(&vmm->share->table, hash, SHARE_ENTRY_HASH_BITS, entry));
    vmm_end(vmm);
}

/* ------------------------------------------------------------------------------- learning -- */

static void an_old_page_that_changes_skips_a_pass(void **state)
{
    (void)state;
    new_guest(8);
    for (unsigned pass = 0; pass < 4; pass++)
        scan(SHARE_SCAN_ALL);
    assert_int_equal(vmm_info(vmm, 0, 3).backoff, 2); /* quiet */
    assert_int_equal(vmm_store(vmm, 0, 3, 0, 99), SHARE_OK);
    scan(SHARE_SCAN_ALL);
    assert_int_equal(report.outcomes[SHARE_VOLATILE], 1);
    assert_int_equal(vmm_info(vmm, 0, 3).backoff, 1);
    vmm_end(vmm);
}

/* In one of 8 passes in the end. */
static void a_page_on_probation_that_changes_is_looked_at_less_and_less(void **state)
{
    const unsigned passes = 160;
    uint64_t looks = 0;
    (void)state;
    new_guest(2);
    assert_int_equal(vmm_store(vmm, 0, 1, 0, 1), SHARE_OK); /* like page 0 */
    scan(0);
    assert_int_equal(vmm_store(vmm, 0, 1, 0, 1), SHARE_OK); /* the first break */
    scan(0);
    assert_int_equal(vmm_info(vmm, 0, 1).state, SHARE_PAGE_SHARED);
    for (unsigned pass = 0; pass < passes; pass++) {
        assert_int_equal(vmm_store(vmm, 0, 1, 0, 100 + pass), SHARE_OK);
        scan(0);
        looks += report.outcomes[SHARE_VOLATILE];
    }
    assert_in_range(looks, passes / 8, passes / 4);
    vmm_end(vmm);
}

static void scan_passes(unsigned passes)
{
    for (unsigned i = 0; i < passes; i++)
        scan(0);
}

/* ----------------------------------------------------------------------------------- scan -- */

static void a_report_counts_what_was_merged_and_what_had_changed(void **state)
{
    (void)state;
    vmm = vmm_new(2, 3, 8);
    vmm_engine(vmm, NULL, 1);
    vmm_add(vmm, 0, 0, 0);
    vmm_add(vmm, 0, 0, 0);
    assert_true(vmm_populate(vmm, 1, 0, (struct vmm_content){1, 0}));
    assert_true(vmm_populate(vmm, 1, 1, (struct vmm_content){0, 0}));
    assert_true(vmm_populate(vmm, 1, 2, (struct vmm_content){0, 0}));
    scan(0);
    assert_int_equal(report.outcomes[SHARE_ZERO], 2);
    assert_int_equal(report.merged_pages, 2);
    assert_int_equal(vmm_store(vmm, 1, 0, 0, 9), SHARE_OK); /* its hint is stale */
    assert_true(vmm_populate(vmm, 0, 0, (struct vmm_content){1, 0}));
    scan(SHARE_SCAN_ALL);
    assert_int_equal(report.outcomes[SHARE_REPLACED_STALE], 1);
    assert_int_equal(report.changed_pages, 1 + report.outcomes[SHARE_VOLATILE]);
    vmm_end(vmm);
}

static void a_pass_that_merges_settles_nothing(void **state)
{
    (void)state;
    new_guest(16);
    assert_int_equal(vmm_store(vmm, 0, 1, 0, 1), SHARE_OK); /* like page 0 */
    scan(0);
    assert_int_equal(report.merged_pages, 1);
    assert_false(share_settled(vmm->share));
    vmm_end(vmm);
}

/* Quiet pages are left out even of the first pass if they were offered before. */
static void a_first_pass_that_leaves_pages_out_settles_nothing(void **state)
{
    (void)state;
    new_guest(16);
    for (unsigned look = 0; look < 4; look++)
        for (unsigned slot = 0; slot < 16; slot++)
            assert_int_equal(vmm_offer(vmm, 0, slot), SHARE_HINTED);
    scan(0);
    assert_int_not_equal(report.outcomes[SHARE_QUIET], 0);
    assert_false(share_settled(vmm->share));
    scan_passes(3);
    assert_true(share_settled(vmm->share));
    vmm_end(vmm);
}

static void share_now_goes_on_when_pages_had_changed(void **state)
{
    (void)state;
    new_guest(16);
    assert_int_equal(share_now(vmm->share, 5, NULL), SHARE_OK);
    assert_int_equal(vmm_store(vmm, 0, 3, 0, 99), SHARE_OK);
    assert_int_equal(share_now(vmm->share, 1, NULL), SHARE_UNSETTLED);
    assert_int_equal(share_now(vmm->share, 1, NULL), SHARE_OK);
    vmm_end(vmm);
}

/* What others merged in a pass that they did not end is none of its news. */
static void share_now_counts_from_its_own_start(void **state)
{
    (void)state;
    new_guest(16);
    assert_int_equal(vmm_store(vmm, 0, 1, 0, 1), SHARE_OK); /* like page 0 */
    assert_int_equal(share_scan(vmm->share, SHARE_SEQUENTIAL, 0, 8, &report), SHARE_OK);
    assert_int_equal(report.merged_pages, 1);
    assert_int_equal(share_now(vmm->share, 1, NULL), SHARE_OK);
    vmm_end(vmm);
}

/* Even if all hashes of all groups are equal. */
static void a_page_joins_no_frame_of_another_group(void **state)
{
    share_group other;
    (void)state;
    vmm = vmm_new(3, 1, 6);
    vmm_engine(vmm, NULL, 1);
    vmm_weaken_hash(vmm, 0);
    assert_int_equal(share_group_add(vmm->share, true, &other), SHARE_OK);
    for (share_vm vm = 0; vm < 3; vm++) {
        vmm_add(vmm, vm < 2 ? 0 : other, 0, 0);
        assert_true(vmm_populate(vmm, vm, 0, (struct vmm_content){1, 0}));
    }
    assert_int_equal(vmm_offer(vmm, 0, 0), SHARE_HINTED);
    assert_int_equal(vmm_offer(vmm, 1, 0), SHARE_PROMOTED);
    assert_int_equal(vmm_offer(vmm, 2, 0), SHARE_HINTED);
    vmm_end(vmm);
}

/* ------------------------------------------------------------------------ declared sharing -- */

/* Pages of a run for each of VM 0's. */
static enum share_result adopt_all(void)
{
    struct share_adopt_run runs[MANY];
    for (unsigned slot = 0; slot < vmm->slots; slot++)
        runs[slot] = (struct share_adopt_run){
            .ppn = vmm_ppn(vmm, 0, slot), .mpn = mpn_of(0, slot), .count = 1};
    return share_adopt(vmm->share, 0, runs, vmm->slots, 0);
}

static void code_is_told_of_each_page_of_many(void **state)
{
    (void)state;
    new_guest(MANY);
    for (unsigned slot = 0; slot < MANY; slot += 7)
        vmm_page(vmm, 0, slot)->code = true;
    assert_int_equal(adopt_all(), SHARE_OK);
    for (unsigned slot = 0; slot < MANY; slot++)
        assert_int_equal(vmm_info(vmm, 0, slot).code, slot % 7 == 0);
    vmm_end(vmm);
}

static enum share_answer refuse_the_last(struct vmm *of, enum vmm_op op, share_vm vm, share_ppn ppn)
{
    (void)of;
    (void)vm;
    return op == VMM_PROTECT && ppn.n == MANY - 1 ? SHARE_ANSWER_FAIL : SHARE_ANSWER_OK;
}

/* Machine pages that do not follow each other. */
static void declared_pages_may_lie_apart(void **state)
{
    struct share_adopt_run runs[4];
    (void)state;
    new_guest(8);
    for (unsigned i = 0; i < 4; i++)
        runs[i] = (struct share_adopt_run){
            .ppn = vmm_ppn(vmm, 0, 2 * i), .mpn = mpn_of(0, 2 * i), .count = 1};
    assert_int_equal(share_adopt(vmm->share, 0, runs, 4, 0), SHARE_OK);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(vmm_info(vmm, 0, 2 * i).refs, 1);
        assert_int_equal(vmm_info(vmm, 0, 2 * i).mpn.n, mpn_of(0, 2 * i).n);
    }
    vmm_end(vmm);
}

/* An error gives references on frames of others back, too. */
static void an_error_leaves_the_frames_that_were_joined(void **state)
{
    (void)state;
    vmm = vmm_new(2, MANY, MANY + 4);
    vmm_engine(vmm, NULL, 1);
    vmm_add(vmm, 0, 0, 0);
    vmm_add(vmm, 0, 0, 0);
    assert_true(vmm_populate(vmm, 0, 0, (struct vmm_content){1, 0}));
    assert_true(vmm_populate(vmm, 1, MANY - 1, (struct vmm_content){2, 0}));
    vmm_alias(vmm, 1, 0, 0, 0);
    struct share_adopt_run runs[] = {
        {.ppn = vmm_ppn(vmm, 1, 0),
         .mpn = mpn_of(0, 0),
         .count = 1,
         .joins = true,
         .with_vm = 0,
         .with_ppn = vmm_ppn(vmm, 0, 0)},
        {.ppn = vmm_ppn(vmm, 1, MANY - 1), .mpn = mpn_of(1, MANY - 1), .count = 1},
    };
    struct share_adopt_run first = {.ppn = vmm_ppn(vmm, 0, 0), .mpn = mpn_of(0, 0), .count = 1};
    assert_int_equal(share_adopt(vmm->share, 0, &first, 1, 0), SHARE_OK);
    vmm->answer = refuse_the_last;
    assert_int_equal(share_adopt(vmm->share, 1, runs, 2, 0), SHARE_FAIL);
    vmm->answer = NULL;
    assert_int_equal(vmm_info(vmm, 0, 0).refs, 1);
    vmm_unalias(vmm, 1, 0);
    vmm_end(vmm);
}

/* Page 0 has a hint, page 1 is declared, and they are equal. */
static void declare_beside_a_hint(void)
{
    vmm = vmm_new(1, 2, 4);
    vmm_engine(vmm, NULL, 1);
    vmm_add(vmm, 0, 0, 0);
    for (unsigned slot = 0; slot < 2; slot++)
        assert_true(vmm_populate(vmm, 0, slot, (struct vmm_content){1, 0}));
    assert_int_equal(vmm_offer(vmm, 0, 0), SHARE_HINTED);
    struct share_adopt_run run = {.ppn = vmm_ppn(vmm, 0, 1), .mpn = mpn_of(0, 1), .count = 1};
    assert_int_equal(share_adopt(vmm->share, 0, &run, 1, 0), SHARE_OK);
}

static void a_hinted_page_joins_a_frame_that_came_into_the_table(void **state)
{
    (void)state;
    declare_beside_a_hint();
    assert_int_equal(vmm_offer(vmm, 0, 1), SHARE_ALREADY);
    assert_int_equal(vmm_offer(vmm, 0, 0), SHARE_JOINED);
    vmm_end(vmm);
}

static void store_to_page_0(struct vmm *of, enum vmm_op op)
{
    if (op != VMM_PROTECT)
        return;
    of->step = NULL;
    assert_int_equal(vmm_store(of, 0, 0, 5, 99), SHARE_OK);
}

/* It is looked at less often from then on. */
static void a_hinted_page_that_changes_before_it_is_protected_slows_down(void **state)
{
    (void)state;
    declare_beside_a_hint();
    assert_int_equal(vmm_offer(vmm, 0, 1), SHARE_ALREADY);
    vmm->step = store_to_page_0;
    assert_int_equal(vmm_offer(vmm, 0, 0), SHARE_VOLATILE);
    assert_int_equal(vmm_info(vmm, 0, 0).backoff, 1);
    vmm_end(vmm);
}

/* The pass in which the frame comes into the table finds nothing else. */
static void share_now_goes_on_when_frames_come_into_the_table(void **state)
{
    (void)state;
    declare_beside_a_hint();
    assert_int_equal(share_now(vmm->share, 5, &report), SHARE_OK);
    assert_int_equal(vmm_info(vmm, 0, 0).state, SHARE_PAGE_SHARED);
    vmm_end(vmm);
}

/* An alias of a frame's machine page that nobody declared. */
static void an_alias_of_a_frame_is_left_alone(void **state)
{
    (void)state;
    vmm = vmm_new(1, 3, 4);
    vmm_engine(vmm, NULL, 1);
    vmm_add(vmm, 0, 0, 0);
    for (unsigned slot = 0; slot < 2; slot++)
        assert_true(vmm_populate(vmm, 0, slot, (struct vmm_content){1, 0}));
    assert_int_equal(share_now(vmm->share, 5, NULL), SHARE_OK);
    vmm_alias(vmm, 0, 2, 0, 0);
    assert_int_equal(vmm_offer(vmm, 0, 2), SHARE_ALREADY);
    assert_int_equal(vmm_info(vmm, 0, 2).state, SHARE_PAGE_NO_MATCH);
    vmm_unalias(vmm, 0, 2);
    vmm_end(vmm);
}

/* As many pages are busy as may be named. */
static void aliases_are_not_cloned(void **state)
{
    share_ppn busy[2];
    size_t busy_count;
    (void)state;
    vmm = vmm_new(2, 3, 4);
    vmm_engine(vmm, NULL, 1);
    vmm_add(vmm, 0, 0, 0);
    assert_true(vmm_populate(vmm, 0, 0, (struct vmm_content){1, 0}));
    assert_true(vmm_populate(vmm, 0, 2, (struct vmm_content){2, 0}));
    vmm_alias(vmm, 0, 1, 0, 0);
    scan(0);
    scan(0);
    assert_int_equal(vmm_info(vmm, 0, 1).state, SHARE_PAGE_NO_MATCH);
    share_vm child = vmm_add_stopped(vmm, 0, 0, 0);
    vmm_alias(vmm, child, 2, 0, 2);
    assert_int_equal(share_vm_clone(vmm->share, 0, child, busy, 2, &busy_count), SHARE_OK);
    assert_int_equal(busy_count, 2);
    vmm_unalias(vmm, 0, 1);
    vmm_end(vmm);
}

static void only_a_fresh_vm_that_is_large_enough_becomes_a_clone(void **state)
{
    size_t busy_count;
    share_group other;
    (void)state;
    vmm = vmm_new(5, 2, 8);
    vmm_engine(vmm, NULL, 1);
    assert_int_equal(share_group_add(vmm->share, true, &other), SHARE_OK);
    share_vm parent = vmm_add(vmm, 0, 5, 0);
    assert_true(vmm_populate(vmm, parent, 0, (struct vmm_content){1, 0}));
    share_vm unfit[] = {vmm_add(vmm, 0, 5, 0), vmm_add_stopped(vmm, other, 5, 0),
                        vmm_add_stopped(vmm, 0, 4, 0), vmm_add_stopped(vmm, 0, 6, 0)};
    static const unsigned slots[] = {0, 0, 1}; /* of the parent's page in each; the last has none */
    for (unsigned i = 0; i < 4; i++) {
        if (i < 3)
            vmm_alias(vmm, unfit[i], slots[i], parent, 0);
        assert_int_equal(share_vm_clone(vmm->share, parent, unfit[i], NULL, 0, &busy_count),
                         SHARE_INVALID);
        if (i < 3)
            vmm_unalias(vmm, unfit[i], slots[i]);
    }
    vmm_end(vmm);
}

/* Each side says for itself whether it may write. */
static void code_is_told_of_each_side_of_a_clone(void **state)
{
    size_t busy_count;
    (void)state;
    vmm = vmm_new(2, 2, 4);
    vmm_engine(vmm, NULL, 1);
    vmm_add(vmm, 0, 0, 0);
    share_vm child = vmm_add_stopped(vmm, 0, 0, 0);
    for (unsigned slot = 0; slot < 2; slot++) {
        assert_true(vmm_populate(vmm, 0, slot, (struct vmm_content){1 + slot, 0}));
        vmm_alias(vmm, child, slot, 0, slot);
        vmm_page(vmm, slot ? child : 0, slot)->code = true;
    }
    assert_int_equal(share_vm_clone(vmm->share, 0, child, NULL, 0, &busy_count), SHARE_OK);
    for (unsigned slot = 0; slot < 2; slot++) {
        assert_int_equal(vmm_info(vmm, 0, slot).code, slot == 0);
        assert_int_equal(vmm_info(vmm, child, slot).code, slot == 1);
    }
    vmm_end(vmm);
}

/* A page that cannot go over to the frame of its content has no part in it. */
static void a_declared_page_that_cannot_go_over_stays(void **state)
{
    (void)state;
    new_guest(2);
    assert_int_equal(vmm_store(vmm, 0, 1, 0, 1), SHARE_OK); /* like page 0 */
    assert_int_equal(adopt_all(), SHARE_OK);
    assert_int_equal(vmm_offer(vmm, 0, 0), SHARE_ALREADY);
    vmm->answers[VMM_REMAP] = SHARE_ANSWER_BUSY;
    assert_int_equal(vmm_offer(vmm, 0, 1), SHARE_BUSY);
    vmm->answers[VMM_REMAP] = SHARE_ANSWER_OK;
    assert_int_equal(vmm_info(vmm, 0, 0).refs, 1);
    vmm_end(vmm);
}

/* The pass in which a store's frame takes the place of another one finds nothing else. */
static void share_now_goes_on_when_a_store_takes_a_place(void **state)
{
    (void)state;
    new_guest(3);
    for (unsigned slot = 1; slot < 3; slot++)
        assert_int_equal(vmm_store(vmm, 0, slot, 0, 1), SHARE_OK);
    assert_int_equal(vmm_offer(vmm, 0, 0), SHARE_HINTED);
    assert_int_equal(vmm_offer(vmm, 0, 1), SHARE_PROMOTED);
    struct share_adopt_run run = {.ppn = vmm_ppn(vmm, 0, 2), .mpn = mpn_of(0, 2), .count = 1};
    assert_int_equal(share_adopt(vmm->share, 0, &run, 1, SHARE_ADOPT_KEEP), SHARE_OK);
    assert_int_equal(share_now(vmm->share, 5, NULL), SHARE_OK);
    assert_int_equal(vmm_info(vmm, 0, 0).frame, vmm_info(vmm, 0, 2).frame);
    vmm_end(vmm);
}

/* Whatever the order of the runs, those that join bring their frames. */
static void a_run_finds_the_frame_that_a_later_one_joins(void **state)
{
    (void)state;
    vmm = vmm_new(2, 2, 4);
    vmm_engine(vmm, NULL, 1);
    vmm_add(vmm, 0, 0, 0);
    vmm_add(vmm, 0, 0, 0);
    assert_true(vmm_populate(vmm, 0, 0, (struct vmm_content){1, 0}));
    for (unsigned slot = 0; slot < 2; slot++)
        vmm_alias(vmm, 1, slot, 0, 0);
    struct share_adopt_run runs[] = {
        {.ppn = vmm_ppn(vmm, 1, 0), .mpn = mpn_of(0, 0), .count = 1},
        {.ppn = vmm_ppn(vmm, 1, 1),
         .mpn = mpn_of(0, 0),
         .count = 1,
         .joins = true,
         .with_vm = 0,
         .with_ppn = vmm_ppn(vmm, 0, 0)},
    };
    struct share_adopt_run first = {.ppn = vmm_ppn(vmm, 0, 0), .mpn = mpn_of(0, 0), .count = 1};
    assert_int_equal(share_adopt(vmm->share, 0, &first, 1, 0), SHARE_OK);
    assert_int_equal(share_adopt(vmm->share, 1, runs, 2, 0), SHARE_OK);
    assert_int_equal(vmm_info(vmm, 0, 0).refs, 3);
    vmm_end(vmm);
}

/* An error leaves nothing behind that the next one has to do without. */
static void errors_cost_no_memory(void **state)
{
    struct share_stats before, after;
    (void)state;
    new_guest(MANY);
    vmm->answer = refuse_the_last;
    assert_int_equal(adopt_all(), SHARE_FAIL);
    share_stats(vmm->share, &before);
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(adopt_all(), SHARE_FAIL);
    share_stats(vmm->share, &after);
    assert_int_equal(after.metadata_bytes, before.metadata_bytes);
    vmm->answer = NULL;
    vmm_end(vmm);
}

/* Every machine page is in use, the last one that there can be, too. */
static void the_last_machine_page_can_be_declared(void **state)
{
    (void)state;
    vmm = vmm_new(1, 4, 4);
    vmm_engine(vmm, NULL, 1);
    vmm_add(vmm, 0, 0, 0);
    bool last = false;
    for (unsigned slot = 0; slot < 4; slot++) {
        assert_true(vmm_populate(vmm, 0, slot, (struct vmm_content){1 + slot, 0}));
        last = last || mpn_of(0, slot).n == SHARE_MPN_END - 1;
    }
    assert_true(last);
    assert_int_equal(adopt_all(), SHARE_OK);
    vmm_end(vmm);
}

/* Nothing is known of its content, so it is not sought by that. */
static void a_declared_page_leaves_its_frame_unread(void **state)
{
    (void)state;
    new_guest(4);
    assert_int_equal(adopt_all(), SHARE_OK);
    assert_int_equal(share_break(vmm->share, 0, vmm_ppn(vmm, 0, 2)), SHARE_OK);
    assert_int_equal(atomic_load(&vmm->calls[VMM_PEEK]), 0);
    vmm_end(vmm);
}

/* Equal hashes prove nothing: declared pages stay what they were. */
static void declared_pages_of_one_hash_keep_their_contents(void **state)
{
    (void)state;
    new_guest(4);
    vmm_weaken_hash(vmm, 0);
    assert_int_equal(adopt_all(), SHARE_OK);
    (void)!share_now(vmm->share, 4, NULL);
    for (unsigned slot = 0; slot < 4; slot++)
        assert_true(vmm_reads(vmm, 0, slot, (struct vmm_content){1 + slot, 0}));
    vmm_end(vmm);
}

static void an_error_of_a_long_clone_is_undone_from_the_first_page_on(void **state)
{
    (void)state;
    vmm = vmm_new(2, MANY, MANY + 4);
    vmm_engine(vmm, NULL, 1);
    vmm_add(vmm, 0, 1, 0); /* PPN 0 would be what fresh memory says */
    for (unsigned slot = 0; slot < MANY; slot++)
        assert_true(vmm_populate(vmm, 0, slot, (struct vmm_content){1 + slot, 0}));
    share_vm child = vmm_add_stopped(vmm, 0, 1, 0);
    for (unsigned slot = 0; slot < MANY; slot++)
        vmm_alias(vmm, child, slot, 0, slot);
    size_t busy_count;
    vmm->answer = refuse_the_last;
    assert_int_equal(share_vm_clone(vmm->share, 0, child, NULL, 0, &busy_count), SHARE_FAIL);
    vmm->answer = NULL;
    for (unsigned slot = 0; slot < MANY; slot++) {
        assert_int_equal(vmm_info(vmm, 0, slot).state, SHARE_PAGE_PRIVATE);
        assert_int_equal(vmm_page(vmm, 0, slot)->reasons, 0);
        vmm_unalias(vmm, child, slot);
    }
    vmm_end(vmm);
}

/* ---------------------------------------------------------------------------------- waits -- */

static void a_wait_keeps_errno(void **state)
{
    _Atomic uint32_t word = 1;
    (void)state;
    errno = 123;
    share_sleep(&word, 2); /* it is another one by now */
    share_wake_all(&word);
    assert_int_equal(errno, 123);
}

static pthread_t other_thread;
static _Atomic bool has_returned;
static bool returned_too_early;

/* Starts a call of another thread, and gives it time to return, as it must not. */
static void start_another(void *(*body)(void *))
{
    atomic_store(&has_returned, false);
    assert_int_equal(pthread_create(&other_thread, NULL, body, NULL), 0);
    usleep(50000);
    returned_too_early = atomic_load(&has_returned);
}

static void *remove_vm(void *ctx)
{
    (void)ctx;
    vmm_remove(vmm, 0, false);
    atomic_store(&has_returned, true);
    return NULL;
}

static enum share_result result_meanwhile;

static void start_removal(struct vmm *of, enum vmm_op op)
{
    if (op != VMM_NEXT)
        return;
    of->step = NULL;
    start_another(remove_vm);
    result_meanwhile = share_break(of->share, 0, (share_ppn){0});
}

/* The scanner is inside an op, and owns no page. A call that comes later finds no VM. */
static void a_removal_waits_for_calls_that_own_no_page(void **state)
{
    (void)state;
    vmm = vmm_new(1, 1, 4);
    vmm_engine(vmm, NULL, 1);
    vmm_add(vmm, 0, 0, 0);
    returned_too_early = true;
    vmm->step = start_removal;
    scan(0);
    pthread_join(other_thread, NULL);
    assert_false(returned_too_early);
    assert_int_equal(result_meanwhile, SHARE_GONE);
    vmm_end(vmm);
}

static _Thread_local bool is_writer;
static _Atomic bool writer_has_unprotected;

static void *write_to_page(void *ctx)
{
    (void)ctx;
    is_writer = true;
    assert_int_equal(share_break(vmm->share, 0, vmm_ppn(vmm, 0, 0)), SHARE_OK);
    atomic_store(&has_returned, true);
    return NULL;
}

/* A write while the page is read; what it unprotects takes long. */
static void hold_the_writer(struct vmm *of, enum vmm_op op)
{
    (void)of;
    if (is_writer && op == VMM_UNPROTECT) {
        usleep(100000);
        atomic_store(&writer_has_unprotected, true);
    } else if (!is_writer && op == VMM_PEEK && breaks++ == 0) {
        start_another(write_to_page);
    }
}

/* Else its unprotect could strip a page that a later merge has protected. */
static void an_owner_waits_for_writers(void **state)
{
    (void)state;
    new_guest(1);
    breaks = 0;
    atomic_store(&writer_has_unprotected, false);
    vmm->step = hold_the_writer;
    assert_true(vmm_offer(vmm, 0, 0) < SHARE_OUTCOMES);
    assert_true(atomic_load(&writer_has_unprotected));
    pthread_join(other_thread, NULL);
    vmm->step = NULL;
    vmm_end(vmm);
}

static share_group other_group;

static void *regroup(void *ctx)
{
    (void)ctx;
    assert_int_equal(share_vm_regroup(vmm->share, 0, other_group), SHARE_OK);
    atomic_store(&has_returned, true);
    return NULL;
}

static bool start_regrouping(void *ctx)
{
    (void)ctx;
    metadata.refuse = NULL;
    start_another(regroup);
    outcome_meanwhile = vmm_offer(vmm, 0, 0);
    return false;
}

/* An offer asks for memory before it owns a page. One that comes later finds the group off. */
static void a_regrouping_waits_for_offers_that_own_no_page(void **state)
{
    (void)state;
    metadata_init(&metadata);
    vmm = vmm_new(1, 1, 4);
    vmm_engine(vmm, &metadata.alloc, 1);
    vmm_add(vmm, 0, 0, 0);
    assert_true(vmm_populate(vmm, 0, 0, (struct vmm_content){1, 0}));
    assert_int_equal(share_group_add(vmm->share, true, &other_group), SHARE_OK);
    returned_too_early = true;
    metadata.refuse = start_regrouping;
    assert_int_equal(vmm_offer(vmm, 0, 0), SHARE_HINTED);
    pthread_join(other_thread, NULL);
    assert_false(returned_too_early);
    assert_int_equal(outcome_meanwhile, SHARE_GROUP_OFF);
    vmm_end(vmm);
}

enum { WANTING = 3 };
static struct share_lock lock;

static void *want(void *ctx)
{
    (void)ctx;
    share_lock_take(&lock);
    share_lock_drop(&lock);
    return NULL;
}

/* Long enough for all of them to sleep; one that was not woken would sleep for ever. */
static void a_lock_that_is_dropped_wakes_all_who_want_it_in_turn(void **state)
{
    pthread_t thread[WANTING];
    (void)state;
    share_lock_take(&lock);
    for (unsigned i = 0; i < WANTING; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, want, NULL), 0);
    usleep(20000);
    share_lock_drop(&lock);
    for (unsigned i = 0; i < WANTING; i++)
        pthread_join(thread[i], NULL);
}

static _Atomic uint32_t count_down = 1;

static void *sleep_until_none(void *ctx)
{
    (void)ctx;
    share_sleep_until_none(&count_down);
    return NULL;
}

static void all_sleepers_are_woken(void **state)
{
    pthread_t thread[WANTING];
    (void)state;
    for (unsigned i = 0; i < WANTING; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, sleep_until_none, NULL), 0);
    usleep(20000);
    atomic_store(&count_down, 0);
    share_wake_all(&count_down);
    for (unsigned i = 0; i < WANTING; i++)
        pthread_join(thread[i], NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tags_are_compared_bit_by_bit),
        cmocka_unit_test(an_empty_slot_has_no_key),
        cmocka_unit_test(contents_are_told_apart_by_36_bits),
        cmocka_unit_test(growth_that_was_refused_is_tried_again),
        cmocka_unit_test(an_array_is_kept_until_it_is_empty),
        cmocka_unit_test(buckets_that_were_moved_count_once),
        cmocka_unit_test(removals_bring_new_buckets),
        cmocka_unit_test(each_write_to_a_page_that_is_looked_at_unprotects_it),
        cmocka_unit_test(an_old_page_that_changes_skips_a_pass),
        cmocka_unit_test(a_page_on_probation_that_changes_is_looked_at_less_and_less),
        cmocka_unit_test(a_break_tries_again_when_something_arrived_meanwhile),
        cmocka_unit_test(the_last_page_is_unprotected_when_its_frame_has_left_the_table),
        cmocka_unit_test(code_is_told_of_each_page_of_many),
        cmocka_unit_test(a_report_counts_what_was_merged_and_what_had_changed),
        cmocka_unit_test(a_page_joins_no_frame_of_another_group),
        cmocka_unit_test(an_error_leaves_the_frames_that_were_joined),
        cmocka_unit_test(a_hinted_page_joins_a_frame_that_came_into_the_table),
        cmocka_unit_test(share_now_goes_on_when_frames_come_into_the_table),
        cmocka_unit_test(an_alias_of_a_frame_is_left_alone),
        cmocka_unit_test(aliases_are_not_cloned),
        cmocka_unit_test(a_break_tries_again_when_a_merge_freed_something),
        cmocka_unit_test(a_promotion_that_a_write_wins_leaves_no_frame),
        cmocka_unit_test(a_pass_that_merges_settles_nothing),
        cmocka_unit_test(a_first_pass_that_leaves_pages_out_settles_nothing),
        cmocka_unit_test(share_now_goes_on_when_pages_had_changed),
        cmocka_unit_test(share_now_counts_from_its_own_start),
        cmocka_unit_test(a_removal_waits_for_calls_that_own_no_page),
        cmocka_unit_test(a_regrouping_waits_for_offers_that_own_no_page),
        cmocka_unit_test(a_page_that_changes_before_it_is_protected_is_volatile),
        cmocka_unit_test(a_page_whose_partner_is_looked_at_is_busy),
        cmocka_unit_test(a_hint_under_another_hash_is_named),
        cmocka_unit_test(an_item_tries_four_entries),
        cmocka_unit_test(a_vm_that_was_asked_for_in_vain_can_go),
        cmocka_unit_test(a_count_below_nothing_is_nothing),
        cmocka_unit_test(a_hinted_page_that_changes_before_it_is_protected_slows_down),
        cmocka_unit_test(engines_of_one_salt_hash_alike),
        cmocka_unit_test(settled_ppm_is_heard),
        cmocka_unit_test(a_resolve_beyond_the_last_machine_page_is_an_error),
        cmocka_unit_test(allocs_and_pages_beyond_the_last_ones_are_refused),
        cmocka_unit_test(many_aliases_are_marked),
        cmocka_unit_test(the_peak_is_no_less_than_what_is_held),
        cmocka_unit_test(a_page_joins_no_frame_of_another_machine_page),
        cmocka_unit_test(a_tree_that_grows_keeps_what_it_had),
        cmocka_unit_test(dirty_pages_that_were_busy_stay_dirty),
        cmocka_unit_test(a_declared_page_that_cannot_go_over_stays),
        cmocka_unit_test(share_now_goes_on_when_a_store_takes_a_place),
        cmocka_unit_test(page_infos_go_on_in_the_next_chunk),
        cmocka_unit_test(strays_are_told_as_left_out),
        cmocka_unit_test(an_owner_waits_for_writers),
        cmocka_unit_test(only_a_fresh_vm_that_is_large_enough_becomes_a_clone),
        cmocka_unit_test(code_is_told_of_each_side_of_a_clone),
        cmocka_unit_test(declared_pages_may_lie_apart),
        cmocka_unit_test(a_run_finds_the_frame_that_a_later_one_joins),
        cmocka_unit_test(errors_cost_no_memory),
        cmocka_unit_test(the_last_machine_page_can_be_declared),
        cmocka_unit_test(a_declared_page_leaves_its_frame_unread),
        cmocka_unit_test(declared_pages_of_one_hash_keep_their_contents),
        cmocka_unit_test(an_error_of_a_long_clone_is_undone_from_the_first_page_on),
        cmocka_unit_test(a_wait_keeps_errno),
        cmocka_unit_test(a_lock_that_is_dropped_wakes_all_who_want_it_in_turn),
        cmocka_unit_test(all_sleepers_are_woken),
    };
    return RUN(tests);
}
