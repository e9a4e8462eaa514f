/* SPDX-License-Identifier: MIT */
/*
 * What the engine knows of one guest page: a 32-bit word, and where to find it.
 *
 * Words live in chunks of 64 neighbouring pages; a radix tree a VM (64 children a node) leads from
 * PPN to chunk, and the number (chunk, slot) names a page in hash-table entries. A node stands only
 * where there are two ways to go, however far below the node above (D. Morrison, PATRICIA, 1968):
 * so there are fewer nodes than chunks, wherever pages lie. A page never offered costs nothing; a
 * dense one costs 4 bytes for its word and 0.35 for chunk and tree; one that is alone in its chunk,
 * the chunk and a node at most: SHARE_ALONE_NBYTES.
 *
 * The word is (state, payload), and changes by compare-and-swap only. Legal sequences:
 *
 *     NONE, HINTED, NO_MATCH -> OWNED          somebody looks at the page: one owner at a time
 *     OWNED -> NONE, HINTED, NO_MATCH          the look found no partner
 *     OWNED -> BROKEN                          a write, forget or removal wins against the look
 *     BROKEN -> BROKEN                         one writer more, or one less, that unprotects it
 *     BROKEN -> NONE, HINTED                   no writer is left: the owner saw it and gave up
 *     OWNED -> MOVING -> SHARED, CODE          committed to a frame; mapped to it; done
 *     MOVING -> NONE, HINTED                   the remap was refused
 *     SHARED, CODE -> MOVING                   a break or a forget,
 *     MOVING -> NONE, SHARED, CODE                 done or refused
 *     HINTED, NO_MATCH -> MOVING -> NONE       a forget
 *
 * The thread that makes a page OWNED or MOVING is its owner, and soon gives it another word. Until
 * then another thread may change it to BROKEN, and to nothing else. Ops run only on pages that the
 * calling thread owns. All changes pass share_word_swap, share_word_set and
 * share_word_writer_leaves, which assert the list.
 */
#ifndef SHARE_PAGE_H
#define SHARE_PAGE_H

#include "invariant.h"
#include "lock.h"
#include "pool.h"
#include "share.h"

#define SHARE_CHUNK_PAGES 64u
#define SHARE_CHUNK_BITS  6
#define SHARE_NODE_BITS   6
#define SHARE_DIRTY_BITS  32u /* marks a word of them */
#define SHARE_DIRTY_WORDS (SHARE_CHUNK_PAGES / SHARE_DIRTY_BITS)

enum share_word_state {
    SHARE_WORD_NONE,
    SHARE_WORD_HINTED, /* payload: 26 top hash bits, 3 bits of backoff; its hint is in the table */
    SHARE_WORD_NO_MATCH, /* the same payload; nothing in the table */
    SHARE_WORD_OWNED,
    SHARE_WORD_BROKEN, /* payload: writers that are unprotecting it this moment */
    SHARE_WORD_MOVING,
    SHARE_WORD_SHARED, /* payload: frame */
    SHARE_WORD_CODE    /* payload: frame; shared without COW marking */
};

#define SHARE_WORD_PAYLOAD_BITS 29
#define SHARE_FRAMES_MAX        ((UINT32_C(1) << SHARE_WORD_PAYLOAD_BITS) - 1)
#define SHARE_HINT_HASH_BITS    26
#define SHARE_BACKOFF_BITS      3
#define SHARE_BACKOFF_MAX       5u /* a volatile page is looked at in one of 32 passes at least */

static inline uint32_t share_word(enum share_word_state state, uint32_t payload)
{
    return (uint32_t)state << SHARE_WORD_PAYLOAD_BITS | payload;
}

static inline enum share_word_state share_word_state(uint32_t word)
{
    return (enum share_word_state)(word >> SHARE_WORD_PAYLOAD_BITS);
}

static inline uint32_t share_word_payload(uint32_t word)
{
    return word & SHARE_FRAMES_MAX;
}

static inline share_frame share_word_frame(uint32_t word)
{
    return share_word_payload(word);
}

static inline bool share_word_on_frame(uint32_t word)
{
    return share_word_state(word) >= SHARE_WORD_SHARED;
}

static inline uint32_t share_word_hint(enum share_word_state state, uint64_t hash, unsigned backoff)
{
    return share_word(state, (uint32_t)(hash >> (64 - SHARE_HINT_HASH_BITS)) << SHARE_BACKOFF_BITS |
                                 backoff);
}

/* The top 26 bits of the hash in a hint's word, in their place. */
static inline uint64_t share_word_hash(uint32_t word)
{
    return (uint64_t)(share_word_payload(word) >> SHARE_BACKOFF_BITS)
           << (64 - SHARE_HINT_HASH_BITS);
}

static inline unsigned share_word_backoff(uint32_t word)
{
    return word & ((1u << SHARE_BACKOFF_BITS) - 1);
}

/* Is it a word that a page can have? */
bool share_word_is_valid(uint32_t word);

/* The list above. */
bool share_word_may_become(uint32_t from, uint32_t to);

