/* SPDX-License-Identifier: MIT */
/*
 * Declared sharing: frames for pages that map the same machine pages already.
 *
 *     span -> claim -> count -> protect -> make
 *
 * The MPNs of all runs are put together to spans, and each MPN of a span has a place in two arrays:
 * its frame, and how many pages of the call map it. Every page is claimed (MOVING) before the first
 * one is protected, and every one protected before the first frame is made: so an error gives back
 * all. The frames are outside the table until the scanner comes to them (index.c).
 */
#include "bury.h"
#include "cow.h"
#include "enter.h"
#include "forget.h"
#include "ops.h"
#include <stdlib.h>
#include <string.h>

#define PROTECT_PAGES 128u /* a vector */

struct span {
    uint64_t begin, end; /* MPNs */
    uint64_t place;      /* of the first one, in the arrays */
};

struct adoption {
    struct share *share;
    struct share_vm_object *vm;
    const struct share_adopt_run *runs;
    size_t runs_count;
    uint32_t flags;
    uint64_t pages, places;
    struct span *span; /* ascending, apart from each other */
    size_t spans;
    share_frame *frame; /* by place; 0: to be made */
    uint32_t *refs;     /* by place */
    uint8_t *code;      /* a bit a page, in the order of the runs */
};

/* ---------------------------------------------------------------------------------- spans -- */

static bool is_in_range(const struct adoption *adoption, const struct share_adopt_run *run)
{
    const struct share_vm_object *vm = adoption->vm;
    return run->count && share_ppn_valid(vm, run->ppn) && run->count <= vm->end.n - run->ppn.n &&
           run->mpn.n < SHARE_MPN_END && run->count <= SHARE_MPN_END - run->mpn.n;
}

static int by_begin(const void *a, const void *b)
{
    const struct span *left = a, *right = b;
    return left->begin < right->begin ? -1 : left->begin > right->begin;
}

/* Puts spans together that touch, and gives each its place. */
static void join_spans(struct adoption *adoption)
{
    size_t kept = 0;
    qsort(adoption->span, adoption->spans, sizeof *adoption->span, by_begin);
    for (size_t i = 0; i < adoption->spans; i++) {
        struct span *last = kept ? &adoption->span[kept - 1] : NULL;
        if (!last || adoption->span[i].begin > last->end)
            adoption->span[kept++] = adoption->span[i];
        else if (adoption->span[i].end > last->end)
            last->end = adoption->span[i].end;
    }
    adoption->spans = kept;
    for (size_t i = 0; i < kept; i++) {
        adoption->span[i].place = adoption->places;
        adoption->places += adoption->span[i].end - adoption->span[i].begin;
    }
}

static uint64_t place_of(const struct adoption *adoption, share_mpn mpn)
{
    size_t low = 0, high = adoption->spans;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (adoption->span[middle].begin <= mpn.n)
            low = middle;
        else
            high = middle;
    }
    return adoption->span[low].place + (mpn.n - adoption->span[low].begin);
}

static void *need(struct adoption *adoption, uint64_t count, size_t nbytes)
{
    return share_mem_new(&adoption->share->mem, (size_t)(count ? count : 1) * nbytes,
                         SHARE_LINE_NBYTES);
}

static void give_up(struct adoption *adoption, void *memory, uint64_t count, size_t nbytes)
{
    share_mem_free(&adoption->share->mem, memory, (size_t)(count ? count : 1) * nbytes);
}

static enum share_result find_spans(struct adoption *adoption)
{
    adoption->span = need(adoption, adoption->runs_count, sizeof *adoption->span);
    if (!adoption->span)
        return SHARE_NOMEM;
    for (size_t i = 0; i < adoption->runs_count; i++) {
        const struct share_adopt_run *run = &adoption->runs[i];
        if (!is_in_range(adoption, run) || run->count > SHARE_FRAMES_MAX - adoption->pages)
            return SHARE_INVALID;
        adoption->pages += run->count;
        adoption->span[adoption->spans++] = (struct span){run->mpn.n, run->mpn.n + run->count, 0};
    }
    join_spans(adoption);
    adoption->frame = need(adoption, adoption->places, sizeof *adoption->frame);
    adoption->refs = need(adoption, adoption->places, sizeof *adoption->refs);
    adoption->code = need(adoption, adoption->pages / 8 + 1, 1);
    return adoption->frame && adoption->refs && adoption->code ? SHARE_OK : SHARE_NOMEM;
}

