/* SPDX-License-Identifier: MIT */
/* Each outcome provoked once, and the pages offered add up. */
#include "engine.h"
#include "metadata.h"
#include "test.h"
#include "vmm.h"

#define SLOTS 200u

static struct metadata metadata;
static struct vmm *vmm;

static int begin(void **state)
{
    (void)state;
    metadata_init(&metadata);
    vmm = vmm_new(3, SLOTS, 3 * SLOTS);
    vmm_engine(vmm, &metadata.alloc, 1);
    for (unsigned i = 0; i < 3; i++)
        vmm_add(vmm, 0, 0, 0);
    return 0;
}

static int end(void **state)
{
    (void)state;
    struct share_stats all, one;
    uint64_t sum = 0, per_vm = 0;
    share_stats(vmm->share, &all);
    for (unsigned o = 0; o < SHARE_OUTCOMES; o++)
        sum += all.outcomes[o];
    for (share_vm vm = 0; vm < 3; vm++) {
        assert_int_equal(share_vm_stats(vmm->share, vm, &one), SHARE_OK);
        per_vm += one.offered_pages;
    }
    assert_int_equal(all.offered_pages, sum);
    assert_int_equal(all.offered_pages, per_vm);
    vmm_must_be_sound(vmm);
    share_free(vmm->share);
    assert_int_equal(metadata.blocks, 0);
    vmm_free(vmm);
    return 0;
}

static void fill(share_vm vm, unsigned slot, uint64_t head)
{
    assert_true(vmm_populate(vmm, vm, slot, (struct vmm_content){head, 0}));
}

static void hinted_promoted_joined_already(void **state)
{
    (void)state;
    for (share_vm vm = 0; vm < 3; vm++)
        fill(vm, 0, 1);
    assert_int_equal(vmm_offer(vmm, 0, 0), SHARE_HINTED);
    assert_int_equal(vmm_offer(vmm, 0, 0), SHARE_HINTED); /* the hint is still right */
    assert_int_equal(vmm_page(vmm, 0, 0)->reasons, 0);    /* and nothing is protected */
    assert_int_equal(vmm_offer(vmm, 1, 0), SHARE_PROMOTED);
    assert_int_equal(vmm_info(vmm, 0, 0).state, SHARE_PAGE_SHARED);
    assert_int_equal(vmm_offer(vmm, 2, 0), SHARE_JOINED);
    assert_int_equal(vmm_offer(vmm, 2, 0), SHARE_ALREADY);
    assert_int_equal(vmm_info(vmm, 1, 0).refs, 3);
    assert_int_equal(vmm_used(vmm), 1);
}

static void zero(void **state)
{
    (void)state;
    for (share_vm vm = 0; vm < 3; vm++) {
        fill(vm, 0, 0);
        assert_int_equal(vmm_offer(vmm, vm, 0), SHARE_ZERO);
    }
    assert_true(vmm_info(vmm, 2, 0).zero && vmm_info(vmm, 2, 0).refs == 3);
    struct share_stats stats;
    share_stats(vmm->share, &stats);
    assert_int_equal(stats.hints, 0); /* zero frames stand in no table */
    assert_int_equal(stats.frames, 1);
}

static void volatile_and_stale(void **state)
{
    (void)state;
    fill(0, 0, 1);
    fill(1, 0, 1);
    fill(2, 0, 1);
    assert_int_equal(vmm_offer(vmm, 0, 0), SHARE_HINTED);
    assert_int_equal(vmm_store(vmm, 0, 0, 0, 2), SHARE_OK);
    assert_int_equal(vmm_offer(vmm, 1, 0), SHARE_REPLACED_STALE); /* the other had changed */
    assert_int_equal(vmm_store(vmm, 1, 0, 0, 3), SHARE_OK);
    assert_int_equal(vmm_offer(vmm, 1, 0), SHARE_VOLATILE); /* this one has */
    assert_int_equal(vmm_info(vmm, 1, 0).backoff, 1);
    assert_int_equal(vmm_offer(vmm, 1, 0), SHARE_HINTED);
    assert_int_equal(vmm_info(vmm, 1, 0).backoff, 0);
    /* A hint whose page got another machine page, and one whose page went without a word. */
    assert_true(vmm_replace_untold(vmm, 1, 0, (struct vmm_content){4, 0}));
    assert_int_equal(vmm_store(vmm, 2, 0, 0, 3), SHARE_OK);
    assert_int_equal(vmm_offer(vmm, 2, 0), SHARE_REPLACED_STALE);
}