struct share_chunk {
    _Atomic uint32_t vm;                       /* the pool's link while free */
    uint32_t index;                            /* first PPN / 64 */
    _Atomic uint32_t dirty[SHARE_DIRTY_WORDS]; /* a mark a page: named to share_dirty */
    _Atomic uint32_t word[SHARE_CHUNK_PAGES];
};

/* Level 0: a child an index (PPN / 64); level 1: one for 64 of them, and so on. Invariant: two
 * children at least, each of which has all of its indexes below its place here. */
struct share_node {
    /* Chunk numbers with the top bit set, or node numbers; 0: none. */
    _Atomic uint32_t child[1u << SHARE_NODE_BITS];
    uint32_t level;
    uint32_t index; /* one that is below */
};
#define SHARE_ALONE_NBYTES (sizeof(struct share_chunk) + sizeof(struct share_node))

/* A VM's radix tree. root: as a node's child. */
struct share_tree {
    struct share_lock lock; /* adding chunks */
    _Atomic uint32_t root;
};

struct share_pages {
    struct share_pool chunks;
    struct share_pool nodes;
};

/* A page whose chunk exists. Valid while its VM is. */
struct share_page_ref {
    _Atomic uint32_t *word;
    uint32_t id; /* chunk number * 64 + slot */
};

/* False, and *from is what the word is instead: somebody was faster. */
static inline bool share_word_swap(const struct share_page_ref *page, uint32_t *from, uint32_t to)
{
    share_assert(share_word_may_become(*from, to));
    return atomic_compare_exchange_strong(page->word, from, to);
}

/* A MOVING page becomes something else: by its owner, so that nobody else writes the word. */
static inline void share_word_set(const struct share_page_ref *page, uint32_t to,
                                  memory_order order)
{
    share_assert(share_word_may_become(atomic_load_explicit(page->word, memory_order_relaxed), to));
    atomic_store_explicit(page->word, to, order);
}

/* A writer that counted itself in a BROKEN page has unprotected it. */
static inline void share_word_writer_leaves(const struct share_page_ref *page)
{
    uint32_t was = atomic_fetch_sub(page->word, 1);
    share_assert(share_word_may_become(was, was - 1));
    (void)was;
}

/* Does somebody own the page? For its owner: nobody else's answer lasts. */
static inline bool share_page_is_owned(const struct share_page_ref *page)
{
    enum share_word_state state =
        share_word_state(atomic_load_explicit(page->word, memory_order_relaxed));
    return state == SHARE_WORD_OWNED || state == SHARE_WORD_BROKEN;
}

static inline uint32_t share_page_slot(const struct share_page_ref *page)
{
    return page->id & (SHARE_CHUNK_PAGES - 1);
}

static inline struct share_chunk *share_page_chunk(const struct share_page_ref *page)
{
    char *first_word = (char *)(page->word - share_page_slot(page));
    return (struct share_chunk *)(first_word - offsetof(struct share_chunk, word));
}

/* Another page of the same chunk. */
static inline struct share_page_ref share_page_beside(struct share_page_ref page, uint32_t slot)
{
    return (struct share_page_ref){page.word - share_page_slot(&page) + slot,
                                   (page.id & ~(SHARE_CHUNK_PAGES - 1)) | slot};
}

void share_pages_init(struct share_pages *pages, struct share_mem *mem);
void share_pages_fini(struct share_pages *pages);

/* Finds a page, and makes its chunk if it is not there. False if memory is refused. */
bool share_page_prepare(struct share_pages *pages, struct share_tree *tree, share_vm vm,
                        share_ppn ppn, struct share_page_ref *page);

/* False if nothing of the page's chunk was ever prepared. Lock-free. */
bool share_page_find(const struct share_pages *pages, const struct share_tree *tree, share_ppn ppn,
                     struct share_page_ref *page);

/* The page of a number that stands in the table, for who keeps it there: by the partition's lock,
 * or because the page is owned. A chunk goes with its VM, after its hints, and not before its pages
 * have been given back. So whoever has the VM pinned may read its tree and chunks, too. */
struct share_page_ref share_page_at(const struct share_pages *pages, uint32_t id);

/* Fetches what is known of that page: its word, and whose it is. */
void share_page_prefetch(const struct share_pages *pages, uint32_t id);

static inline share_ppn share_page_ppn(const struct share_page_ref *page)
{
    return (share_ppn){(uint64_t)share_page_chunk(page)->index << SHARE_CHUNK_BITS |
                       share_page_slot(page)};
}

/* The first chunk at or after *index (PPN / 64) in the tree; its number in *id. False: none. */
bool share_chunk_next(const struct share_pages *pages, const struct share_tree *tree,
                      uint64_t *index, uint32_t *id);

/* Is it the chunk of this VM and index, and each of its words one that a page can have? */
bool share_chunk_is_valid(const struct share_chunk *chunk, share_vm vm, uint64_t index);

/* Gives back all chunks and nodes of a tree that nobody uses any more. */
void share_tree_drop(struct share_pages *pages, struct share_tree *tree);

#endif
