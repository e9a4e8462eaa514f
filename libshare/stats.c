/* SPDX-License-Identifier: MIT */
/* What the engine counts, a VM at a time and in all, and what it knows of one page. */
#include "enter.h"
#include "sized.h"
#include <string.h>

/* Counters change one after the other: beside other threads one may be ahead of the next. A gauge
 * that would be below nothing is nothing. */
static uint64_t gauge(uint64_t more, uint64_t less)
{
    return more > less ? more - less : 0;
}

/* Of one that goes down before it goes up: what it says is below nothing for a moment. */
static uint64_t gauge_of(const _Atomic uint64_t *counter)
{
    uint64_t value = atomic_load(counter);
    return value > INT64_MAX ? 0 : value;
}

static void add_counts(struct share_stats *stats, const struct share_counts *counts)
{
    for (unsigned o = 0; o < SHARE_OUTCOMES; o++) {
        uint64_t pages = atomic_load(&counts->outcomes[o]);
        stats->outcomes[o] += pages;
        stats->offered_pages += pages;
    }
    stats->breaks_copied += atomic_load(&counts->breaks_copied);
    stats->breaks_last += atomic_load(&counts->breaks_last);
    stats->breaks_abandoned += atomic_load(&counts->breaks_abandoned);
    stats->breaks_retried += atomic_load(&counts->breaks_retried);
    stats->forgets += atomic_load(&counts->forgets);
    stats->framed_pages += gauge_of(&counts->framed_pages);
    stats->code_pages += gauge_of(&counts->code_pages);
    stats->dirty_pages += gauge_of(&counts->dirty_pages);
}

static void collect_stats(struct share *share, struct share_stats *stats)
{
    memset(stats, 0, sizeof *stats);
    add_counts(stats, &share->gone);
    for (share_vm i = 0; i < share_vm_end(share); i++) {
        struct share_vm_object *vm = share_vm_at(share, i);
        if (atomic_load(&vm->state) == SHARE_VM_FREE)
            continue;
        add_counts(stats, &vm->counts);
        stats->vms++;
    }
    stats->frames = share_pool_taken(&share->frames.pool);
    stats->frame_end = share_pool_end(&share->frames.pool);
    stats->shared_pages = gauge(stats->framed_pages, gauge_of(&share->frames.single));
    stats->reclaimed_pages = gauge(stats->framed_pages, stats->frames);
    uint64_t elsewhere = gauge_of(&share->frames.zero) + gauge_of(&share->frames.outside);
    uint64_t in_table = gauge(stats->frames, elsewhere);
    stats->hints = gauge(share_table_entries(&share->table), in_table);
    stats->op_errors = atomic_load(&share->op_errors);
    stats->hints_left_out = atomic_load(&share->hints_left_out) + share_table_strays(&share->table);
    share_lock_take(&share->scanner.lock);
    stats->passes = share->scanner.passes;
    share_lock_drop(&share->scanner.lock);
    stats->metadata_bytes = atomic_load(&share->mem.bytes);
    stats->metadata_peak_bytes = atomic_load(&share->mem.peak_bytes);
    struct share_table_moves moves = share_table_moves(&share->table);
    stats->buckets_moved = moves.buckets;
    stats->buckets_moved_max = moves.max;
}

void share_stats_sized(struct share *share, struct share_stats *stats, size_t stats_nbytes)
{
    struct share_stats now;
    collect_stats(share, &now);
    share_hand_over(stats, stats_nbytes, &now, sizeof now);
}

enum share_result share_vm_stats_sized(struct share *share, share_vm number,
                                       struct share_stats *stats, size_t stats_nbytes)
{
    struct share_stats now = {.offered_pages = 0};
    struct share_vm_object *vm = share_vm_enter(share, number);
    if (vm) {
        add_counts(&now, &vm->counts);
        share_vm_leave(vm);
    }
    share_hand_over(stats, stats_nbytes, &now, sizeof now);
    return vm ? SHARE_OK : SHARE_GONE;
}

static enum share_page_state public_state(uint32_t word)
{
    switch (share_word_state(word)) {
    case SHARE_WORD_NONE:
        return SHARE_PAGE_PRIVATE;
    case SHARE_WORD_HINTED:
        return SHARE_PAGE_HINTED;
    case SHARE_WORD_NO_MATCH: /* or on probation */
        return share_word_pace(word) && !share_word_is_alias(word) ? SHARE_PAGE_PRIVATE
                                                                   : SHARE_PAGE_NO_MATCH;
    case SHARE_WORD_MOVING:
        return SHARE_PAGE_MOVING;
    case SHARE_WORD_SHARED:
    case SHARE_WORD_CODE:
        return SHARE_PAGE_SHARED;
    default:
        return SHARE_PAGE_MERGING;
    }
}