static void false_match_then_ineligible_until_it_changes(void **state)
{
    (void)state;
    vmm_weaken_hash(vmm, 0x8000000000000000);
    unsigned next = 1;
    struct share_secret *secret = &share_group_at(vmm->share, 0)->secret;
    unsigned char bytes[SHARE_PAGE_SIZE] = {0};
    uint64_t same[3] = {0},
             other = 0; /* three contents of one hash, not the zero page's; one of it */
    for (unsigned found = 0; found < 3 || !other; next++) {
        memcpy(bytes, &next, sizeof next);
        if (share_hash_stable(secret, bytes) == secret->zero_hash)
            other = next;
        else if (found < 3)
            same[found++] = next;
    }
    fill(0, 0, same[0]);
    fill(1, 0, same[1]);
    assert_int_equal(vmm_offer(vmm, 0, 0), SHARE_HINTED);
    assert_int_equal(vmm_offer(vmm, 1, 0), SHARE_FALSE_MATCH);
    assert_int_equal(vmm_info(vmm, 1, 0).state, SHARE_PAGE_NO_MATCH);
    assert_int_equal(vmm_offer(vmm, 1, 0), SHARE_INELIGIBLE);
    assert_int_equal(vmm_page(vmm, 1, 0)->reasons, 0);
    assert_int_equal(vmm_page(vmm, 0, 0)->reasons, 0);
    assert_int_equal(vmm_store(vmm, 1, 0, 0, other), SHARE_OK);
    assert_int_equal(vmm_offer(vmm, 1, 0), SHARE_VOLATILE); /* eligible again */
    fill(2, 0, other);
    assert_int_equal(vmm_offer(vmm, 2, 0), SHARE_PROMOTED);
    /* Against a frame it is the same. */
    fill(0, 1, same[0]);
    assert_int_equal(vmm_offer(vmm, 0, 1), SHARE_PROMOTED);
    fill(2, 1, same[2]);
    assert_int_equal(vmm_offer(vmm, 2, 1), SHARE_FALSE_MATCH);
    assert_int_equal(vmm_offer(vmm, 2, 1), SHARE_INELIGIBLE);
}

/* Entries keep 36 hash bits of 64: others of equal 36 bits are passed over, not taken for equal. */
static void equal_36_bits_are_not_enough(void **state)
{
    (void)state;
    vmm_weaken_hash(vmm, 0x0fffffff);
    for (unsigned i = 0; i < 3; i++) {
        fill(0, i, 1 + i);
        fill(1, i, 1 + i);
        assert_int_equal(vmm_offer(vmm, 0, i), SHARE_HINTED);
    }
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(vmm_offer(vmm, 1, i), SHARE_PROMOTED);
    assert_int_equal(vmm_used(vmm), 3);
}

/* A page's word keeps 26 hash bits: a new content that differs below them takes the old one's hint
 * away, and leaves one of its own. */
static void a_change_below_the_words_bits_is_seen(void **state)
{
    (void)state;
    struct share_stats stats;
    vmm_weaken_hash(vmm, 0x0000003ff0000000); /* the ten bits that entries keep besides */
    fill(0, 0, 1);
    assert_int_equal(vmm_offer(vmm, 0, 0), SHARE_HINTED);
    assert_int_equal(vmm_store(vmm, 0, 0, 0, 2), SHARE_OK);
    assert_int_equal(vmm_offer(vmm, 0, 0), SHARE_VOLATILE);
    share_stats(vmm->share, &stats);
    assert_int_equal(stats.hints, 1);
    fill(1, 0, 2);
    assert_int_equal(vmm_offer(vmm, 1, 0), SHARE_PROMOTED);
}