/* ------------------------------------------------------------------------------ stretches -- */

/* Pages of a run that lie in one chunk. */
struct stretch {
    share_ppn ppn; /* of the first one, as the next three */
    share_mpn mpn;
    uint64_t page; /* in the order of the runs */
    uint64_t place;
    uint32_t count;
};

/* The pages of all runs, one stretch after the other. */
struct walk {
    const struct adoption *adoption;
    size_t run;
    uint64_t at;   /* in that run: where the next stretch begins */
    uint64_t page; /* so far */
};

static bool next_stretch(struct walk *walk, struct stretch *stretch)
{
    const struct adoption *adoption = walk->adoption;
    if (walk->run == adoption->runs_count)
        return false;
    const struct share_adopt_run *run = &adoption->runs[walk->run];
    share_ppn ppn = {run->ppn.n + walk->at};
    share_mpn mpn = {run->mpn.n + walk->at};
    uint64_t left = run->count - walk->at, in_chunk = SHARE_CHUNK_PAGES - ppn.n % SHARE_CHUNK_PAGES;
    uint32_t count = (uint32_t)(left < in_chunk ? left : in_chunk);
    *stretch = (struct stretch){ppn, mpn, walk->page, place_of(adoption, mpn), count};
    walk->page += count;
    walk->at += count;
    if (walk->at == run->count) {
        walk->at = 0;
        walk->run++;
    }
    return true;
}

/* The first page of a stretch that has been claimed: its chunk is there. */
static struct share_page_ref claimed(const struct adoption *adoption, const struct stretch *stretch)
{
    struct share_page_ref page = {0};
    bool found = share_page_find(&adoption->share->pages, &adoption->vm->tree, stretch->ppn, &page);
    share_assert(found);
    (void)found;
    return page;
}

static struct share_page_ref page_of(struct share_page_ref first, uint32_t i)
{
    return (struct share_page_ref){first.word + i, first.id + i};
}

static enum share_result claim(struct share *share, struct share_page_ref page)
{
    uint32_t word = atomic_load(page.word);
    if (share_word_on_frame(word) || share_word_state(word) == SHARE_WORD_MOVING)
        return SHARE_INVALID;
    if (share_word_state(word) == SHARE_WORD_OWNED || share_word_state(word) == SHARE_WORD_BROKEN ||
        !share_word_swap(&page, &word, share_word(SHARE_WORD_MOVING, 0)))
        return SHARE_RETRY;
    if (share_word_state(word) == SHARE_WORD_HINTED)
        share_hint_drop(share, word, page.id);
    if (share_word_is_alias(word))
        share_alias_drop(&share->aliases, word);
    return SHARE_OK;
}

/* Gives the first `count` pages back. */
static void release_pages(struct adoption *adoption, uint64_t count)
{
    struct walk walk = {.adoption = adoption};
    struct stretch at;
    while (walk.page < count && next_stretch(&walk, &at)) {
        struct share_page_ref first = claimed(adoption, &at);
        for (uint32_t i = 0; i < at.count && at.page + i < count; i++) {
            struct share_page_ref page = page_of(first, i);
            share_word_set(&page, share_word_none(0));
        }
    }
}

/* *claimed_pages: how many were. */
static enum share_result claim_stretch(struct adoption *adoption, const struct stretch *stretch,
                                       uint32_t *claimed_pages)
{
    struct share *share = adoption->share;
    struct share_page_ref first;
    *claimed_pages = 0;
    if (!share_page_prepare(&share->pages, &adoption->vm->tree, adoption->vm->number, stretch->ppn,
                            &first))
        return SHARE_NOMEM;
    for (uint32_t i = 0; i < stretch->count; i++) {
        enum share_result result = claim(share, page_of(first, i));
        if (result != SHARE_OK)
            return result;
        *claimed_pages = i + 1;
    }
    return SHARE_OK;
}