/* Of a page on a frame; false if it has left it. Frames go with the pool's lock held, and a page's
 * word no longer names its frame by then: with the lock and the word, the frame is there. */
static bool describe_frame(struct share *share, const _Atomic uint32_t *page,
                           struct share_page_info *info)
{
    share_lock_take(&share->frames.pool.lock);
    uint32_t word = atomic_load(page);
    bool framed = share_word_on_frame(word);
    if (framed) {
        struct share_frame_view view = share_frame_view(&share->frames, share_word_frame(word));
        info->state = SHARE_PAGE_SHARED;
        info->frame = share_word_frame(word);
        info->mpn = view.mpn;
        info->refs = view.refs;
        info->zero = view.zero;
        info->code = share_word_state(word) == SHARE_WORD_CODE;
    }
    share_lock_drop(&share->frames.pool.lock);
    return framed;
}

static void describe(struct share *share, const _Atomic uint32_t *page,
                     struct share_page_info *info)
{
    uint32_t word = atomic_load(page);
    while (share_word_on_frame(word) && !describe_frame(share, page, info))
        word = atomic_load(page);
    if (!share_word_on_frame(word))
        info->state = public_state(word);
    if (info->state == SHARE_PAGE_PRIVATE || info->state == SHARE_PAGE_HINTED) {
        info->backoff = share_pace_log2(share_word_pace(word));
        info->hash_top = (uint32_t)(share_word_hash(word) >> (64 - SHARE_HINT_HASH_BITS));
    }
}

enum share_result share_page_info_sized(struct share *share, share_vm number, share_ppn first,
                                        size_t count, struct share_page_info *infos,
                                        size_t info_nbytes)
{
    memset(infos, 0, count * info_nbytes);
    share_gate_enter(share); /* share_vm_resize takes chunks away */
    struct share_vm_object *vm = share_vm_enter(share, number);
    bool valid = vm && count && share_ppn_valid(vm, first) && count <= vm->end.n - first.n;
    struct share_page_ref page = {0};
    bool found = false;
    for (size_t i = 0; valid && i < count; i++) {
        share_ppn ppn = {first.n + i};
        uint32_t slot = ppn.n & (SHARE_CHUNK_PAGES - 1);
        if (i == 0 || slot == 0) /* a chunk is found once */
            found = share_page_find(&share->pages, &vm->tree, ppn, &page);
        if (!found)
            continue;
        struct share_page_info info = {.frame = 0};
        describe(share, share_page_beside(page, slot).word, &info);
        share_hand_over((char *)infos + i * info_nbytes, info_nbytes, &info, sizeof info);
    }
    if (vm)
        share_vm_leave(vm);
    share_gate_leave(share);
    return valid ? SHARE_OK : vm ? SHARE_INVALID : SHARE_GONE;
}

static void add_usage(struct share_vm_usage *usage, const struct share_page_info *info)
{
    if (info->state != SHARE_PAGE_SHARED || !info->refs)
        return;
    usage->charge_pages += 1.0 / info->refs;
    usage->single_pages += info->refs == 1;
    if (info->refs > 1) {
        usage->shared_pages++;
        usage->code_pages += info->code;
        usage->zero_pages += info->zero;
    }
}

enum share_result share_vm_usage_sized(struct share *share, share_vm number,
                                       struct share_vm_usage *usage, size_t usage_nbytes)
{
    struct share_vm_usage now = {.charge_pages = 0};
    share_gate_enter(share);
    struct share_vm_object *vm = share_vm_enter(share, number);
    uint32_t chunk;
    for (uint64_t index = 0; vm && share_chunk_next(&share->pages, &vm->tree, &index, &chunk);
         index++)
        for (uint32_t slot = 0; slot < SHARE_CHUNK_PAGES; slot++) {
            struct share_page_ref page =
                share_page_at(&share->pages, chunk << SHARE_CHUNK_BITS | slot);
            struct share_page_info info = {0};
            describe(share, page.word, &info);
            add_usage(&now, &info);
        }
    if (vm)
        share_vm_leave(vm);
    share_gate_leave(share);
    share_hand_over(usage, usage_nbytes, &now, sizeof now);
    return vm ? SHARE_OK : SHARE_GONE;
}
