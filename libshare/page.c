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

#define CHILD_COUNT (1u << SHARE_NODE_BITS)
#define IS_CHUNK    (UINT32_C(1) << 31) /* what is below a node: a chunk's number, or a node's */
_Static_assert(CHUNKS_MAX < IS_CHUNK && NODES_MAX < IS_CHUNK, "a bit beside the number");
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
        return share_word_payload(word) <= SHARE_PACE_BROKEN;
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
    bool valid = atomic_load(&chunk->vm) == vm && chunk->index == index;
    for (unsigned slot = 0; slot < SHARE_CHUNK_PAGES; slot++)
        valid = valid && share_word_is_valid(atomic_load(&chunk->word[slot]));
    return valid;
}

/* ----------------------------------------------------------------------------------- tree -- */

static struct share_node *node_at(const struct share_pages *pages, uint32_t number)
{
    return share_pool_at(&pages->nodes, number);
}

static struct share_chunk *chunk_at(const struct share_pages *pages, uint32_t number)
{
    return share_pool_at(&pages->chunks, number & ~IS_CHUNK);
}

/* Bits of an index that are equal below a child of a node of this level. */
static unsigned shift_of(unsigned level)
{
    return SHARE_NODE_BITS * level;
}

static _Atomic uint32_t *child_of(struct share_node *node, uint64_t index)
{
    return &node->child[index >> shift_of(node->level) & (CHILD_COUNT - 1)];
}

/* Is the index below the node? */
static bool covers(const struct share_node *node, uint64_t index)
{
    return (index ^ node->index) >> shift_of(node->level + 1) == 0;
}

/* The number of the chunk at an index; 0 if there is none. Nodes are not asked what they cover: the
 * chunk tells whether it is the one. */
static uint32_t find_chunk(const struct share_pages *pages, const struct share_tree *tree,
                           uint64_t index)
{
    uint32_t below = atomic_load_explicit(&tree->root, memory_order_acquire);
    while (below && !(below & IS_CHUNK))
        below = atomic_load_explicit(child_of(node_at(pages, below), index), memory_order_acquire);
    return below && chunk_at(pages, below)->index == index ? below & ~IS_CHUNK : 0;
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
    uintptr_t chunk = share_pool_address(&pages->chunks, id >> SHARE_CHUNK_BITS);
    size_t slot = id & (SHARE_CHUNK_PAGES - 1);
    share_fetch_to_write(chunk + offsetof(struct share_chunk, word) + slot * sizeof(uint32_t));
    __builtin_prefetch((const void *)chunk);
}

static uint32_t new_chunk(struct share_pages *pages, share_vm vm, uint64_t index)
{
    uint32_t number = share_pool_take(&pages->chunks);
    struct share_chunk *chunk = share_pool_at(&pages->chunks, number);
    memset(chunk, 0, sizeof *chunk);
    atomic_init(&chunk->vm, vm);
    chunk->index = (uint32_t)index;
    return number | IS_CHUNK;
}

/* An index that is below a node, or a chunk's. */
static uint64_t index_of(const struct share_pages *pages, uint32_t below)
{
    return below & IS_CHUNK ? chunk_at(pages, below)->index : node_at(pages, below)->index;
}

/* A node above two things, at the lowest level at which they are apart. */
static uint32_t new_node(struct share_pages *pages, uint32_t a, uint32_t b)
{
    uint64_t index_a = index_of(pages, a), index_b = index_of(pages, b);
    uint32_t number = share_pool_take(&pages->nodes);
    struct share_node *node = node_at(pages, number);
    memset(node, 0, sizeof *node);
    node->index = (uint32_t)index_a;
    while (!covers(node, index_b))
        node->level++;
    atomic_store_explicit(child_of(node, index_a), a, memory_order_relaxed);
    atomic_store_explicit(child_of(node, index_b), b, memory_order_relaxed);
    return number;
}

/* With the tree's lock held, and a node and a chunk reserved. True: the node was needed. The chunk
 * is not there. */
