/* SPDX-License-Identifier: MIT */
/*
 * A run: up to 128 pages of one VM on their way through the pipeline
 *
 *     look -> match -> protect -> compare -> commit -> remap -> free
 *
 * 128 pages are half a megabyte: what `look` has read is still in the second-level cache when
 * `compare` reads it again, and one protect and one remap serve them all (one shootdown a run). The
 * steps: look.c, match.c, merge.c, commit.c, and release.c for whatever ends early; offer.c drives
 * them and counts.
 */
#ifndef SHARE_RUN_H
#define SHARE_RUN_H

#include "ops.h"

#define SHARE_RUN_PAGES 128u
_Static_assert(SHARE_RUN_PAGES <= UINT8_MAX + 1, "items are numbered in a byte");

/* Entries that an item may try in vain. Among 2^30 contents (4 TiB) 1/64 of an entry has the same
 * hash bits as a page by chance, five of them once in 10^11 pages. */
#define SHARE_TRIED_MAX 4u
_Static_assert(SHARE_TABLE_HITS == SHARE_TRIED_MAX + 2, "those, the page's own hint, and one more");

enum share_stage {
    SHARE_ITEM_OPEN,      /* owned and hashed: match decides */
    SHARE_ITEM_MATCHED,   /* has a partner: to be protected and compared */
    SHARE_ITEM_EQUAL,     /* compared equal: to be committed */
    SHARE_ITEM_COMMITTED, /* MOVING, to be remapped to its frame */
    SHARE_ITEM_DONE       /* its outcome stands, its page is released */
};

enum share_partner_kind { SHARE_WITH_NONE, SHARE_WITH_HINT, SHARE_WITH_FRAME, SHARE_WITH_ZERO };

/* One page on its way, in one cache line: the pages that are hashed drive it out of the first-level
 * cache between one step and the next. */
struct share_item {
    _Alignas(SHARE_LINE_NBYTES) share_ppn ppn;
    share_mpn mpn;
    uint64_t hash;
    struct share_page_ref page; /* word NULL: the PPN is outside the VM */
    struct share_hit met;       /* what had its hash when it met the table; id 0: nothing */
    size_t at;                  /* its place in the batch */
    uint32_t was;               /* its word before it was owned */
    uint8_t stage;              /* enum share_stage */
    uint8_t outcome;            /* enum share_outcome */
    uint8_t tried_count;        /* entries that its partner has noted as tried */
    bool hinted : 1;            /* its own hint stands in the table, under `was` */
    bool changed : 1;           /* since its last look */
    bool replaced : 1;          /* stale hints were removed for it */
    bool not_zero : 1;          /* has the zero page's hash, but is not zero */
    bool is_protected : 1;      /* sharing was added to its reasons */
    bool code : 1;              /* and no mapping permitted a write */
    bool told : 1;              /* the observer has heard of it */
};
_Static_assert(sizeof(struct share_item) == SHARE_LINE_NBYTES, "a line a page");

/* What a page matched. HINT: a page that the run owns. FRAME: a reference that the run holds. */
struct share_partner {
    enum share_partner_kind kind;
    share_frame frame; /* FRAME; and of the others once committed */
    share_mpn mpn;
    struct share_page_ref page; /* HINT */
    struct share_vm_object *vm;
    share_ppn ppn;
    uint32_t was; /* its word before it was owned */
    bool code;
    struct share_hit tried[SHARE_TRIED_MAX]; /* the item's tried_count */
};

struct share_run {
    struct share *share;
    struct share_vm_object *vm;
    share_group group;
    const struct share_secret *secret;
    bool back_off; /* leave pages out by their pace, in `pass` */
    bool dirty;    /* the caller has told that they changed */
    uint64_t pass;
    bool others; /* work on the engine, too */
    bool memory_refused;
    bool left_out;                 /* a hint, by an engine that must not */
    unsigned frames_taken;         /* of those reserved for the run */
    const unsigned char *expected; /* where its first pages were expected, and fetched; or NULL */
    unsigned progress;             /* items done or moved on in this round */
    unsigned count;
    unsigned open_count, matched_count;
    uint8_t open[SHARE_RUN_PAGES];    /* items that match has to decide */
    uint8_t matched[SHARE_RUN_PAGES]; /* items that merge has to work on */
    struct share_item item[SHARE_RUN_PAGES];
    struct share_partner with[SHARE_RUN_PAGES]; /* by item; valid from its first match on */
};

static inline struct share_partner *share_with(struct share_run *run, const struct share_item *item)
{
    return &run->with[item - run->item];
}

/* Claims each page, hashes it, and lets it meet the table. */
void share_run_look(struct share_run *run);

/* Leaves a hint for a hashed page if the table holds nothing like it, which ends most pages of a
 * first pass, or lets it go if its hint is all that stands there, which ends most pages of a later
 * one. Else false, and what it met is noted. */
bool share_item_meet(struct share_run *run, struct share_item *item);

/* Finds a partner for each open item, or leaves a hint for it. */
void share_run_match(struct share_run *run);

