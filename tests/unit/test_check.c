/* SPDX-License-Identifier: MIT */
/* share_check must see each kind of damage: a healthy engine, one wound, and the reason it gives.
 */
#include "engine.h"
#include "metadata.h"
#include "test.h"
#include "vmm.h"

static struct metadata metadata;
static struct vmm *vmm;
static struct share *share;
static bool unreadable;

static enum share_answer answer(struct vmm *same, enum vmm_op op, share_vm vm, share_ppn ppn)
{
    (void)same;
    (void)vm;
    (void)ppn;
    return unreadable && op == VMM_PEEK ? SHARE_ANSWER_FAIL : SHARE_ANSWER_OK;
}

/* Pages 0 and 1 of both VMs are on a frame and a zero frame; page 2 of VM 0 is hinted; page 3 of
 * VM 0 is alone on a frame; the pages of chunk 1 are not known. */
static void build(void)
{
    metadata_init(&metadata);
    vmm = vmm_new(2, 70, 80);
    share = vmm_engine(vmm, &metadata.alloc, 1);
    vmm->answer = answer;
    unreadable = false;
    for (unsigned i = 0; i < 2; i++) {
        share_vm vm = vmm_add(vmm, 0, 0, 0);
        for (unsigned slot = 0; slot < 4; slot++)
            assert_true(vmm_populate(
                vmm, vm, slot, (struct vmm_content){(const uint64_t[]){1, 0, 2 + i, 9}[slot], 0}));
    }
    assert_int_equal(share_now(share, 5, NULL), SHARE_OK);
    vmm_forget(vmm, 1, 3);
    vmm_must_be_sound(vmm);
}

static void tear_down(void)
{
    share_free(share);
    assert_int_equal(metadata.blocks, 0);
    vmm_free(vmm);
}

static struct share_page_ref page_of(share_vm vm, uint64_t ppn)
{
    struct share_page_ref page;
    assert_true(
        share_page_find(&share->pages, &share_vm_at(share, vm)->tree, (share_ppn){ppn}, &page));
    return page;
}

static void set_word(share_vm vm, uint64_t ppn, uint32_t word)
{
    atomic_store(page_of(vm, ppn).word, word);
}

static share_frame frame_of(uint64_t ppn)
{
    return share_word_frame(atomic_load(page_of(0, ppn).word));
}

/* The hash of VM 0's page, as the engine would compute it. */
static uint64_t hash_of(unsigned slot)
{
    return share_hash_stable(&share_group_at(share, 0)->secret,
                             vmm_bytes(vmm, vmm_page(vmm, 0, slot)->mpn));
}

/* As another entry first: the table itself would not take one twice. */
static void insert(uint64_t hash, struct share_hit entry)
{
    struct share_partition *part = share_table_lock(&share->table, hash);
    struct share_hit other = {entry.kind, UINT32_MAX};
    assert_true(share_table_insert(&share->table, part, hash, other));
    assert_true(share_table_replace(part, hash, other, entry));
    share_table_unlock(part);
}

/* ---------------------------------------------------------------------------------- wounds -- */