static bool add_chunk(struct share_pages *pages, struct share_tree *tree, share_vm vm,
                      uint64_t index)
{
    _Atomic uint32_t *at = &tree->root;
    uint32_t below = atomic_load_explicit(at, memory_order_relaxed);
    while (below && !(below & IS_CHUNK) && covers(node_at(pages, below), index)) {
        at = child_of(node_at(pages, below), index);
        below = atomic_load_explicit(at, memory_order_relaxed);
    }
    uint32_t chunk = new_chunk(pages, vm, index);
    uint32_t here = below ? new_node(pages, below, chunk) : chunk;
    atomic_store_explicit(at, here, memory_order_release);
    return here != chunk;
}

bool share_page_prepare(struct share_pages *pages, struct share_tree *tree, share_vm vm,
                        share_ppn ppn, struct share_page_ref *page)
{
    uint64_t index = ppn.n >> SHARE_CHUNK_BITS;
    if (share_page_find(pages, tree, ppn, page))
        return true;
    if (!share_pool_reserve(&pages->nodes, 1))
        return false;
    if (!share_pool_reserve(&pages->chunks, 1)) {
        share_pool_unreserve(&pages->nodes, 1);
        return false;
    }
    share_lock_take(&tree->lock);
    bool there = find_chunk(pages, tree, index); /* by another thread */
    bool node_used = !there && add_chunk(pages, tree, vm, index);
    share_lock_drop(&tree->lock);
    share_pool_unreserve(&pages->nodes, node_used ? 0 : 1);
    share_pool_unreserve(&pages->chunks, there ? 1 : 0);
    bool found = share_page_find(pages, tree, ppn, page);
    share_assert(found);
    share_assert_internal(share_chunk_is_valid(share_page_chunk(page), vm, index));
    return found;
}

/* The first chunk at or after *index of what is below, and its index in *index; 0: none, and *index
 * stays. */
static uint32_t next_below(const struct share_pages *pages, uint32_t below, uint64_t *index)
{
    if (below & IS_CHUNK) {
        uint64_t its = chunk_at(pages, below)->index;
        if (its < *index)
            return 0;
        *index = its;
        return below & ~IS_CHUNK;
    }
    struct share_node *node = node_at(pages, below);
    unsigned shift = shift_of(node->level);
    uint64_t start = (uint64_t)node->index >> shift_of(node->level + 1) << SHARE_NODE_BITS;
    uint64_t from = *index >> shift, first = from > start ? from - start : 0;
    for (uint64_t i = first; i < CHILD_COUNT; i++) {
        uint32_t child = atomic_load_explicit(&node->child[i], memory_order_acquire);
        uint32_t found = child ? next_below(pages, child, index) : 0;
        if (found)
            return found;
    }
    return 0;
}

bool share_chunk_next(const struct share_pages *pages, const struct share_tree *tree,
                      uint64_t *index, uint32_t *id)
{
    uint32_t root = atomic_load_explicit(&tree->root, memory_order_acquire);
    *id = root ? next_below(pages, root, index) : 0;
    return *id != 0;
}

/* What is below, without the chunks from first_index on; 0: nothing is left. */
static uint32_t cut_below(struct share_pages *pages, uint32_t below, uint64_t first_index)
{
    if (below & IS_CHUNK) {
        if (chunk_at(pages, below)->index < first_index)
            return below;
        share_pool_put(&pages->chunks, below & ~IS_CHUNK);
        return 0;
    }
    struct share_node *node = node_at(pages, below);
    uint32_t left = 0, only = 0;
    for (unsigned i = 0; i < CHILD_COUNT; i++) {
        uint32_t child = atomic_load(&node->child[i]);
        uint32_t kept = child ? cut_below(pages, child, first_index) : 0;
        atomic_store(&node->child[i], kept);
        left += kept != 0;
        only = kept ? kept : only;
    }
    if (left >= 2)
        return below;
    share_pool_put(&pages->nodes, below);
    return only;
}

void share_tree_cut(struct share_pages *pages, struct share_tree *tree, uint64_t first_index)
{
    uint32_t root = atomic_load(&tree->root);
    if (root)
        atomic_store(&tree->root, cut_below(pages, root, first_index));
}

void share_tree_drop(struct share_pages *pages, struct share_tree *tree)
{
    share_tree_cut(pages, tree, 0);
}
