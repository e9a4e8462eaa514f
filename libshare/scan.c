/* SPDX-License-Identifier: MIT */
/*
 * The scanner: which pages to look at next, and whether sharing has settled.
 *
 * Several threads may scan. The cursor is read under the scan lock, pages are looked up without it
 * (next_present is an op), and the cursor is moved only if nobody moved it meanwhile. A pass ends
 * when the cursor has gone over all VMs and every batch of the pass is accounted.
 */
#include "offer.h"
#include <string.h>

#define BATCH_PAGES  512u /* most of a shared memory is skipped: enough for a run of the others */
#define RANDOM_PAGES 128u /* of them, if they are drawn: each is compared with all others */

struct batch {
    share_vm vm;
    size_t count, room;
    bool pass_ended; /* no pages: this pass is over */
    uint64_t pass;
    share_ppn ppns[BATCH_PAGES];
};

static bool next_present(struct share *share, share_vm vm, share_ppn from, share_ppn *found)
{
    return share->ops.next_present(share->ops_ctx, vm, from, found);
}

/* --------------------------------------------------------------------------------- passes -- */

/* Books a batch as under way. Scan lock held. */
static void start_batch(struct share_scanner *scanner, struct batch *batch)
{
    batch->pass = scanner->passes;
    scanner->inflight++;
}

/* Scan lock held, nothing in flight. */
static void end_pass(struct share_scanner *scanner)
{
    scanner->last = scanner->now;
    scanner->now = (struct share_pass){0};
    scanner->passes++;
    scanner->vm = 0;
    scanner->ppn = (share_ppn){0};
    scanner->version++;
}

static void account(struct share_scanner *scanner, const struct share_scan_report *batch)
{
    share_lock_take(&scanner->lock);
    scanner->now.looked += batch->looked_pages;
    scanner->now.merged += batch->merged_pages;
    scanner->now.changed += batch->changed_pages;
    scanner->inflight--;
    share_lock_drop(&scanner->lock);
}

/* ----------------------------------------------------------------------------- sequential -- */

/* Fills the batch with present pages of its VM from `from` on. */
static void collect(struct share *share, struct batch *batch, share_ppn from)
{
    struct share_vm_object *vm = share_vm_enter(share, batch->vm);
    batch->count = 0;
    if (!vm)
        return;
    if (from.n < vm->begin.n)
        from = vm->begin;
    while (batch->count < batch->room && from.n < vm->end.n) {
        share_ppn *found = &batch->ppns[batch->count];
        if (!next_present(share, batch->vm, from, found) || !share_ppn_valid(vm, *found))
            break;
        batch->count++;
        from.n = found->n + 1;
    }
    share_vm_leave(vm);
}

/* Moves the cursor past a batch found from `seen`; false if somebody else has moved it. */
static bool advance(struct share_scanner *scanner, uint32_t seen, struct batch *batch)
{
    share_lock_take(&scanner->lock);
    bool ours = scanner->version == seen && (batch->count || !scanner->inflight);
    if (ours && batch->count) {
        scanner->vm = batch->vm;
        scanner->ppn.n = batch->ppns[batch->count - 1].n + 1;
        scanner->version++;
        start_batch(scanner, batch);
    } else if (ours) {
        end_pass(scanner);
        batch->pass_ended = true;
    }
    share_lock_drop(&scanner->lock);
    return ours;
}

static void take_sequential(struct share *share, struct batch *batch)
{
    struct share_scanner *scanner = &share->scanner;
    for (;;) {
        share_lock_take(&scanner->lock);
        share_ppn from = scanner->ppn;
        batch->vm = scanner->vm;
        uint32_t seen = scanner->version;
        share_lock_drop(&scanner->lock);

        collect(share, batch, from);
        while (!batch->count && ++batch->vm < share_vm_end(share))
            collect(share, batch, (share_ppn){0});
        if (advance(scanner, seen, batch))
            return;
        share_pause(); /* others still work on the last pages of the pass, or were faster */
    }
}

/* --------------------------------------------------------------------------------- random -- */

/* SplitMix64 (G. Steele, D. Lea, C. Flood, OOPSLA 2014). Scan lock held. */
static uint64_t random_below(struct share_scanner *scanner, uint64_t bound)
{
    uint64_t z = scanner->random_state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (uint64_t)((unsigned __int128)(z ^ z >> 31) * bound >> 64);
}