/* The i-th matched item, if it has come to this stage and not left it; else NULL. */
static inline struct share_item *share_matched_at(struct share_run *run, unsigned i,
                                                  enum share_stage stage)
{
    struct share_item *item = &run->item[run->matched[i]];
    return item->stage == stage ? item : NULL;
}

/* Of a list that is worked on in its order, i-th item now: what the table has of one further on. It
 * was fetched when the page met the table, but other threads may have it by now. */
static inline void share_item_fetch_ahead(const struct share_run *run, const uint8_t *list,
                                          unsigned count, unsigned i)
{
    const unsigned ahead = 4;
    if (run->others && i + ahead < count) {
        share_table_prefetch(&run->share->table, run->item[list[i + ahead]].hash);
        share_table_prefetch_partition(&run->share->table, run->item[list[i + ahead]].hash);
    }
}

/* Protects and compares all matched items, and commits those that are equal. */
void share_run_merge(struct share_run *run);

/* Commits, remaps and counts all equal items, and frees the pages that they mapped. */
void share_run_commit(struct share_run *run);

/* The outcome of a page whose protect or remap was not granted. */
enum share_outcome share_outcome_of(enum share_answer answer);

/*
 * How items end, and partners leave them. An item has a partner while it is MATCHED, EQUAL or
 * COMMITTED; every verb but `end` gives that back itself.
 *
 *     verb                  when                        item      its page's word    own hint
 *     share_item_end        match or look has decided   DONE      as told            as told
 *     share_item_release    it cannot go on: busy, ...  DONE      as it was          stays
 *     share_item_drop       its page changed or went    DONE      NONE               goes
 *     share_item_end_alias  others map its MPN          DONE      marked             goes
 *     share_partner_drop    the partner's hint is stale OPEN      OWNED              stays
 *     ..._end_alias         others map the partner's MPN, the same
 *     share_partner_reject  the partner's bytes differ  OPEN      OWNED              stays
 *                           ... and it has tried enough DONE      NO_MATCH           goes
 *     finish (commit.c)     it maps its frame           DONE      SHARED, CODE       goes
 *     uncommit (commit.c)   its remap was refused       DONE      as it was          stays
 *
 * A partner that is a hint goes back with its word as it was; `drop` makes that NONE, end_alias a
 * mark, and its hint goes. Of one that is a frame the reference is dropped; `finish` makes it the
 * page's. Where a write has won meanwhile, a page goes back all the same, but never as NO_MATCH.
 */

/* An item that has no partner: its page goes back with this word. Unprotects it if it was
 * protected. */
void share_item_end(struct share_run *run, struct share_item *item, uint32_t word,
                    enum share_outcome outcome);
void share_item_release(struct share_run *run, struct share_item *item, enum share_outcome outcome);
void share_item_drop(struct share_run *run, struct share_item *item, enum share_outcome outcome);
void share_partner_drop(struct share_run *run, struct share_item *item);

/* The page is an alias, with this mark (alias.h): the item's own, or its partner's, a hint. */
void share_item_end_alias(struct share_run *run, struct share_item *item, uint32_t mark);
void share_partner_end_alias(struct share_run *run, struct share_item *item, uint32_t mark);

/* `equal_hash`: the bytes differ though all 64 bits of the hashes are equal, so that no other entry
 * will do. */
void share_partner_reject(struct share_run *run, struct share_item *item, bool equal_hash);

/* A part of release and uncommit: the partner alone. */
void share_partner_release(struct share_run *run, struct share_item *item);

/* A part of several: the item's own hint leaves the table, if it has one. */
void share_item_drop_hint(struct share_run *run, struct share_item *item);

/*
 * What holds between two steps, for asserts:
 *     OPEN, MATCHED, EQUAL   the page is the run's: OWNED, or BROKEN since
 *     COMMITTED              its word is MOVING, and the partner has a frame with references
 *     DONE                   it has an outcome; the page may be anybody's
 *     MATCHED, EQUAL         a partner that is a hint is a page that is the run's, too, HINTED
 *                            before; one that is a frame has references
 *     hinted                 `was` is HINTED
 */
bool share_item_is_valid(struct share_run *run, const struct share_item *item);

/* Gives the item its outcome and tells the observer, once. While the page is still the run's, so
 * that no event of the page comes before this one. */
void share_item_tell(struct share_run *run, struct share_item *item, enum share_outcome outcome);

static inline bool share_item_has_partner(const struct share_item *item)
{
    return item->stage > SHARE_ITEM_OPEN && item->stage < SHARE_ITEM_DONE;
}

/* The word that says what it said before the page was owned, if that still holds. */
static inline uint32_t share_item_word_before(const struct share_item *item)
{
    return item->hinted ? item->was : share_word_without_hash(item->was);
}

/* Gives an owned page that is not protected another word. False: a write has won, and the page is
 * still its owner's. */
static inline bool share_owner_give(const struct share_page_ref *page, uint32_t word)
{
    uint32_t owned = share_word(SHARE_WORD_OWNED, 0);
    share_step(SHARE_STEP_RELEASE);
    return share_word_swap(page, &owned, word);
}

#endif