static void busy(void **state)
{
    (void)state;
    share_ppn twice[2] = {{0}, {0}};
    enum share_outcome outcomes[2];
    fill(0, 0, 1);
    fill(1, 0, 1);
    assert_int_equal(share_offer(vmm->share, 0, twice, 2, outcomes), SHARE_OK);
    assert_int_equal(outcomes[0], SHARE_HINTED);
    assert_int_equal(outcomes[1], SHARE_BUSY);
    vmm_page(vmm, 0, 0)->pinned = true; /* the partner */
    assert_int_equal(vmm_offer(vmm, 1, 0), SHARE_BUSY);
    assert_int_equal(vmm_page(vmm, 1, 0)->reasons, 0);
    vmm_page(vmm, 0, 0)->pinned = false;
    vmm_page(vmm, 1, 0)->pinned = true; /* itself */
    assert_int_equal(vmm_offer(vmm, 1, 0), SHARE_BUSY);
    assert_int_equal(vmm_page(vmm, 0, 0)->reasons, 0);
    vmm_page(vmm, 1, 0)->pinned = false;
    vmm->answers[VMM_REMAP] = SHARE_ANSWER_BUSY;
    assert_int_equal(vmm_offer(vmm, 1, 0), SHARE_BUSY);
    assert_int_equal(vmm_page(vmm, 1, 0)->reasons, 0);
    vmm->answers[VMM_REMAP] = SHARE_ANSWER_OK;
    assert_int_equal(vmm_page(vmm, 0, 0)->reasons, 0); /* its partner is on no frame */
    vmm_must_be_sound(vmm);
    assert_int_equal(vmm_offer(vmm, 1, 0), SHARE_HINTED);
    assert_int_equal(vmm_offer(vmm, 0, 0), SHARE_PROMOTED);
}

static void gone(void **state)
{
    (void)state;
    share_ppn outside = {SLOTS}, far = {SHARE_PPN_END};
    enum share_outcome outcome;
    assert_int_equal(vmm_offer(vmm, 0, 0), SHARE_PAGE_GONE);
    assert_int_equal(share_offer(vmm->share, 0, &outside, 1, &outcome), SHARE_OK);
    assert_int_equal(outcome, SHARE_PAGE_GONE);
    assert_int_equal(share_offer(vmm->share, 0, &far, 1, &outcome), SHARE_OK);
    assert_int_equal(outcome, SHARE_PAGE_GONE);
    fill(0, 0, 1);
    fill(1, 0, 1);
    vmm_offer(vmm, 0, 0);
    vmm->answers[VMM_PROTECT] = SHARE_ANSWER_STALE;
    assert_int_equal(vmm_offer(vmm, 1, 0), SHARE_PAGE_GONE);
    vmm->answers[VMM_PROTECT] = SHARE_ANSWER_OK;
    vmm->answers[VMM_REMAP] = SHARE_ANSWER_STALE;
    assert_int_equal(vmm_offer(vmm, 1, 0), SHARE_PAGE_GONE);
}