/* Pages of PPN space of all live VMs; the VM in which page `at` of them lies in *vm. */
static uint64_t spans(struct share *share, uint64_t at, share_vm *vm)
{
    uint64_t total = 0;
    for (share_vm i = 0; i < share_vm_end(share); i++) {
        struct share_vm_object *object = share_vm_enter(share, i);
        if (!object)
            continue;
        uint64_t span = object->end.n - object->begin.n;
        if (at >= total && at < total + span)
            *vm = i;
        total += span;
        share_vm_leave(object);
    }
    return total;
}

static bool holds(const struct batch *batch, share_ppn ppn)
{
    for (size_t i = 0; i < batch->count; i++)
        if (batch->ppns[i].n == ppn.n)
            return true;
    return false;
}

/* Pages of batch->vm at or after each draw. */
static void collect_drawn(struct share *share, struct batch *batch, const uint64_t *draws)
{
    struct share_vm_object *vm = share_vm_enter(share, batch->vm);
    if (!vm)
        return;
    uint64_t span = vm->end.n - vm->begin.n;
    for (size_t i = 0; i < batch->room; i++) {
        share_ppn found, from = {vm->begin.n + draws[i] % span};
        if (!next_present(share, batch->vm, from, &found) &&
            !next_present(share, batch->vm, vm->begin, &found))
            break;
        if (share_ppn_valid(vm, found) && !holds(batch, found))
            batch->ppns[batch->count++] = found;
    }
    share_vm_leave(vm);
}

/* Random pages of a random VM, VMs weighted by size; of the next one if it has none. */
static void collect_random(struct share *share, struct batch *batch, uint64_t total)
{
    struct share_scanner *scanner = &share->scanner;
    uint64_t draws[RANDOM_PAGES + 1];
    share_lock_take(&scanner->lock);
    for (size_t i = 0; i <= RANDOM_PAGES; i++)
        draws[i] = random_below(scanner, i ? UINT64_MAX : total);
    share_lock_drop(&scanner->lock);

    spans(share, draws[RANDOM_PAGES] % total, &batch->vm);
    share_vm end = share_vm_end(share);
    for (share_vm tried = 0; tried < end && !batch->count; tried++) {
        if (tried)
            batch->vm = batch->vm + 1 < end ? batch->vm + 1 : 0;
        collect_drawn(share, batch, draws);
    }
}

static void take_random(struct share *share, struct batch *batch)
{
    struct share_scanner *scanner = &share->scanner;
    share_vm ignored = 0;
    uint64_t total = spans(share, UINT64_MAX, &ignored);
    if (batch->room > RANDOM_PAGES)
        batch->room = RANDOM_PAGES;
    if (total)
        collect_random(share, batch, total);
    for (;;) {
        share_lock_take(&scanner->lock);
        bool over = !batch->count || scanner->now.looked >= total;
        bool wait = over && scanner->inflight;
        if (over && !wait) {
            batch->count = 0;
            batch->pass_ended = true;
            end_pass(scanner);
        } else if (!over) {
            start_batch(scanner, batch);
        }
        share_lock_drop(&scanner->lock);
        if (!wait)
            return;
        share_pause();
    }
}

/* ---------------------------------------------------------------------------------- dirty -- */

static void count_dirty(struct share *share, struct share_vm_object *vm, uint64_t more)
{
    atomic_fetch_add(&vm->counts.dirty_pages, more);
    atomic_fetch_add(&share->scanner.dirty_pages, more);
}

void share_dirty_drop(struct share *share, struct share_vm_object *vm)
{
    count_dirty(share, vm, 0 - atomic_load(&vm->counts.dirty_pages));
}

/* Marks a page; false if memory for its chunk is refused. */
static bool mark(struct share *share, struct share_vm_object *vm, share_ppn ppn)
{
    struct share_page_ref page;
    if (!share_page_prepare(&share->pages, &vm->tree, vm->number, ppn, &page))
        return false;
    uint32_t slot = share_page_slot(&page), bit = UINT32_C(1) << slot % 32;
    if (!(atomic_fetch_or(&share_page_chunk(&page)->dirty[slot / 32], bit) & bit))
        count_dirty(share, vm, 1);
    return true;
}

/* The lowest `room` of the marks. */
static uint32_t lowest(uint32_t marks, size_t room)
{
    while ((unsigned)__builtin_popcount(marks) > room)
        marks &= ~(UINT32_C(1) << (31 - __builtin_clz(marks)));
    return marks;
}

