/* SPDX-License-Identifier: MIT */
/* From (VM, PPN) to the page's word, and back from a page number. */
#include "page.h"
#include "fetch.h"
#include "invariant.h"
#include <string.h>

#define CHUNKS_SLAB_LOG2 4
#define NODES_SLAB_LOG2  3
#define CHUNKS_MAX       ((UINT32_C(1) << (32 - SHARE_CHUNK_BITS)) - 1) /* page numbers: 32 bits */
#define NODES_MAX        (UINT32_MAX >> 1)                              /* memory ends before */

#define HEIGHT_MAX  6 /* levels of nodes */
#define INDEX_END   (UINT64_C(1) << (SHARE_NODE_BITS * HEIGHT_MAX))
#define CHILD_COUNT (UINT64_C(1) << SHARE_NODE_BITS)
_Static_assert(SHARE_PPN_END >> SHARE_CHUNK_BITS <= INDEX_END, "the highest tree covers all PPNs");
_Static_assert(SHARE_PPN_END >> SHARE_CHUNK_BITS <= UINT64_C(1) << 32, "a chunk's index: 32 bits");

void share_pages_init(struct share_pages *pages, struct share_mem *mem)
{
    share_pool_init(&pages->chunks, mem, sizeof(struct share_chunk), CHUNKS_SLAB_LOG2, CHUNKS_MAX);
    share_pool_init(&pages->nodes, mem, sizeof(struct share_node), NODES_SLAB_LOG2, NODES_MAX);
}

void share_pages_fini(struct share_pages *pages)
{
    share_pool_fini(&pages->chunks);
    share_pool_fini(&pages->nodes);
}

/* ---------------------------------------------------------------------------------- words -- */

bool share_word_is_valid(uint32_t word)
{
    switch (share_word_state(word)) {
    case SHARE_WORD_NONE:
        return share_word_payload(word) == share_word_pace(word);
    case SHARE_WORD_OWNED:
        return share_word_payload(word) == 0;
    case SHARE_WORD_MOVING:
        return (share_word_payload(word) & ~SHARE_WORD_AWAITED) == 0;
    case SHARE_WORD_SHARED:
    case SHARE_WORD_CODE:
        return share_word_frame(word) != 0;
    case SHARE_WORD_HINTED:
    case SHARE_WORD_NO_MATCH:
    case SHARE_WORD_BROKEN:
        break;
    }
    return true;
}

#define BIT(state) (1u << SHARE_WORD_##state)

bool share_word_may_become(uint32_t from, uint32_t to)
{
    static const uint8_t next[] = {
        [SHARE_WORD_NONE] = BIT(OWNED) | BIT(MOVING),
        [SHARE_WORD_HINTED] = BIT(OWNED) | BIT(MOVING),
        [SHARE_WORD_NO_MATCH] = BIT(OWNED) | BIT(MOVING),
        [SHARE_WORD_OWNED] = BIT(NONE) | BIT(HINTED) | BIT(NO_MATCH) | BIT(BROKEN) | BIT(MOVING),
        [SHARE_WORD_BROKEN] = BIT(BROKEN) | BIT(NONE) | BIT(HINTED) | BIT(NO_MATCH),
        [SHARE_WORD_MOVING] = BIT(SHARED) | BIT(CODE) | BIT(NONE) | BIT(HINTED) | BIT(NO_MATCH),
        [SHARE_WORD_SHARED] = BIT(MOVING),
        [SHARE_WORD_CODE] = BIT(MOVING),
    };
    bool listed = next[share_word_state(from)] >> share_word_state(to) & 1;
    uint32_t writers = share_word_writers(from);
    if (to == (from | SHARE_WORD_AWAITED) && from != to)
        listed = share_word_state(from) == SHARE_WORD_BROKEN ||
                 share_word_state(from) == SHARE_WORD_MOVING;
    else if (share_word_state(from) == SHARE_WORD_BROKEN &&
             share_word_state(to) == SHARE_WORD_BROKEN)
        listed = to == from + 1 || (writers && to == from - 1);
    else if (share_word_state(from) == SHARE_WORD_BROKEN)
        listed = listed && !writers;
    return listed && share_word_is_valid(from) && share_word_is_valid(to);
}