static enum share_result claim_pages(struct adoption *adoption)
{
    struct walk walk = {.adoption = adoption};
    struct stretch at;
    while (next_stretch(&walk, &at)) {
        uint32_t count;
        enum share_result result = claim_stretch(adoption, &at, &count);
        if (result != SHARE_OK) {
            release_pages(adoption, at.page + count);
            return result;
        }
    }
    return SHARE_OK;
}

/* --------------------------------------------------------------------------------- frames -- */

/* The chunk of the last page that was looked for: pages of a run are neighbours. */
struct near_page {
    struct share_page_ref page; /* word NULL: none yet */
    uint64_t index;
};

/* False: nothing is known of that page. */
static bool find_near(const struct share *share, const struct share_vm_object *vm, share_ppn ppn,
                      struct near_page *near)
{
    if (!near->page.word || ppn.n >> SHARE_CHUNK_BITS != near->index) {
        if (!share_page_find(&share->pages, &vm->tree, ppn, &near->page)) {
            near->page.word = NULL;
            return false;
        }
        near->index = ppn.n >> SHARE_CHUNK_BITS;
    }
    near->page = share_page_beside(near->page, ppn.n & (SHARE_CHUNK_PAGES - 1));
    return true;
}

/* The frame that a page of a VM is on, if its machine page is this, with a reference; 0: no. */
static share_frame join_page(struct share *share, const struct share_vm_object *vm, share_ppn ppn,
                             share_mpn mpn, struct near_page *near)
{
    if (!share_ppn_valid(vm, ppn) || !find_near(share, vm, ppn, near))
        return 0;
    uint32_t word;
    share_frame frame = share_page_get_frame(share, &near->page, &word);
    if (frame && share_frame_view(&share->frames, frame).mpn.n != mpn.n) {
        share_frame_leave(share, frame);
        frame = 0;
    }
    return frame;
}

/* Drops the references that were taken on frames of others. */
static void leave_frames(struct adoption *adoption)
{
    for (uint64_t place = 0; place < adoption->places; place++)
        for (uint32_t i = 0; adoption->frame[place] && i < adoption->refs[place]; i++)
            share_frame_leave(adoption->share, adoption->frame[place]);
}

/* Counts one page more at its place; `found`: a frame with a reference for it, or 0. */
static bool count_page(struct adoption *adoption, uint64_t place, share_frame found)
{
    share_frame *frame = &adoption->frame[place];
    uint32_t *refs = &adoption->refs[place];
    bool fits = *refs == 0 || *frame == found || !found;
    if (!fits) {
        share_frame_leave(adoption->share, found);
        return false;
    }
    if (*refs == 0)
        *frame = found;
    else if (*frame && !found && !share_frame_get(&adoption->share->frames, *frame))
        return false;
    (*refs)++;
    return true;
}

/* The pages of a run that joins pages of a VM; `with` NULL: that does not join. */
static bool count_run(struct adoption *adoption, const struct share_adopt_run *run,
                      const struct share_vm_object *with)
{
    struct near_page near = {.index = 0};
    uint64_t place = place_of(adoption, run->mpn); /* and of the others behind it: one span */
    for (uint64_t i = 0; i < run->count; i++) {
        share_frame found = 0;
        if (with) {
            found = join_page(adoption->share, with, (share_ppn){run->with_ppn.n + i},
                              (share_mpn){run->mpn.n + i}, &near);
            if (!found)
                return false;
        }
        if (!count_page(adoption, place + i, found))
            return false;
    }
    return true;
}

static bool count_joining_run(struct adoption *adoption, const struct share_adopt_run *run)
{
    struct share_vm_object *with = share_vm_enter(adoption->share, run->with_vm);
    bool same_group = with && atomic_load(&with->group) == atomic_load(&adoption->vm->group);
    bool ok = same_group && count_run(adoption, run, with);
    if (with)
        share_vm_leave(with);
    return ok;
}

