/* SPDX-License-Identifier: MIT */
/*
 * share_check: the whole engine against its invariants.
 *
 * With the gate closed nothing is in flight, so each page's word is in a resting state, each hint
 * in the table belongs to exactly one hinted page and the other way round, each frame's count is
 * the number of pages that name it, and every gauge is a sum that can be taken again.
 */
#include "enter.h"
#include "ops.h"
#include "sized.h"

struct audit {
    struct share *share;
    struct share_check_report *report;
    uint32_t *refs; /* by frame: pages that name it */
    uint8_t *seen;  /* by frame: entries or groups that name it */
    size_t frames_end;
    uint64_t hinted_pages, hint_entries, framed_pages, code_pages, dirty_pages, frames_found;
    uint64_t known_pages;          /* of which the engine knows anything */
    uint64_t *mapped, mapped_room; /* MPNs, each with MAPPED; a power of two of places */
};

#define MAPPED (UINT64_C(1) << 63)

static bool fail(struct audit *audit, const char *reason, share_vm vm, share_ppn ppn)
{
    *audit->report = (struct share_check_report){reason, vm, ppn};
    return false;
}

static bool fail_all(struct audit *audit, const char *reason)
{
    return fail(audit, reason, 0, (share_ppn){0});
}

/* ---------------------------------------------------------------------------------- pages -- */

static bool check_framed(struct audit *audit, const struct share_vm_object *vm, uint32_t word,
                         share_ppn ppn)
{
    struct share *share = audit->share;
    share_frame frame = share_word_frame(word);
    share_mpn mpn;
    if (!frame || frame >= audit->frames_end || !share_pool_slab(&share->frames.pool, frame))
        return fail(audit, "a page names a frame that never was", vm->number, ppn);
    struct share_frame_view view = share_frame_view(&share->frames, frame);
    if (view.group != atomic_load(&vm->group))
        return fail(audit, "a page is on a frame of another group", vm->number, ppn);
    enum share_resolved resolved = share_resolve(share, vm, ppn, &mpn);
    if (resolved == SHARE_OUT_OF_RANGE)
        return fail(audit, "a shared page's MPN is out of range", vm->number, ppn);
    /* Absent: unmapped, and share_forget comes next, as it must. */
    if (!share->immutable && resolved == SHARE_PRESENT && mpn.n != view.mpn.n)
        return fail(audit, "a shared page does not map its frame", vm->number, ppn);
    audit->refs[frame]++;
    audit->framed_pages++;
    audit->code_pages += share_word_state(word) == SHARE_WORD_CODE;
    return true;
}

static bool check_hinted(struct audit *audit, const struct share_vm_object *vm,
                         const struct share_page_ref *page, uint32_t word)
{
    struct share_table *table = &audit->share->table;
    struct share_hit own = {SHARE_KIND_HINT, page->id};
    audit->hinted_pages++;
    if (!share_table_holds(table, share_word_hash(word), SHARE_HINT_HASH_BITS, own))
        return fail(audit, "a hinted page has no hint", vm->number, share_page_ppn(page));
    return true;
}

static bool check_page(struct audit *audit, const struct share_vm_object *vm,
                       const struct share_page_ref *page)
{
    uint32_t word = atomic_load(page->word);
    share_ppn ppn = share_page_ppn(page);
    switch (share_word_state(word)) {
    case SHARE_WORD_NONE:
    case SHARE_WORD_NO_MATCH:
        break;
    case SHARE_WORD_HINTED:
        if (!check_hinted(audit, vm, page, word))
            return false;
        break;
    case SHARE_WORD_SHARED:
    case SHARE_WORD_CODE:
        if (!check_framed(audit, vm, word, ppn))
            return false;
        break;
    default:
        return fail(audit, "a page is owned though no call runs", vm->number, ppn);
    }
    audit->known_pages += word != 0;
    if (!share_word_is_valid(word))
        return fail(audit, "a page's word is none that there is", vm->number, ppn);
    if (word && !share_ppn_valid(vm, ppn))
        return fail(audit, "a page outside its VM is known", vm->number, ppn);
    return true;
}