void share_word_set_broken(const struct share_page_ref *page, uint32_t to)
{
    for (;;) {
        uint32_t now = atomic_load(page->word);
        share_assert(share_word_state(now) == SHARE_WORD_BROKEN);
        if (share_word_writers(now)) {
            share_page_sleep(page, now);
        } else if (share_word_swap(page, &now, to)) {
            if (now & SHARE_WORD_AWAITED)
                share_wake_all(page->word);
            return;
        }
    }
}

void share_page_sleep(const struct share_page_ref *page, uint32_t seen)
{
    if ((seen & SHARE_WORD_AWAITED) || share_word_swap(page, &seen, seen | SHARE_WORD_AWAITED))
        share_sleep(page->word, seen | SHARE_WORD_AWAITED);
}

bool share_chunk_is_valid(const struct share_chunk *chunk, share_vm vm, uint64_t index)
{
    bool valid = share_chunk_vm(chunk) == vm && chunk->index == index;
    for (unsigned slot = 0; slot < SHARE_CHUNK_PAGES; slot++)
        valid = valid && share_word_is_valid(atomic_load(&chunk->word[slot]));
    return valid;
}

/* ----------------------------------------------------------------------------------- tree -- */

static unsigned height_of(uint64_t root)
{
    return (unsigned)(root >> 32);
}

static uint64_t root_of(unsigned height, uint32_t node)
{
    return (uint64_t)height << 32 | node;
}

static bool covers(unsigned height, uint64_t index)
{
    return index >> (SHARE_NODE_BITS * height) == 0;
}

static _Atomic uint32_t *child_of(const struct share_pages *pages, uint32_t node, unsigned level,
                                  uint64_t index)
{
    struct share_node *at = share_pool_at(&pages->nodes, node);
    return &at->child[index >> (SHARE_NODE_BITS * level) & (CHILD_COUNT - 1)];
}

/* The number of the chunk at an index; 0 if there is none. */
static uint32_t find_chunk(const struct share_pages *pages, const struct share_tree *tree,
                           uint64_t index)
{
    uint64_t root = atomic_load_explicit(&tree->root, memory_order_acquire);
    uint32_t number = (uint32_t)root;
    if (!number || !covers(height_of(root), index))
        return 0;
    for (unsigned level = height_of(root); number && level-- > 0;)
        number = atomic_load_explicit(child_of(pages, number, level, index), memory_order_acquire);
    return number;
}

bool share_page_find(const struct share_pages *pages, const struct share_tree *tree, share_ppn ppn,
                     struct share_page_ref *page)
{
    uint32_t number = find_chunk(pages, tree, ppn.n >> SHARE_CHUNK_BITS);
    if (!number)
        return false;
    *page = share_page_at(pages, number << SHARE_CHUNK_BITS | (ppn.n & (SHARE_CHUNK_PAGES - 1)));
    return true;
}

struct share_page_ref share_page_at(const struct share_pages *pages, uint32_t id)
{
    struct share_chunk *chunk = share_pool_at(&pages->chunks, id >> SHARE_CHUNK_BITS);
    return (struct share_page_ref){&chunk->word[id & (SHARE_CHUNK_PAGES - 1)], id};
}

void share_page_prefetch(const struct share_pages *pages, uint32_t id)
{
    struct share_page_ref page = share_page_at(pages, id);
    share_fetch_to_write((uintptr_t)page.word);
    __builtin_prefetch(share_page_chunk(&page));
}

static uint32_t new_node(struct share_pages *pages)
{
    uint32_t number = share_pool_take(&pages->nodes);
    memset(share_pool_at(&pages->nodes, number), 0, sizeof(struct share_node));
    return number;
}

static uint32_t new_chunk(struct share_pages *pages, share_vm vm, uint64_t index)
{
    uint32_t number = share_pool_take(&pages->chunks);
    struct share_chunk *chunk = share_pool_at(&pages->chunks, number);
    memset(chunk, 0, sizeof *chunk);
    atomic_init(&chunk->vm, vm);
    chunk->index = (uint32_t)index;
    return number;
}

/* Puts a new root above the old ones until the tree covers the index; nodes used in *used. */
static uint64_t raise_root(struct share_pages *pages, struct share_tree *tree, uint64_t index,
                           uint32_t *used)
{
    uint64_t root = atomic_load_explicit(&tree->root, memory_order_relaxed);
    while (!(uint32_t)root || !covers(height_of(root), index)) {
        uint32_t above = new_node(pages);
        ++*used;
        if ((uint32_t)root)
            atomic_store_explicit(child_of(pages, above, height_of(root), 0), (uint32_t)root,
                                  memory_order_relaxed);
        root = root_of(height_of(root) + 1, above);
        atomic_store_explicit(&tree->root, root, memory_order_release);
    }
    return root;
}