static void name_a_frame_that_never_was(void)
{
    set_word(0, 0, share_word(SHARE_WORD_SHARED, 12345));
}
static void name_frame_zero(void)
{
    set_word(0, 0, share_word(SHARE_WORD_CODE, 0));
}
static void change_the_vms_group(void)
{
    atomic_store(&share_vm_at(share, 0)->group, 1);
}
static void map_another_machine_page(void)
{
    vmm_page(vmm, 0, 0)->mpn = vmm_page(vmm, 0, 2)->mpn;
}
static void drop_a_hint(void)
{
    struct share_page_ref page = page_of(0, 2);
    assert_true(share_table_remove(&share->table, hash_of(2), SHARE_ENTRY_HASH_BITS,
                                   (struct share_hit){SHARE_KIND_HINT, page.id}));
}
static void own_a_page(void)
{
    set_word(0, 2, share_word(SHARE_WORD_OWNED, 0));
}
static void leave_a_page_broken(void)
{
    set_word(0, 5, share_word(SHARE_WORD_BROKEN, 0));
}
static void leave_a_page_moving(void)
{
    set_word(0, 0, share_word(SHARE_WORD_MOVING, 0));
}
static void shrink_the_vm(void)
{
    share_vm_at(share, 0)->end.n = 2;
}
static void give_a_chunk_away(void)
{
    struct share_page_ref page = page_of(0, 0);
    atomic_store(&share_page_chunk(&page)->vm, 1);
}
static void move_a_chunk(void)
{
    struct share_page_ref page = page_of(0, 0);
    share_page_chunk(&page)->index = 2; /* the VM ends before */
}
static void miscount_framed_pages(void)
{
    atomic_fetch_add(&share_vm_at(share, 1)->counts.framed_pages, 1);
}
static void miscount_dirty_pages(void)
{
    atomic_fetch_add(&share_vm_at(share, 1)->counts.dirty_pages, 1);
}
static void mark_a_page_uncounted(void)
{
    struct share_page_ref page = page_of(1, 0);
    atomic_store(&share_page_chunk(&page)->dirty[1], 4);
}
static void make_pages_unreadable(void)
{
    unreadable = true;
}
static void write_past_protection(void)
{
    vmm_bytes(vmm, vmm_page(vmm, 0, 0)->mpn)[77] ^= 1;
}
static void write_to_the_zero_frame(void)
{
    vmm_bytes(vmm, vmm_page(vmm, 0, 1)->mpn)[4095] ^= 1;
}
static void forget_to_drop_a_hint(void)
{
    set_word(0, 2, share_word_none(0));
}
static void change_a_hints_hash(void)
{
    set_word(0, 2, atomic_load(page_of(0, 2).word) ^ 1u << 20);
}
static void hint_twice(void)
{
    insert(hash_of(2), (struct share_hit){SHARE_KIND_HINT, page_of(0, 2).id});
}
static void enter_a_frame_twice(void)
{
    insert(hash_of(0), (struct share_hit){SHARE_KIND_FRAME, frame_of(0)});
}
static void enter_a_frame_that_never_was(void)
{
    insert(hash_of(0), (struct share_hit){SHARE_KIND_FRAME, 54321});
}
static void make_a_frame_the_zero_frame(void)
{
    share_group_at(share, 0)->zero_frame = frame_of(3);
}
static void lose_the_zero_frame(void)
{
    share_group_at(share, 0)->zero_frame = 0;
}
static void lose_a_frame(void)
{
    assert_true(share_table_remove(&share->table, hash_of(0), SHARE_ENTRY_HASH_BITS,
                                   (struct share_hit){SHARE_KIND_FRAME, frame_of(0)}));
}
static void take_a_reference(void)
{
    assert_true(share_frame_get(&share->frames, frame_of(0)));
}
static void drop_a_reference(void)
{
    share_frame_put(&share->frames, frame_of(1));
}
static void miscount_single_frames(void)
{
    atomic_fetch_add(&share->frames.single, 1);
}
static void miscount_frames(void)
{
    share->frames.pool.free_count--;
}
static void miscount_entries(void)
{
    share->table.partition[7].entries++;
}
static void keep_a_count_of_the_gone(void)
{
    atomic_fetch_add(&share->gone.framed_pages, 1);
}
static void miscount_dirty_pages_of_all(void)
{
    atomic_fetch_add(&share->scanner.dirty_pages, 1);
}
static void miscount_code_pages(void)
{
    atomic_fetch_add(&share_vm_at(share, 0)->counts.code_pages, 1);
}

static void know_more_of_a_page_than_there_is(void)
{
    set_word(0, 5, share_word_none(SHARE_PACE_BROKEN + 1));
}
static void promise_more_chunks_than_are_free(void)
{
    share->pages.chunks.reserved = share->pages.chunks.free_count + 1;
}
static void grow_too_late(void)
{
    share->table.partition[7].grow_at++;
}

#define WOUND(wound, reason)  \
    {                         \
#wound, wound, reason \
    }