static bool check_vm(struct audit *audit, struct share_vm_object *vm)
{
    struct share_pages *pages = &audit->share->pages;
    uint64_t framed = audit->framed_pages, code = audit->code_pages, dirty = 0;
    uint32_t number;
    for (uint64_t index = 0; share_chunk_next(pages, &vm->tree, &index, &number); index++) {
        struct share_chunk *chunk = share_pool_at(&pages->chunks, number);
        share_ppn first = {index * SHARE_CHUNK_PAGES};
        struct share_page_ref found;
        if (atomic_load(&chunk->vm) != vm->number)
            return fail(audit, "a chunk is of another VM", vm->number, first);
        if (!share_page_find(pages, &vm->tree, first, &found) || share_page_chunk(&found) != chunk)
            return fail(audit, "a chunk is not found where it stands", vm->number, first);
        for (uint32_t slot = 0; slot < SHARE_CHUNK_PAGES; slot++) {
            struct share_page_ref page = share_page_at(pages, number << SHARE_CHUNK_BITS | slot);
            if (!check_page(audit, vm, &page))
                return false;
        }
        for (unsigned i = 0; i < SHARE_MARK_WORDS; i++)
            dirty += (unsigned)__builtin_popcount(atomic_load(&chunk->dirty[i]));
    }
    if (audit->framed_pages - framed != atomic_load(&vm->counts.framed_pages))
        return fail(audit, "a VM's count of pages on frames is wrong", vm->number, (share_ppn){0});
    if (audit->code_pages - code != atomic_load(&vm->counts.code_pages))
        return fail(audit, "a VM's count of code pages is wrong", vm->number, (share_ppn){0});
    if (dirty != atomic_load(&vm->counts.dirty_pages))
        return fail(audit, "a VM's count of dirty pages is wrong", vm->number, (share_ppn){0});
    audit->dirty_pages += dirty;
    return true;
}

static bool check_vms(struct audit *audit)
{
    for (share_vm i = 0; i < share_vm_end(audit->share); i++) {
        struct share_vm_object *vm = share_vm_at(audit->share, i);
        if (atomic_load(&vm->state) == SHARE_VM_LIVE && !check_vm(audit, vm))
            return false;
    }
    return true;
}

/* -------------------------------------------------------------------------------- aliases -- */

/* False: somebody has noted this MPN already. */
static bool note_mapped(struct audit *audit, share_mpn mpn)
{
    uint64_t mask = audit->mapped_room - 1;
    uint64_t at = mpn.n * UINT64_C(0x9e3779b97f4a7c15) >> 20 & mask;
    for (; audit->mapped[at]; at = (at + 1) & mask)
        if (audit->mapped[at] == (mpn.n | MAPPED))
            return false;
    audit->mapped[at] = mpn.n | MAPPED;
    return true;
}

static bool check_page_for_aliases(struct audit *audit, const struct share_vm_object *vm,
                                   const struct share_page_ref *page)
{
    uint32_t word = atomic_load(page->word);
    share_mpn mpn;
    if (!word || share_word_on_frame(word) ||
        share_resolve(audit->share, vm, share_page_ppn(page), &mpn) != SHARE_PRESENT)
        return true;
    return note_mapped(audit, mpn) ||
           fail(audit, "a page maps what another one maps, and nobody declared that", vm->number,
                share_page_ppn(page));
}

static bool check_vm_for_aliases(struct audit *audit, struct share_vm_object *vm)
{
    struct share_pages *pages = &audit->share->pages;
    uint32_t number;
    for (uint64_t index = 0; share_chunk_next(pages, &vm->tree, &index, &number); index++)
        for (uint32_t slot = 0; slot < SHARE_CHUNK_PAGES; slot++) {
            struct share_page_ref page = share_page_at(pages, number << SHARE_CHUNK_BITS | slot);
            if (!check_page_for_aliases(audit, vm, &page))
                return false;
        }
    return true;
}

/* Of the pages that are known: those on frames map their frame, and of the others each maps what no
 * frame and no other page does. Where pages cannot change it does not matter. */