/* Runs that join come first, so that others of the call find their frames. */
static enum share_result count_pages(struct adoption *adoption)
{
    for (unsigned turn = 0; turn < 2; turn++)
        for (size_t i = 0; i < adoption->runs_count; i++) {
            const struct share_adopt_run *run = &adoption->runs[i];
            if (run->joins != (turn == 0))
                continue;
            if (!(run->joins ? count_joining_run(adoption, run) : count_run(adoption, run, NULL)))
                return SHARE_INVALID;
        }
    return SHARE_OK;
}

/* -------------------------------------------------------------------------------- protect -- */

/* The first `count` pages are protected no more. */
static void unprotect_pages(struct adoption *adoption, uint64_t count)
{
    struct walk walk = {.adoption = adoption};
    struct stretch at;
    while (walk.page < count && next_stretch(&walk, &at))
        for (uint32_t i = 0; i < at.count && at.page + i < count; i++)
            share_unprotect(adoption->share, adoption->vm, (share_ppn){at.ppn.n + i},
                            (share_mpn){at.mpn.n + i});
}

/* Takes the answers for pages from the `first` on. */
static enum share_result take_answers(struct adoption *adoption, const struct share_protect *pages,
                                      uint64_t first, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        enum share_result result = share_result_of_protect(pages[i].answer);
        if (result != SHARE_OK)
            return result;
        if (pages[i].answer == SHARE_ANSWER_READONLY)
            adoption->code[(first + i) / 8] |= (uint8_t)(1u << (first + i) % 8);
    }
    return SHARE_OK;
}

static enum share_result protect_pages(struct adoption *adoption)
{
    struct share *share = adoption->share;
    struct walk walk = {.adoption = adoption};
    struct stretch at;
    enum share_result result = SHARE_OK;
    while (result == SHARE_OK && walk.page < adoption->pages) {
        struct share_protect pages[PROTECT_PAGES];
        uint64_t first = walk.page;
        size_t count = 0;
        while (count + SHARE_CHUNK_PAGES <= PROTECT_PAGES && next_stretch(&walk, &at))
            for (uint32_t i = 0; i < at.count; i++)
                pages[count++] = (struct share_protect){.vm = share_ref_of(adoption->vm),
                                                        .ppn = {at.ppn.n + i},
                                                        .mpn = {at.mpn.n + i},
                                                        .answer = SHARE_ANSWER_FAIL};
        share_step(SHARE_STEP_PROTECT);
        share->ops.protect(share->ops_ctx, pages, count);
        result = take_answers(adoption, pages, first, count);
    }
    if (result != SHARE_OK)
        unprotect_pages(adoption, walk.page);
    return result;
}

/* ----------------------------------------------------------------------------------- make -- */

/* A frame for each place of a span without one, up to PROTECT_PAGES of them, from *mpn on; how
 * many.
 */
static uint32_t plan_frames(const struct adoption *adoption, const struct span *span, uint64_t *mpn,
                            struct share_frame_plan *plans)
{
    uint32_t count = 0;
    for (; *mpn < span->end && count < PROTECT_PAGES; ++*mpn) {
        uint64_t place = span->place + (*mpn - span->begin);
        if (!adoption->frame[place])
            plans[count++] = (struct share_frame_plan){0, {*mpn}, adoption->refs[place]};
    }
    return count;
}

/* All are reserved. */
static void make_frames(struct adoption *adoption)
{
    struct share_frames *frames = &adoption->share->frames;
    share_group group = atomic_load(&adoption->vm->group);
    unsigned flags =
        SHARE_FRAME_OUTSIDE | (adoption->flags & SHARE_ADOPT_KEEP ? SHARE_FRAME_KEEP : 0);
    share_frame taken[PROTECT_PAGES];
    struct share_frame_plan plans[PROTECT_PAGES];
    for (const struct span *span = adoption->span; span < adoption->span + adoption->spans; span++)
        for (uint64_t mpn = span->begin; mpn < span->end;) {
            uint32_t count = plan_frames(adoption, span, &mpn, plans);
            share_pool_take_some(&frames->pool, taken, count);
            for (uint32_t i = 0; i < count; i++) {
                plans[i].frame = taken[i];
                adoption->frame[span->place + (plans[i].mpn.n - span->begin)] = taken[i];
            }
            share_frames_make(frames, plans, count, group, flags);
        }
}

