/* SPDX-License-Identifier: MIT */
/*
 * A look's cost is bounded, so hints of pages made to meet in the table may find no room. What is
 * shared must not be lost by it: frames stand where their hints stood, are joined as before, and
 * leave the table when they go. An immutable engine must not leave out one match: it says so, and
 * with another salt its figures are exact.
 */
#include "engine.h"
#include "generator.h"
#include "test.h"
#include "vmm.h"
#include <stdlib.h>

#define PAGES     300u
#define CONTENTS  50000u
#define FEW_BITS  0x0000003fffffffffu /* the top 26 bits are equal */
#define OFFER_MAX 512u

static void frames_are_joined_and_leave(void **state)
{
    struct vmm *vmm = vmm_new(2, PAGES, 2 * PAGES);
    struct share_stats stats;
    vmm_engine(vmm, NULL, 0);
    vmm_weaken_hash(vmm, FEW_BITS);
    vmm_add(vmm, 0, 0, 0);
    vmm_add(vmm, 0, 0, 0);
    for (unsigned slot = 0; slot < PAGES; slot++)
        for (share_vm vm = 0; vm < 2; vm++)
            assert_true(vmm_populate(vmm, vm, slot, (struct vmm_content){slot / 2 + 1, 0}));
    for (unsigned slot = 0; slot < 20; slot++) /* ten frames, before the flood */
        vmm_offer(vmm, 0, slot);
    for (unsigned slot = 20; slot < PAGES; slot += 2)
        assert_int_equal(vmm_offer(vmm, 0, slot), SHARE_HINTED);
    share_stats(vmm->share, &stats);
    assert_int_equal(stats.frames, 10);
    assert_int_equal(stats.hints + stats.frames, SHARE_LOOK_BUCKETS * SHARE_TABLE_SLOTS);
    assert_int_equal(stats.hints_left_out, PAGES / 2 - stats.hints - stats.frames);
    for (unsigned slot = 0; slot < 20; slot++) /* they are still there */
        assert_int_equal(vmm_offer(vmm, 1, slot), SHARE_JOINED);
    vmm_must_be_sound(vmm);
    for (unsigned slot = 0; slot < 20; slot++)
        for (share_vm vm = 0; vm < 2; vm++)
            assert_int_equal(vmm_store(vmm, vm, slot, 0, 1000 + slot), SHARE_OK);
    vmm_must_be_sound(vmm);
    share_stats(vmm->share, &stats);
    assert_int_equal(stats.frames, 0);
    vmm_end(vmm);
    (void)state;
}

static uint64_t in_pairs(uint64_t number)
{
    return number % CONTENTS + 1;
}

/* Offers all pages; the first result that is not OK. */
static enum share_result offer_all(struct share *share, uint64_t pages)
{
    enum share_result result = SHARE_OK;
    for (uint64_t at = 0; at < pages && result == SHARE_OK;) {
        share_ppn ppns[OFFER_MAX];
        size_t count = 0;
        for (; count < OFFER_MAX && at < pages; count++)
            ppns[count].n = at++;
        result = share_offer(share, 0, ppns, count, NULL);
    }
    return result;
}

static void a_dump_has_exact_figures(void **state)
{
    struct generator *source = aligned_alloc(_Alignof(struct generator), sizeof *source);
    struct share_stats stats;
    (void)state;
    assert_non_null(source);
    memset(source, 0, sizeof *source);
    source->vms = 1;
    source->pages_per_vm = 2 * CONTENTS;
    source->content = in_pairs;

    struct share *share = generator_engine(source);
    share->hash_mask = FEW_BITS;
    share_secret_init(&share_group_at(share, 0)->secret, share->salt, 0, share->hash_mask);
    assert_int_equal(offer_all(share, source->pages_per_vm), SHARE_NOMEM);
    share_stats(share, &stats);
    assert_true(stats.hints_left_out > 0);
    share_free(share);

    share = generator_engine(source); /* another salt */
    assert_int_equal(offer_all(share, source->pages_per_vm), SHARE_OK);
    share_stats(share, &stats);
    assert_int_equal(stats.hints_left_out, 0);
    assert_int_equal(stats.reclaimed_pages, CONTENTS);
    share_free(share);
    free(source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(frames_are_joined_and_leave),
                                       cmocka_unit_test(a_dump_has_exact_figures)};
    return RUN(tests);
}