static bool check_aliases(struct audit *audit)
{
    struct share *share = audit->share;
    for (share_frame frame = 1; frame < audit->frames_end; frame++)
        if (audit->refs[frame] && !note_mapped(audit, share_frame_view(&share->frames, frame).mpn))
            return fail_all(audit, "two frames have one machine page");
    for (share_vm i = 0; i < share_vm_end(share); i++) {
        struct share_vm_object *vm = share_vm_at(share, i);
        if (atomic_load(&vm->state) == SHARE_VM_LIVE && !check_vm_for_aliases(audit, vm))
            return false;
    }
    return true;
}

/* ------------------------------------------------------------------------ table and frames -- */

/* A frame's content must hash to where the frame stands. */
static bool check_content(struct audit *audit, share_frame frame, uint64_t hash)
{
    struct share *share = audit->share;
    struct share_frame_view view = share_frame_view(&share->frames, frame);
    const void *bytes = share_peek(share, view.mpn);
    if (!bytes)
        return fail_all(audit, "a frame's machine page cannot be read");
    uint64_t now = share_hash_stable(&share_group_at(share, view.group)->secret, bytes);
    share_unpeek(share, view.mpn, bytes);
    if (!share_entry_hash_equal(now, hash))
        return fail_all(audit, "a shared page's content has changed");
    return true;
}

static bool check_entry(void *ctx, uint64_t hash, struct share_hit entry)
{
    struct audit *audit = ctx;
    struct share *share = audit->share;
    if (entry.kind == SHARE_KIND_HINT) {
        audit->hint_entries++;
        if (!share_pool_slab(&share->pages.chunks, entry.id >> SHARE_CHUNK_BITS))
            return fail_all(audit, "a hint stands for a page that nothing is known of");
        struct share_page_ref page = share_page_at(&share->pages, entry.id);
        uint32_t word = atomic_load(page.word);
        if (share_word_state(word) != SHARE_WORD_HINTED ||
            (share_word_hash(word) ^ hash) >> (64 - SHARE_HINT_HASH_BITS))
            return fail(audit, "a hint stands for a page that is not hinted so",
                        atomic_load(&share_page_chunk(&page)->vm), share_page_ppn(&page));
        return true;
    }
    if (entry.id >= audit->frames_end || !share_pool_slab(&share->frames.pool, entry.id) ||
        audit->seen[entry.id]++)
        return fail_all(audit, "a frame stands in the table twice, or never was");
    audit->frames_found++;
    return check_content(audit, entry.id, hash);
}

static bool check_zero_frames(struct audit *audit)
{
    struct share *share = audit->share;
    for (share_group group = 0; group < share_pool_end(&share->groups) - 1; group++) {
        struct share_group_object *object = share_group_at(share, group);
        share_frame frame = object->zero_frame;
        if (!atomic_load(&object->live) || !frame)
            continue;
        if (frame >= audit->frames_end || audit->seen[frame]++ ||
            !share_frame_view(&share->frames, frame).zero)
            return fail_all(audit, "a group's zero frame is none");
        audit->frames_found++;
        if (!check_content(audit, frame, object->secret.zero_hash))
            return false;
    }
    return true;
}

static bool check_frames(struct audit *audit)
{
    struct share *share = audit->share;
    uint64_t single = 0, outside = 0;
    for (share_frame frame = 1; frame < audit->frames_end; frame++) {
        if (!audit->refs[frame] && !audit->seen[frame])
            continue;
        struct share_frame_view view = share_frame_view(&share->frames, frame);
        bool stands = audit->refs[frame] && view.outside;
        outside += stands;
        audit->frames_found += stands;
        if (audit->seen[frame] && view.outside)
            return fail_all(audit, "a frame stands in the table, and says that it does not");
        if (audit->refs[frame] && !audit->seen[frame] && !stands)
            return fail_all(audit, "pages are on a frame that nothing leads to");
        if ((audit->seen[frame] || stands) && audit->refs[frame] != view.refs)
            return fail_all(audit, "a frame's reference count is wrong");
        if ((audit->seen[frame] || stands) && !share_frame_is_valid(&share->frames, frame))
            return fail_all(audit, "a frame has no references, or a number out of range");
        single += audit->refs[frame] == 1;
    }
    if (single != atomic_load(&share->frames.single))
        return fail_all(audit, "the count of frames with one reference is wrong");
    if (outside != atomic_load(&share->frames.outside))
        return fail_all(audit, "the count of frames outside the table is wrong");
    if (audit->frames_found != share_pool_taken(&share->frames.pool))
        return fail_all(audit, "the count of frames is wrong");
    return true;
}