/* With the tree's lock held, and HEIGHT_MAX nodes twice over and one chunk reserved. */
static void add_chunk(struct share_pages *pages, struct share_tree *tree, share_vm vm,
                      uint64_t index, uint32_t *nodes_used, uint32_t *chunks_used)
{
    uint64_t root = raise_root(pages, tree, index, nodes_used);
    uint32_t number = (uint32_t)root;
    for (unsigned level = height_of(root); level-- > 0;) {
        _Atomic uint32_t *child = child_of(pages, number, level, index);
        uint32_t below = atomic_load_explicit(child, memory_order_relaxed);
        if (!below) {
            below = level ? new_node(pages) : new_chunk(pages, vm, index);
            ++*(level ? nodes_used : chunks_used);
            atomic_store_explicit(child, below, memory_order_release);
        }
        number = below;
    }
}

bool share_page_prepare(struct share_pages *pages, struct share_tree *tree, share_vm vm,
                        share_ppn ppn, struct share_page_ref *page)
{
    const uint32_t nodes_needed = 2 * HEIGHT_MAX;
    uint64_t index = ppn.n >> SHARE_CHUNK_BITS;
    if (share_page_find(pages, tree, ppn, page))
        return true;
    if (!share_pool_reserve(&pages->nodes, nodes_needed))
        return false;
    if (!share_pool_reserve(&pages->chunks, 1)) {
        share_pool_unreserve(&pages->nodes, nodes_needed);
        return false;
    }
    uint32_t nodes_used = 0, chunks_used = 0;
    share_lock_take(&tree->lock);
    add_chunk(pages, tree, vm, index, &nodes_used, &chunks_used);
    share_lock_drop(&tree->lock);
    share_pool_unreserve(&pages->nodes, nodes_needed - nodes_used);
    share_pool_unreserve(&pages->chunks, 1 - chunks_used);
    bool found = share_page_find(pages, tree, ppn, page);
    share_assert(found);
    share_assert_internal(share_chunk_is_valid(share_page_chunk(page), vm, index));
    return found;
}

/* Below `node` at `level`: the first chunk at or after *index; leaves *index after it if none. */
static uint32_t next_below(const struct share_pages *pages, uint32_t node, unsigned level,
                           uint64_t *index)
{
    uint64_t span = UINT64_C(1) << (SHARE_NODE_BITS * level); /* indexes below one child */
    uint64_t end = (*index / (span * CHILD_COUNT) + 1) * (span * CHILD_COUNT);
    while (*index < end) {
        uint32_t child =
            atomic_load_explicit(child_of(pages, node, level, *index), memory_order_acquire);
        if (child && level == 0)
            return child;
        uint64_t child_end = (*index / span + 1) * span;
        uint32_t found = child ? next_below(pages, child, level - 1, index) : 0;
        if (found)
            return found;
        *index = child_end;
    }
    return 0;
}

bool share_chunk_next(const struct share_pages *pages, const struct share_tree *tree,
                      uint64_t *index, uint32_t *id)
{
    uint64_t root = atomic_load_explicit(&tree->root, memory_order_acquire);
    if (!(uint32_t)root || !covers(height_of(root), *index))
        return false;
    *id = next_below(pages, (uint32_t)root, height_of(root) - 1, index);
    return *id != 0;
}

static void drop_below(struct share_pages *pages, uint32_t node, unsigned level)
{
    for (uint64_t i = 0; i < CHILD_COUNT; i++) {
        uint32_t child = atomic_load(child_of(pages, node, 0, i));
        if (child && level)
            drop_below(pages, child, level - 1);
        else if (child)
            share_pool_put(&pages->chunks, child);
    }
    share_pool_put(&pages->nodes, node);
}

void share_tree_drop(struct share_pages *pages, struct share_tree *tree)
{
    uint64_t root = atomic_load(&tree->root);
    if ((uint32_t)root)
        drop_below(pages, (uint32_t)root, height_of(root) - 1);
    atomic_store(&tree->root, 0);
}
