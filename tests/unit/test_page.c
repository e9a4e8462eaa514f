/* SPDX-License-Identifier: MIT */
#include "metadata.h"
#include "page.h"
#include "random.h"
#include "test.h"
#include "vmm.h"
#include <stdlib.h>

static struct metadata metadata;
static struct share_mem mem;
static struct share_pages pages;
static struct share_tree tree;

static int begin(void **state)
{
    (void)state;
    metadata_init(&metadata);
    share_mem_init(&mem, &metadata.alloc);
    share_pages_init(&pages, &mem);
    memset(&tree, 0, sizeof tree);
    return 0;
}

static int end(void **state)
{
    (void)state;
    share_pages_fini(&pages);
    assert_int_equal(metadata.blocks, 0);
    return 0;
}

static struct share_page_ref prepare(uint64_t ppn)
{
    struct share_page_ref page, found;
    assert_true(share_page_prepare(&pages, &tree, 9, (share_ppn){ppn}, &page));
    assert_true(share_page_find(&pages, &tree, (share_ppn){ppn}, &found));
    assert_ptr_equal(page.word, found.word);
    assert_int_equal(page.id, found.id);
    return page;
}

static const uint64_t edges[] = {0,
                                 63,
                                 64,
                                 4095,
                                 4096,
                                 (UINT64_C(1) << 18) - 1,
                                 UINT64_C(1) << 18,
                                 (UINT64_C(1) << 36) - 1,
                                 UINT64_C(1) << 36,
                                 SHARE_PPN_END - 64,
                                 SHARE_PPN_END - 1};
#define EDGES (sizeof edges / sizeof *edges)

static void pages_are_found_where_they_were_made(void **state)
{
    (void)state;
    struct share_page_ref made[EDGES], found;
    for (size_t i = 0; i < EDGES; i++) {
        made[i] = prepare(edges[i]);
        assert_true(share_page_ppn(&made[i]).n == edges[i]);
        assert_int_equal(atomic_load(&share_page_chunk(&made[i])->vm), 9);
        atomic_store(made[i].word, (uint32_t)i + 1);
    }
    for (size_t i = 0; i < EDGES; i++) {
        assert_true(share_page_find(&pages, &tree, (share_ppn){edges[i]}, &found));
        assert_int_equal(atomic_load(found.word), i + 1);
        found = share_page_at(&pages, made[i].id);
        assert_ptr_equal(found.word, made[i].word);
    }
    assert_false(share_page_find(&pages, &tree, (share_ppn){128}, &found));
    assert_false(share_page_find(&pages, &tree, (share_ppn){SHARE_PPN_END / 2}, &found));
}