static bool check_sums(struct audit *audit)
{
    struct share_stats stats;
    share_stats(audit->share, &stats);
    if (audit->hint_entries != audit->hinted_pages || stats.hints != audit->hint_entries)
        return fail_all(audit, "the count of hints is wrong");
    if (atomic_load(&audit->share->scanner.dirty_pages) != audit->dirty_pages)
        return fail_all(audit, "the count of dirty pages is wrong");
    if (stats.framed_pages != audit->framed_pages)
        return fail_all(audit, "the count of pages on frames is wrong");
    return true;
}

static bool check_pool(struct audit *audit, struct share_pool *pool)
{
    share_lock_take(&pool->lock);
    bool valid = share_pool_is_valid(pool);
    share_lock_drop(&pool->lock);
    return valid || fail_all(audit, "a pool's counts are wrong");
}

/* What the parts of the engine are made of, each by the invariants in its header. */
static bool check_parts(struct audit *audit)
{
    struct share *share = audit->share;
    if (!share_table_is_valid(&share->table))
        return fail_all(audit, "the table's counts or chains are wrong");
    return check_pool(audit, &share->pages.chunks) && check_pool(audit, &share->pages.nodes) &&
           check_pool(audit, &share->frames.pool) && check_pool(audit, &share->vms) &&
           check_pool(audit, &share->groups);
}

static bool check_all(struct audit *audit)
{
    return check_vms(audit) && share_table_walk(&audit->share->table, check_entry, audit) &&
           check_zero_frames(audit) && check_frames(audit) && check_sums(audit) &&
           check_parts(audit);
}

/* OK, FAIL or NOMEM. */
static enum share_result look_for_aliases(struct audit *audit)
{
    struct share_mem *mem = &audit->share->mem;
    if (audit->share->immutable)
        return SHARE_OK;
    for (audit->mapped_room = 64; audit->mapped_room < 2 * audit->known_pages;)
        audit->mapped_room *= 2;
    size_t nbytes = audit->mapped_room * sizeof *audit->mapped;
    audit->mapped = share_mem_new(mem, nbytes, SHARE_LINE_NBYTES);
    if (!audit->mapped)
        return SHARE_NOMEM;
    bool sound = check_aliases(audit);
    share_mem_free(mem, audit->mapped, nbytes);
    return sound ? SHARE_OK : SHARE_FAIL;
}

enum share_result share_check_sized(struct share *share, struct share_check_report *report,
                                    size_t report_nbytes)
{
    struct share_check_report found = {.reason = NULL};
    struct audit audit = {.share = share, .report = &found};
    enum share_result result = SHARE_NOMEM;
    share_gate_close(share);
    audit.frames_end = share_pool_end(&share->frames.pool);
    audit.refs =
        share_mem_new(&share->mem, audit.frames_end * sizeof *audit.refs, SHARE_LINE_NBYTES);
    audit.seen = share_mem_new(&share->mem, audit.frames_end, SHARE_LINE_NBYTES);
    if (audit.refs && audit.seen)
        result = check_all(&audit) ? look_for_aliases(&audit) : SHARE_FAIL;
    share_mem_free(&share->mem, audit.refs, audit.frames_end * sizeof *audit.refs);
    share_mem_free(&share->mem, audit.seen, audit.frames_end);
    share_gate_open(share);
    share_hand_over(report, report_nbytes, &found, sizeof found);
    return result;
}