/* Moves the marks of one chunk into the batch; false if the batch is full. */
static bool take_marks(struct share_chunk *chunk, struct batch *batch)
{
    for (uint32_t half = 0; half < SHARE_CHUNK_PAGES / 32; half++) {
        uint32_t marks = atomic_load(&chunk->dirty[half]);
        marks = lowest(marks, batch->room - batch->count);
        if (marks)
            marks &= atomic_fetch_and(&chunk->dirty[half], ~marks);
        for (; marks; marks &= marks - 1)
            batch->ppns[batch->count++] = (share_ppn){(uint64_t)chunk->index * SHARE_CHUNK_PAGES +
                                                      half * 32u + (unsigned)__builtin_ctz(marks)};
    }
    return batch->count < batch->room;
}

/* Dirty pages of one VM, going on from where the last search in it stopped. */
static void collect_dirty(struct share *share, struct share_vm_object *vm, struct batch *batch)
{
    uint64_t start = atomic_load(&vm->dirty_index), index = start;
    uint32_t chunk;
    bool room = true, wrapped = false;
    while (room && atomic_load(&vm->counts.dirty_pages) > batch->count) {
        if (!share_chunk_next(&share->pages, &vm->tree, &index, &chunk)) {
            if (wrapped)
                break;
            wrapped = true;
            index = 0;
            continue;
        }
        if (wrapped && index >= start)
            break;
        room = take_marks(share_pool_at(&share->pages.chunks, chunk), batch);
        index += room;
    }
    count_dirty(share, vm, 0 - (uint64_t)batch->count);
    atomic_store(&vm->dirty_index, index);
}

static void take_dirty(struct share *share, struct batch *batch)
{
    struct share_scanner *scanner = &share->scanner;
    share_vm end = share_vm_end(share);
    if (!atomic_load(&scanner->dirty_pages))
        return;
    share_lock_take(&scanner->lock);
    share_vm first = scanner->dirty_vm < end ? scanner->dirty_vm : 0;
    share_lock_drop(&scanner->lock);
    for (share_vm i = 0; i < end && !batch->count; i++) {
        batch->vm = first + i < end ? first + i : first + i - end;
        struct share_vm_object *vm = share_vm_enter(share, batch->vm);
        if (!vm)
            continue;
        if (atomic_load(&vm->counts.dirty_pages))
            collect_dirty(share, vm, batch);
        share_vm_leave(vm);
    }
    share_lock_take(&scanner->lock);
    scanner->dirty_vm = batch->vm;
    if (batch->count)
        start_batch(scanner, batch);
    share_lock_drop(&scanner->lock);
}

enum share_result share_dirty(struct share *share, share_vm number, const share_ppn *ppns,
                              size_t count)
{
    share_gate_enter(share);
    struct share_vm_object *vm = share_vm_enter(share, number);
    enum share_result result = vm ? SHARE_OK : SHARE_GONE;
    for (size_t i = 0; i < count && result == SHARE_OK; i++) {
        if (!share_ppn_valid(vm, ppns[i]))
            result = SHARE_INVALID;
        else if (!mark(share, vm, ppns[i]))
            result = SHARE_NOMEM;
    }
    if (vm)
        share_vm_leave(vm);
    share_gate_leave(share);
    return result;
}

/* Dirty pages that nobody could look at this time stay dirty; true if there are any. */
static bool mark_again(struct share *share, const struct batch *batch,
                       const enum share_outcome *outcomes)
{
    struct share_vm_object *vm = share_vm_enter(share, batch->vm);
    bool any = false;
    for (size_t i = 0; vm && i < batch->count; i++)
        if (outcomes[i] == SHARE_BUSY || outcomes[i] == SHARE_ERROR)
            any |= mark(share, vm, batch->ppns[i]);
    if (vm)
        share_vm_leave(vm);
    return any;
}

/* ---------------------------------------------------------------------------------- scans -- */

static void add_outcomes(struct share_scan_report *report, const enum share_outcome *outcomes,
                         size_t count)
{
    for (size_t i = 0; i < count; i++)
        report->outcomes[outcomes[i]]++;
    report->looked_pages = count;
    report->merged_pages = report->outcomes[SHARE_PROMOTED] + report->outcomes[SHARE_JOINED] +
                           report->outcomes[SHARE_ZERO];
    report->changed_pages =
        report->outcomes[SHARE_VOLATILE] + report->outcomes[SHARE_REPLACED_STALE];
}