static bool is_code(const struct adoption *adoption, uint64_t page)
{
    return adoption->code[page / 8] >> page % 8 & 1;
}

/* Before they can be broken. */
static void count_framed(struct adoption *adoption)
{
    uint64_t code_pages = 0;
    for (uint64_t page = 0; page < adoption->pages; page++)
        code_pages += is_code(adoption, page);
    share_count(&adoption->vm->counts.framed_pages, adoption->pages);
    share_count(&adoption->vm->counts.code_pages, code_pages);
}

static void tell_adopted(const struct adoption *adoption, const struct stretch *at, uint32_t i)
{
    share_tell(adoption->share, &(struct share_event){.struct_size = sizeof(struct share_event),
                                                      .kind = SHARE_EVENT_ADOPT,
                                                      .vm = adoption->vm->number,
                                                      .ppn = {at->ppn.n + i},
                                                      .mpn = {at->mpn.n + i},
                                                      .frame = adoption->frame[at->place + i]});
}

static void put_on_frames(struct adoption *adoption)
{
    struct walk walk = {.adoption = adoption};
    struct stretch at;
    bool told = adoption->share->observer.event;
    while (next_stretch(&walk, &at)) {
        struct share_page_ref first = claimed(adoption, &at);
        for (uint32_t i = 0; i < at.count; i++) {
            struct share_page_ref page = page_of(first, i);
            enum share_word_state state =
                is_code(adoption, at.page + i) ? SHARE_WORD_CODE : SHARE_WORD_SHARED;
            if (told)
                tell_adopted(adoption, &at, i);
            share_step(SHARE_STEP_RELEASE);
            share_word_set(&page, share_word(state, adoption->frame[at.place + i]));
        }
    }
}

/* With all pages claimed. */
static enum share_result adopt_claimed(struct adoption *adoption)
{
    struct share_pool *frames = &adoption->share->frames.pool;
    enum share_result result = count_pages(adoption);
    uint32_t fresh = 0;
    for (uint64_t place = 0; place < adoption->places; place++)
        fresh += !adoption->frame[place];
    if (result == SHARE_OK && !share_pool_reserve(frames, fresh))
        result = SHARE_NOMEM;
    else if (result == SHARE_OK && (result = protect_pages(adoption)) != SHARE_OK)
        share_pool_unreserve(frames, fresh);
    if (result != SHARE_OK) {
        leave_frames(adoption);
        release_pages(adoption, adoption->pages);
        return result;
    }
    make_frames(adoption);
    count_framed(adoption);
    put_on_frames(adoption);
    return SHARE_OK;
}

static enum share_result adopt(struct adoption *adoption)
{
    enum share_result result = find_spans(adoption);
    if (result == SHARE_OK)
        result = claim_pages(adoption);
    if (result == SHARE_OK)
        result = adopt_claimed(adoption);
    give_up(adoption, adoption->span, adoption->runs_count, sizeof *adoption->span);
    give_up(adoption, adoption->frame, adoption->places, sizeof *adoption->frame);
    give_up(adoption, adoption->refs, adoption->places, sizeof *adoption->refs);
    give_up(adoption, adoption->code, adoption->pages / 8 + 1, 1);
    return result;
}

enum share_result share_adopt(struct share *share, share_vm number,
                              const struct share_adopt_run *runs, size_t count, uint32_t flags)
{
    if (share->immutable || flags & ~(uint32_t)SHARE_ADOPT_KEEP)
        return SHARE_INVALID;
    share_gate_enter(share);
    struct share_vm_object *vm = share_vm_enter(share, number);
    enum share_result result = SHARE_GONE;
    if (vm) {
        struct adoption adoption = {
            .share = share, .vm = vm, .runs = runs, .runs_count = count, .flags = flags};
        result = SHARE_RETRY;
        if (share_offers_enter(vm)) {
            share_transit_begin(&share->transit);
            result = adopt(&adoption);
            share_transit_end(&share->transit);
            share_offers_leave(vm);
        }
        share_vm_leave(vm);
    }
    share_gate_leave(share);
    return result;
}