static void error(void **state)
{
    (void)state;
    static const enum vmm_op failing[] = {VMM_PEEK, VMM_PROTECT, VMM_REMAP};
    metadata.fail_at = metadata.calls + 1;
    metadata.fail_count = 1;
    fill(2, 0, 9);
    assert_int_equal(vmm_offer(vmm, 2, 0), SHARE_ERROR);
    assert_int_equal(vmm_offer(vmm, 2, 0), SHARE_HINTED);
    fill(0, 0, 1);
    fill(1, 0, 1);
    fill(0, 1, 0);
    fill(1, 1, 0);
    vmm_offer(vmm, 0, 0);
    vmm_offer(vmm, 0, 1);
    for (unsigned i = 0; i < 3; i++)
        for (unsigned slot = 0; slot < 2; slot++) {
            vmm->answers[failing[i]] = SHARE_ANSWER_FAIL;
            assert_int_equal(vmm_offer(vmm, 1, slot), SHARE_ERROR);
            vmm->answers[failing[i]] = SHARE_ANSWER_OK;
            assert_int_equal(vmm_page(vmm, 1, slot)->reasons, 0);
            vmm_must_be_sound(vmm);
        }
}

/* Without memory the table fills; then offers fail, and all else goes on. */
static void a_full_table_is_an_error(void **state)
{
    (void)state;
    share_ppn ppns[SLOTS];
    enum share_outcome outcomes[SLOTS];
    vmm_weaken_hash(vmm, 0x03ffffffffffffff); /* one partition of 64 */
    for (unsigned slot = 0; slot < SLOTS; slot++) {
        fill(0, slot, 1 + slot);
        ppns[slot].n = slot;
    }
    for (unsigned slot = 0; slot < SLOTS; slot += 64)
        assert_int_equal(share_dirty(vmm->share, 0, &ppns[slot], 1), SHARE_OK);
    assert_int_equal(share_scan(vmm->share, SHARE_DIRTY, 0, 10, NULL), SHARE_OK);
    metadata.fail_at = 1;
    metadata.fail_count = UINT64_MAX / 2;
    assert_int_equal(share_offer(vmm->share, 0, ppns, SLOTS, outcomes), SHARE_NOMEM);
    assert_int_equal(outcomes[1], SHARE_HINTED);
    assert_int_equal(outcomes[SLOTS - 1], SHARE_ERROR);
    metadata.fail_count = 0;
    vmm_must_be_sound(vmm);
    assert_int_equal(share_offer(vmm->share, 0, ppns, SLOTS, outcomes), SHARE_OK);
    for (unsigned slot = 0; slot < SLOTS; slot++)
        assert_int_equal(outcomes[slot], SHARE_HINTED);
}

/* Many pages of few contents in one call: the first two make a frame, all others join it. In an
 * order in which no page lies behind the one before. */
static void one_call_shares_all(void **state)
{
    (void)state;
    share_ppn ppns[SLOTS];
    enum share_outcome outcomes[SLOTS];
    unsigned sums[SHARE_OUTCOMES] = {0};
    for (unsigned slot = 0; slot < SLOTS; slot++) {
        fill(0, slot, slot % 5);
        ppns[slot].n = SLOTS - 1 - slot;
    }
    assert_int_equal(share_offer(vmm->share, 0, ppns, SLOTS, outcomes), SHARE_OK);
    for (unsigned slot = 0; slot < SLOTS; slot++)
        sums[outcomes[slot]]++;
    assert_int_equal(sums[SHARE_HINTED], 4);
    assert_int_equal(sums[SHARE_PROMOTED], 4);
    assert_int_equal(sums[SHARE_ZERO], SLOTS / 5);
    assert_int_equal(sums[SHARE_JOINED], SLOTS - 8 - SLOTS / 5);
    assert_int_equal(vmm_used(vmm), 5);
}

/* Pages are fetched while eight before them are hashed: any number of them may be left at the end.
 * No two of them lie in a row, and all but a few runs go this way. */