static void a_tree_that_starts_high_reaches_low(void **state)
{
    (void)state;
    struct share_page_ref page;
    prepare(SHARE_PPN_END - 1);
    assert_false(share_page_find(&pages, &tree, (share_ppn){0}, &page));
    prepare(0);
    prepare(SHARE_PPN_END / 2);
    uint64_t index = 0;
    uint32_t chunk, chunks = 0;
    for (; share_chunk_next(&pages, &tree, &index, &chunk); index++)
        chunks++;
    assert_int_equal(chunks, 3);
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Random chunks near and far; the walk must find each once, in order, from anywhere. */
static void chunks_come_in_order(void **state)
{
    (void)state;
    enum { COUNT = 300 };
    uint64_t random = 5, wanted[COUNT];
    for (unsigned i = 0; i < COUNT; i++) {
        wanted[i] = random_next(&random) >> (32 + random_to(&random, 30));
        prepare(wanted[i] * SHARE_CHUNK_PAGES + random_to(&random, SHARE_CHUNK_PAGES));
    }
    qsort(wanted, COUNT, sizeof *wanted, by_value);
    for (unsigned first = 0; first < COUNT; first += 37) {
        uint64_t index = first ? wanted[first - 1] + 1 : 0;
        uint32_t chunk;
        unsigned at = first;
        for (; share_chunk_next(&pages, &tree, &index, &chunk); index++) {
            while (at < COUNT && wanted[at] < index)
                at++; /* drawn twice */
            assert_true(at < COUNT && wanted[at] == index);
            assert_int_equal(((struct share_chunk *)share_pool_at(&pages.chunks, chunk))->index,
                             index);
            at++;
        }
        while (at < COUNT && at && wanted[at] == wanted[at - 1])
            at++;
        assert_int_equal(at, COUNT);
    }
}

/* Wherever pages lie, and in whatever order they come, a node stands only where there are two ways.
 */
static void there_are_fewer_nodes_than_chunks(void **state)
{
    (void)state;
    const unsigned count = 3000;
    for (unsigned bits = 4; bits <= 38; bits += 2) {
        uint64_t mask = (UINT64_C(1) << bits) - 1, random = bits, last = 0, index = 0;
        uint32_t chunk, chunks = 0;
        for (unsigned i = 0; i < count; i++)
            prepare(random_next(&random) & mask);
        random = bits;
        for (unsigned i = 0; i < count; i++) {
            struct share_page_ref page;
            share_ppn ppn = {random_next(&random) & mask};
            assert_true(share_page_find(&pages, &tree, ppn, &page));
            assert_true(share_page_ppn(&page).n == ppn.n);
        }
        for (; share_chunk_next(&pages, &tree, &index, &chunk); last = index++, chunks++)
            assert_true(!chunks || index > last);
        assert_int_equal(chunks, share_pool_taken(&pages.chunks));
        assert_true(share_pool_taken(&pages.nodes) < chunks);
        share_tree_drop(&pages, &tree);
        assert_int_equal(share_pool_taken(&pages.nodes), 0);
        assert_int_equal(share_pool_taken(&pages.chunks), 0);
    }
}

/* Their memory goes, too, but for a reserve. */
static void dropped_trees_are_used_again(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 5; round++) {
        for (uint64_t ppn = 0; ppn < 100000; ppn += 64)
            assert_int_equal(atomic_load(prepare(ppn).word), 0); /* nothing of the last round */
        for (uint64_t ppn = 0; ppn < 100000; ppn += 64)
            atomic_store(prepare(ppn).word, 77);
        uint64_t full = metadata.bytes;
        share_tree_drop(&pages, &tree);
        struct share_page_ref page;
        assert_false(share_page_find(&pages, &tree, (share_ppn){0}, &page));
        assert_true(full > 100000 * 4 && metadata.bytes < full / 20);
    }
}

static void refused_memory_changes_nothing(void **state)
{
    (void)state;
    struct share_page_ref page;
    prepare(5);
    for (uint64_t k = 1;; k++) {
        metadata.fail_at = metadata.calls + k;
        metadata.fail_count = 1;
        bool made = share_page_prepare(&pages, &tree, 9, (share_ppn){SHARE_PPN_END - 1}, &page);
        assert_true(share_page_find(&pages, &tree, (share_ppn){5}, &page));
        assert_int_equal(share_page_find(&pages, &tree, (share_ppn){SHARE_PPN_END - 1}, &page),
                         made);
        if (made)
            break;
    }
    share_tree_drop(&pages, &tree);
}

static void dense_pages_cost_little(void **state)
{
    (void)state;
    uint64_t count = 1 << 20;
    for (uint64_t ppn = 0; ppn < count; ppn += 64)
        prepare(ppn);
    assert_true((double)metadata.bytes / (double)count < 4.5);
}

static void hint_words_keep_their_parts(void **state)
{
    (void)state;
    uint64_t hash = 0xfedcba9876543210;
    uint32_t word = share_word_hint(SHARE_WORD_NO_MATCH, hash, SHARE_PACE_STEADY);
    assert_int_equal(share_word_state(word), SHARE_WORD_NO_MATCH);
    assert_int_equal(share_word_pace(word), SHARE_PACE_STEADY);
    assert_true(share_word_hash(word) == hash >> 38 << 38);
    word = share_word(SHARE_WORD_CODE, SHARE_FRAMES_MAX);
    assert_true(share_word_on_frame(word) && share_word_frame(word) == SHARE_FRAMES_MAX);
    assert_false(share_word_on_frame(share_word(SHARE_WORD_MOVING, 0)));
}