static const struct {
    const char *name;
    void (*wound)(void);
    const char *reason;
} wounds[] = {
    WOUND(name_a_frame_that_never_was, "a page names a frame that never was"),
    WOUND(name_frame_zero, "a page names a frame that never was"),
    WOUND(change_the_vms_group, "a page is on a frame of another group"),
    WOUND(map_another_machine_page, "a shared page does not map its frame"),
    WOUND(drop_a_hint, "a hinted page has no hint"),
    WOUND(own_a_page, "a page is owned though no call runs"),
    WOUND(leave_a_page_broken, "a page is owned though no call runs"),
    WOUND(leave_a_page_moving, "a page is owned though no call runs"),
    WOUND(shrink_the_vm, "a page outside its VM is known"),
    WOUND(give_a_chunk_away, "a chunk is of another VM"),
    WOUND(move_a_chunk, "a page outside its VM is known"),
    WOUND(miscount_framed_pages, "a VM's count of pages on frames is wrong"),
    WOUND(miscount_code_pages, "a VM's count of code pages is wrong"),
    WOUND(miscount_dirty_pages, "a VM's count of dirty pages is wrong"),
    WOUND(miscount_dirty_pages_of_all, "the count of dirty pages is wrong"),
    WOUND(mark_a_page_uncounted, "a VM's count of dirty pages is wrong"),
    WOUND(make_pages_unreadable, "a frame's machine page cannot be read"),
    WOUND(write_past_protection, "a shared page's content has changed"),
    WOUND(write_to_the_zero_frame, "a shared page's content has changed"),
    WOUND(forget_to_drop_a_hint, "a hint stands for a page that is not hinted so"),
    WOUND(change_a_hints_hash, "a hinted page has no hint"),
    WOUND(hint_twice, "the count of hints is wrong"),
    WOUND(enter_a_frame_twice, "a frame stands in the table twice, or never was"),
    WOUND(enter_a_frame_that_never_was, "a frame stands in the table twice, or never was"),
    WOUND(make_a_frame_the_zero_frame, "a group's zero frame is none"),
    WOUND(lose_the_zero_frame, "pages are on a frame that nothing leads to"),
    WOUND(lose_a_frame, "pages are on a frame that nothing leads to"),
    WOUND(take_a_reference, "a frame's reference count is wrong"),
    WOUND(drop_a_reference, "a frame's reference count is wrong"),
    WOUND(miscount_single_frames, "the count of frames with one reference is wrong"),
    WOUND(miscount_frames, "the count of frames is wrong"),
    WOUND(miscount_entries, "the count of hints is wrong"),
    WOUND(know_more_of_a_page_than_there_is, "a page's word is none that there is"),
    WOUND(promise_more_chunks_than_are_free, "a pool's counts are wrong"),
    WOUND(grow_too_late, "the table's counts or chains are wrong"),
    WOUND(keep_a_count_of_the_gone, "the count of pages on frames is wrong"),
};

static void each_wound_is_seen(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof wounds / sizeof *wounds; i++) {
        struct share_check_report report;
        build();
        wounds[i].wound();
        enum share_result result = share_check(share, &report);
        if (result != SHARE_FAIL || strcmp(report.reason, wounds[i].reason) != 0)
            fail_msg("%s: %s", wounds[i].name, report.reason ? report.reason : "not seen");
        tear_down();
    }
}

static void it_says_where(void **state)
{
    (void)state;
    struct share_check_report report;
    build();
    set_word(1, 2, share_word(SHARE_WORD_OWNED, 0));
    assert_int_equal(share_check(share, &report), SHARE_FAIL);
    assert_int_equal(report.vm, 1);
    assert_int_equal(report.ppn.n, 2);
    tear_down();
}

static void without_memory_it_cannot_look(void **state)
{
    (void)state;
    struct share_check_report report;
    build();
    for (unsigned k = 1; k <= 2; k++) {
        metadata.fail_at = metadata.calls + k;
        metadata.fail_count = 1;
        assert_int_equal(share_check(share, &report), SHARE_NOMEM);
        assert_null(report.reason);
    }
    assert_int_equal(share_check(share, &report), SHARE_OK);
    tear_down();
}

static void a_hint_under_another_hash_is_named(void **state)
{
    struct share_check_report found;
    (void)state;
    vmm = vmm_new_pair();
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_wound_is_seen),
        cmocka_unit_test(it_says_where),
        cmocka_unit_test(without_memory_it_cannot_look),
        cmocka_unit_test(a_hint_under_another_hash_is_named),
    };
    return RUN(tests);
}