static void offer_calls_of_any_size(enum share_fetch_way way)
{
    share_ppn ppns[SLOTS];
    enum share_outcome outcomes[SLOTS];
    for (unsigned i = 0; i < SLOTS; i++)
        fill(0, i * 77 % SLOTS, i + 1);
    for (unsigned i = 0; i < 32; i++)
        share_tuner_learn(&vmm->share->tuner, i % SHARE_FETCH_WAYS,
                          i % SHARE_FETCH_WAYS == way ? 1 : 2);
    for (unsigned first = 0, count = 1; first + count <= SLOTS; first += count++) {
        for (unsigned i = 0; i < count; i++)
            ppns[i].n = first + i;
        assert_int_equal(share_offer(vmm->share, 0, ppns, count, outcomes), SHARE_OK);
        for (unsigned i = 0; i < count; i++) {
            assert_int_equal(outcomes[i], SHARE_HINTED);
            outcomes[i] = SHARE_OUTCOMES;
        }
    }
    vmm_must_be_sound(vmm);
}

static void calls_of_any_size_every_page(void **state)
{
    (void)state;
    offer_calls_of_any_size(SHARE_FETCH_EVERY);
}

static void calls_of_any_size_jumps(void **state)
{
    (void)state;
    offer_calls_of_any_size(SHARE_FETCH_JUMPS);
}

/* They take no room in a run: each outcome still stands at its page. */
static void shared_pages_among_others(void **state)
{
    (void)state;
    share_ppn ppns[] = {{0}, {2}, {1}, {3}};
    enum share_outcome outcomes[4];
    for (unsigned slot = 0; slot < 4; slot++)
        fill(0, slot, slot < 2 ? 1 : slot);
    assert_int_equal(vmm_offer(vmm, 0, 0), SHARE_HINTED);
    assert_int_equal(vmm_offer(vmm, 0, 1), SHARE_PROMOTED);
    assert_int_equal(share_offer(vmm->share, 0, ppns, 4, outcomes), SHARE_OK);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(outcomes[i], ppns[i].n < 2 ? SHARE_ALREADY : SHARE_HINTED);
}

static void read_only_pages_are_code(void **state)
{
    (void)state;
    for (share_vm vm = 0; vm < 3; vm++) {
        fill(vm, 0, 1);
        vmm_page(vmm, vm, 0)->code = vm < 2;
    }
    vmm_offer(vmm, 0, 0);
    assert_int_equal(vmm_offer(vmm, 1, 0), SHARE_PROMOTED);
    assert_int_equal(vmm_offer(vmm, 2, 0), SHARE_JOINED);
    assert_true(vmm_info(vmm, 0, 0).code && vmm_info(vmm, 1, 0).code);
    assert_false(vmm_info(vmm, 2, 0).code);
    struct share_stats stats;
    share_stats(vmm->share, &stats);
    assert_int_equal(stats.code_pages, 2);
    assert_int_equal(stats.framed_pages, 3);
    assert_int_equal(vmm_store(vmm, 0, 0, 9, 9), SHARE_OK);
    vmm_forget(vmm, 1, 0);
    share_stats(vmm->share, &stats);
    assert_int_equal(stats.code_pages, 0);
    assert_int_equal(stats.framed_pages, 1);
}

static void outcomes_may_be_left_out(void **state)
{
    (void)state;
    fill(0, 0, 1);
    assert_int_equal(share_offer(vmm->share, 0, &(share_ppn){0}, 1, NULL), SHARE_OK);
    assert_int_equal(share_offer(vmm->share, 0, NULL, 0, NULL), SHARE_OK);
    assert_int_equal(vmm_info(vmm, 0, 0).state, SHARE_PAGE_HINTED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(hinted_promoted_joined_already),
        TEST(zero),
        TEST(volatile_and_stale),
        TEST(false_match_then_ineligible_until_it_changes),
        TEST(equal_36_bits_are_not_enough),
        TEST(a_change_below_the_words_bits_is_seen),
        TEST(busy),
        TEST(gone),
        TEST(error),
        TEST(a_full_table_is_an_error),
        TEST(one_call_shares_all),
        TEST(calls_of_any_size_every_page),
        TEST(calls_of_any_size_jumps),
        TEST(shared_pages_among_others),
        TEST(read_only_pages_are_code),
        TEST(outcomes_may_be_left_out),
    };
    return RUN(tests);
}