/* The header's list, by state; payloads decide the rest. */
static void words_change_as_the_header_says(void **state)
{
    (void)state;
    static const char *const list[] = {
        [SHARE_WORD_NONE] = "...O.M..",     [SHARE_WORD_HINTED] = "...O.M..",
        [SHARE_WORD_NO_MATCH] = "...O.M..", [SHARE_WORD_OWNED] = "NHX.BM..",
        [SHARE_WORD_BROKEN] = "NHX.....",   [SHARE_WORD_MOVING] = "NHX...SC",
        [SHARE_WORD_SHARED] = ".....M..",   [SHARE_WORD_CODE] = ".....M..",
    };
    for (enum share_word_state from = 0; from <= SHARE_WORD_CODE; from++)
        for (enum share_word_state to = 0; to <= SHARE_WORD_CODE; to++) {
            uint32_t word = share_word(from, from >= SHARE_WORD_SHARED);
            uint32_t next = share_word(to, to >= SHARE_WORD_SHARED);
            assert_int_equal(share_word_may_become(word, next), list[from][to] != '.');
        }
    uint32_t none = share_word_none(0), broken = share_word(SHARE_WORD_BROKEN, 0);
    assert_true(share_word_may_become(broken, broken + 1));
    assert_true(share_word_may_become(broken + 2, broken + 1));
    assert_false(share_word_may_become(broken, broken + 2));
    assert_false(share_word_may_become(broken, broken - 1));
    assert_false(share_word_may_become(broken + 1, none)); /* a writer is still there */
    assert_false(share_word_may_become(share_word(SHARE_WORD_MOVING, 0),
                                       share_word(SHARE_WORD_SHARED, 0))); /* on no frame */
    assert_false(share_word_is_valid(share_word(SHARE_WORD_OWNED, 1)));
    assert_false(share_word_is_valid(share_word_none(SHARE_PACE_BROKEN + 1)));
}

static void chunks_are_valid_where_they_were_made(void **state)
{
    (void)state;
    struct share_page_ref page = prepare(4 * SHARE_CHUNK_PAGES + 3);
    assert_true(share_chunk_is_valid(share_page_chunk(&page), 9, 4));
    assert_false(share_chunk_is_valid(share_page_chunk(&page), 8, 4));
    assert_false(share_chunk_is_valid(share_page_chunk(&page), 9, 3));
    atomic_store(page.word, share_word(SHARE_WORD_CODE, 0));
    assert_false(share_chunk_is_valid(share_page_chunk(&page), 9, 4));
}

static void a_tree_that_grows_keeps_what_it_had(void **state)
{
    (void)state;
    struct vmm *vmm = vmm_new(1, 2, 4);
    vmm_engine(vmm, NULL, 1);
    vmm_add(vmm, 0, 0, 27);
    for (unsigned slot = 0; slot < 2; slot++) {
        assert_true(vmm_populate(vmm, 0, slot, (struct vmm_content){1 + slot, 0}));
        assert_int_equal(vmm_offer(vmm, 0, slot), SHARE_HINTED);
    }
    assert_int_equal(vmm_info(vmm, 0, 0).state, SHARE_PAGE_HINTED);
    vmm_end(vmm);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(pages_are_found_where_they_were_made),
        TEST(a_tree_that_starts_high_reaches_low),
        TEST(chunks_come_in_order),
        TEST(there_are_fewer_nodes_than_chunks),
        TEST(dropped_trees_are_used_again),
        TEST(refused_memory_changes_nothing),
        TEST(dense_pages_cost_little),
        TEST(hint_words_keep_their_parts),
        TEST(words_change_as_the_header_says),
        TEST(chunks_are_valid_where_they_were_made),
        cmocka_unit_test(a_tree_that_grows_keeps_what_it_had),
    };
    return RUN(tests);
}
