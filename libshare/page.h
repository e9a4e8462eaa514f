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
 *     BROKEN -> NONE, HINTED, NO_MATCH         no writer is left: the owner saw it and gave up
 *     OWNED -> MOVING -> SHARED, CODE          committed to a frame; mapped to it; done
 *     MOVING -> NONE, HINTED                   the remap was refused
 *     SHARED, CODE -> MOVING                   a break or a forget,
 *     MOVING -> NONE, SHARED, CODE                 done or refused
 *     NONE, HINTED, NO_MATCH -> MOVING -> NONE a forget
 *     NO_MATCH -> MOVING -> NO_MATCH           an alias whose VM changes groups
 *
 * The thread that makes a page OWNED or MOVING is its owner, and soon gives it another word. Until
 * then another thread may change it to BROKEN, and to nothing else. Ops run only on pages that the
 * calling thread owns. All changes pass share_word_swap, share_word_set, share_word_writer_leaves
 * and share_page_sleep, which assert the list.
 *
 * Whoever waits for a page sets a bit in its word, MOVING or BROKEN, and sleeps on the word. The
 * thread that changes such a word next wakes the sleepers.
 *
 * A page that is on no frame has a pace: how often the scanner looks at it. Three bits of its word:
 *
 *     0         in every pass
 *     1 to 5    in one of 2^pace: one more with each change, one less with each look that finds the
 *               page as it was
 *     6         in every pass: it was as it had been, and alone
 *     7         quiet, in one of four: the same twice in a row
 *
 * A change takes 6 and 7 to 1, and share_dirty takes 7 to 0.
 *
 * A page whose sharing writes broke twice within 64 passes, for which its chunk has a mark, is on
 * probation: the scanner does not share it until it was the same over 8, 4, 2 passes and one, so
 * that a page that is written in every pass is not shared in every pass. Its word is NONE with
 * pace 6, then NO_MATCH with its hash and a pace of 3 to 1, as above, and 6 in the end. (KSM asks
 * for one pass, of every page.)
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
#define SHARE_MARK_BITS   32u /* marks a word of them */
#define SHARE_MARK_WORDS  (SHARE_CHUNK_PAGES / SHARE_MARK_BITS)

enum share_word_state {
    SHARE_WORD_NONE,     /* payload: pace */
    SHARE_WORD_HINTED,   /* payload: 26 top hash bits, pace; its hint is in the table */
    SHARE_WORD_NO_MATCH, /* the same payload; nothing in the table. Pace 0: a false match */
    SHARE_WORD_OWNED,
    SHARE_WORD_BROKEN, /* payload: writers that are unprotecting it this moment; awaited */
    SHARE_WORD_MOVING, /* payload: awaited */
    SHARE_WORD_SHARED, /* payload: frame */
    SHARE_WORD_CODE    /* payload: frame; shared without COW marking */
};

#define SHARE_WORD_PAYLOAD_BITS 29
#define SHARE_FRAMES_MAX        ((UINT32_C(1) << SHARE_WORD_PAYLOAD_BITS) - 1)
#define SHARE_WORD_AWAITED      (UINT32_C(1) << (SHARE_WORD_PAYLOAD_BITS - 1)) /* MOVING, BROKEN */
#define SHARE_HINT_HASH_BITS    26

#define SHARE_PACE_BITS      3
#define SHARE_PACE_SLOWEST   5u /* of pages that change: one of 32 passes */
#define SHARE_PACE_STEADY    6u
#define SHARE_PACE_BROKEN    6u /* of NONE */
#define SHARE_PACE_ALIAS     7u /* of NO_MATCH: see alias.h */
#define SHARE_PROBATION_LONG 3u
#define SHARE_BREAKS_LOG2    6u /* a chunk's marks of breaks go after so many passes */
#define SHARE_PACE_QUIET     7u
#define SHARE_QUIET_LOG2     2u /* one of four passes */

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

static inline uint32_t share_word_hint(enum share_word_state state, uint64_t hash, unsigned pace)
{
    return share_word(state,
                      (uint32_t)(hash >> (64 - SHARE_HINT_HASH_BITS)) << SHARE_PACE_BITS | pace);
}

/* Of a page of which nothing is known but its pace. */
static inline uint32_t share_word_none(unsigned pace)
{
    return share_word(SHARE_WORD_NONE, pace);
}

/* The top 26 bits of the hash in a hint's word, in their place. */
static inline uint64_t share_word_hash(uint32_t word)
{
    return (uint64_t)(share_word_payload(word) >> SHARE_PACE_BITS) << (64 - SHARE_HINT_HASH_BITS);
}

/* Of a word in state NONE, HINTED or NO_MATCH. */
static inline unsigned share_word_pace(uint32_t word)
{
    return word & ((1u << SHARE_PACE_BITS) - 1);
}