static void add_report(struct share_scan_report *sum, const struct share_scan_report *part)
{
    sum->looked_pages += part->looked_pages;
    sum->merged_pages += part->merged_pages;
    sum->changed_pages += part->changed_pages;
    sum->passes += part->passes;
    for (unsigned o = 0; o < SHARE_OUTCOMES; o++)
        sum->outcomes[o] += part->outcomes[o];
}

/* One call of share_scan. */
struct scan {
    enum share_order order;
    uint32_t flags;
    uint64_t budget_pages;
    bool dirty_stuck; /* a dirty page stays dirty: enough of them for this call */
    bool over;
    struct share_scan_report report;
};

static bool choose_pages(struct share *share, struct scan *scan, struct batch *batch)
{
    if (!scan->dirty_stuck)
        take_dirty(share, batch);
    if (batch->count)
        return true;
    if (scan->order == SHARE_SEQUENTIAL)
        take_sequential(share, batch);
    else if (scan->order == SHARE_RANDOM)
        take_random(share, batch);
    return false;
}

/* Looks at one batch. */
static enum share_result scan_batch(struct share *share, struct scan *scan)
{
    uint64_t left = scan->budget_pages - scan->report.looked_pages;
    struct batch batch = {.room = left < BATCH_PAGES ? (size_t)left : BATCH_PAGES};
    bool dirty = choose_pages(share, scan, &batch);
    scan->over = batch.count == 0;
    scan->report.passes += batch.pass_ended;
    if (scan->over)
        return SHARE_OK;

    enum share_outcome outcomes[BATCH_PAGES];
    struct share_scan_report part = {0};
    enum share_result result = share_offer_batch(
        share, &(struct share_offer_batch){.vm = batch.vm,
                                           .ppns = batch.ppns,
                                           .count = batch.count,
                                           .outcomes = outcomes,
                                           .back_off = !dirty && !(scan->flags & SHARE_SCAN_ALL),
                                           .pass = batch.pass});
    if (result != SHARE_GONE)
        add_outcomes(&part, outcomes, batch.count);
    if (dirty && result != SHARE_GONE)
        scan->dirty_stuck |= mark_again(share, &batch, outcomes);
    account(&share->scanner, &part);
    add_report(&scan->report, &part);
    scan->over = scan->report.looked_pages >= scan->budget_pages;
    return result == SHARE_GONE ? SHARE_OK : result; /* the VM has gone: others have not */
}

enum share_result share_scan(struct share *share, enum share_order order, uint32_t flags,
                             uint64_t budget_pages, struct share_scan_report *report)
{
    struct scan scan = {
        .order = order, .flags = flags, .budget_pages = budget_pages, .over = budget_pages == 0};
    enum share_result result = SHARE_OK;
    while (!scan.over && result == SHARE_OK) {
        share_gate_enter(share);
        result = scan_batch(share, &scan);
        share_gate_leave(share);
    }
    if (report)
        *report = scan.report;
    return result;
}

static void restart_pass(struct share_scanner *scanner)
{
    share_lock_take(&scanner->lock);
    scanner->vm = 0;
    scanner->ppn = (share_ppn){0};
    scanner->now = (struct share_pass){0};
    scanner->version++;
    share_lock_drop(&scanner->lock);
}

enum share_result share_now(struct share *share, unsigned max_passes,
                            struct share_scan_report *report)
{
    struct share_scan_report sum = {0};
    enum share_result result = SHARE_UNSETTLED;
    restart_pass(&share->scanner);
    for (unsigned i = 0; i < max_passes && result == SHARE_UNSETTLED; i++) {
        struct share_scan_report pass;
        enum share_result scanned =
            share_scan(share, SHARE_SEQUENTIAL, SHARE_SCAN_ALL, UINT64_MAX, &pass);
        add_report(&sum, &pass);
        if (scanned != SHARE_OK)
            result = scanned;
        else if (!pass.merged_pages && !pass.changed_pages)
            result = SHARE_OK;
    }
    if (report)
        *report = sum;
    return result;
}

bool share_settled(struct share *share)
{
    struct share_scanner *scanner = &share->scanner;
    share_lock_take(&scanner->lock);
    const struct share_pass *last = &scanner->last;
    bool settled = scanner->passes &&
                   (last->merged + last->changed) * 1000000 <= last->looked * share->settled_ppm;
    share_lock_drop(&scanner->lock);
    return settled && !atomic_load(&scanner->dirty_pages);
}