/* A page is looked at in one of so many passes, as a power of two. */
static inline unsigned share_pace_log2(unsigned pace)
{
    return pace <= SHARE_PACE_SLOWEST ? pace : pace == SHARE_PACE_QUIET ? SHARE_QUIET_LOG2 : 0;
}

static inline unsigned share_pace_after_change(unsigned pace)
{
    if (pace > SHARE_PACE_SLOWEST)
        return 1;
    return pace < SHARE_PACE_SLOWEST ? pace + 1 : pace;
}

/* A look has found the page as it was, and no other like it. */
static inline unsigned share_pace_after_none(unsigned pace)
{
    if (pace >= SHARE_PACE_STEADY)
        return SHARE_PACE_QUIET;
    return pace ? pace - 1 : SHARE_PACE_STEADY;
}

/* Of a word in state NO_MATCH: the page is on probation, and has been looked at. */
static inline unsigned share_pace_on_probation(unsigned pace, bool changed)
{
    if (!changed)
        return pace > 1 ? pace - 1 : SHARE_PACE_STEADY;
    return pace == SHARE_PACE_STEADY     ? 1
           : pace < SHARE_PROBATION_LONG ? pace + 1
                                         : SHARE_PROBATION_LONG;
}

/* The word of a page whose hash is known no more, but its pace is. `was`: NONE, HINTED or NO_MATCH.
 */
static inline uint32_t share_word_without_hash(uint32_t was)
{
    unsigned pace = share_word_pace(was);
    if (share_word_state(was) == SHARE_WORD_NO_MATCH)
        return share_word_none(pace ? SHARE_PACE_BROKEN : 0);
    if (share_word_state(was) == SHARE_WORD_HINTED)
        return share_word_none(pace <= SHARE_PACE_SLOWEST ? pace : 0);
    return was;
}

/* The same of a page that is known to have changed. */
static inline uint32_t share_word_after_change(uint32_t was)
{
    return share_word_state(was) == SHARE_WORD_HINTED
               ? share_word_none(share_pace_after_change(share_word_pace(was)))
               : share_word_without_hash(was);
}

/* Is it a word that a page can have? */
bool share_word_is_valid(uint32_t word);

/* The list above. */
bool share_word_may_become(uint32_t from, uint32_t to);

struct share_chunk {
    _Atomic uint32_t vm;                       /* the pool's link while free */
    uint32_t index;                            /* first PPN / 64 */
    _Atomic uint32_t dirty[SHARE_MARK_WORDS];  /* a mark a page: named to share_dirty */
    _Atomic uint32_t broken[SHARE_MARK_WORDS]; /* a write broke its sharing of late */
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

/* A MOVING page becomes something else: by its owner. */
static inline void share_word_set(const struct share_page_ref *page, uint32_t to)
{
    uint32_t was = atomic_exchange(page->word, to);
    share_assert(share_word_may_become(was, to));
    if (was & SHARE_WORD_AWAITED)
        share_wake_all(page->word);
}

static inline uint32_t share_word_writers(uint32_t broken)
{
    return share_word_payload(broken) & ~SHARE_WORD_AWAITED;
}

/* A writer that counted itself in a BROKEN page has unprotected it. */
static inline void share_word_writer_leaves(const struct share_page_ref *page)
{
    uint32_t was = atomic_fetch_sub(page->word, 1);
    share_assert(share_word_may_become(was, was - 1));
    if (was & SHARE_WORD_AWAITED)
        share_wake_all(page->word);
}

/* A BROKEN page becomes something else: by its owner, when the last writer has left it. */
void share_word_set_broken(const struct share_page_ref *page, uint32_t to);

/* Sleeps until the word, which was `seen`, MOVING or BROKEN, has changed; or for less. */
void share_page_sleep(const struct share_page_ref *page, uint32_t seen);

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

/* A write breaks the sharing of a page; did that happen of late? */
static inline bool share_page_note_break(const struct share_page_ref *page)
{
    uint32_t slot = share_page_slot(page), bit = UINT32_C(1) << slot % SHARE_MARK_BITS;
    return atomic_fetch_or(&share_page_chunk(page)->broken[slot / SHARE_MARK_BITS], bit) & bit;
}

static inline void share_chunk_forget_breaks(struct share_chunk *chunk)
{
    for (unsigned i = 0; i < SHARE_MARK_WORDS; i++)
        atomic_store_explicit(&chunk->broken[i], 0, memory_order_relaxed);
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

/* Gives back the chunks from an index on, and the nodes above nothing else. Nobody reads the tree
 * meanwhile. */
void share_tree_cut(struct share_pages *pages, struct share_tree *tree, uint64_t first_index);

/* Gives back all chunks and nodes of a tree that nobody uses any more. */
void share_tree_drop(struct share_pages *pages, struct share_tree *tree);

#endif
