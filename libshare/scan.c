/* SPDX-License-Identifier: MIT */
/*
 * The scanner: batch after batch is chosen and looked at. Several threads may scan.
 */
#include "enter.h"
#include "offer.h"
#include "scan_batch.h"
#include "sized.h"

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

/* What counts for the pass. */
static struct share_pass pass_of(const struct share_scan_report *report)
{
    return (struct share_pass){
        .looked = report->looked_pages,
        .merged = report->merged_pages,
        .changed = report->changed_pages,
        .busy = report->outcomes[SHARE_BUSY],
        .failed = report->outcomes[SHARE_ERROR],
        .quiet = report->outcomes[SHARE_QUIET],
        .volatiles = report->outcomes[SHARE_BACKED_OFF],
    };
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
    uint64_t end_ns;  /* by ops->now_ns; 0: whenever */
    bool dirty_stuck; /* a dirty page stays dirty: enough of them for this call */
    bool over;
    struct share_scan_report report;
};

static bool choose_pages(struct share *share, struct scan *scan, struct share_batch *batch)
{
    if (!scan->dirty_stuck)
        share_take_dirty(share, batch);
    if (batch->count)
        return true;
    if (scan->order == SHARE_SEQUENTIAL)
        share_take_sequential(share, batch);
    else if (scan->order == SHARE_RANDOM)
        batch->refused = !share_take_random(share, batch);
    return false;
}

/* Looks at one batch. */
static enum share_result scan_batch(struct share *share, struct scan *scan)
{
    uint64_t left = scan->budget_pages - scan->report.looked_pages;
    struct share_batch batch = {.room =
                                    left < SHARE_BATCH_PAGES ? (size_t)left : SHARE_BATCH_PAGES};
    bool dirty = choose_pages(share, scan, &batch);
    scan->over = batch.count == 0;
    scan->report.passes += batch.pass_ended;
    if (scan->over)
        return batch.refused ? SHARE_NOMEM : SHARE_OK;

    enum share_outcome outcomes[SHARE_BATCH_PAGES];
    struct share_scan_report part = {0};
    share_step(SHARE_STEP_BATCH);
    enum share_result result = share_offer_batch(
        share, &(struct share_offer_batch){.vm = batch.vm,
                                           .ppns = batch.ppns,
                                           .count = batch.count,
                                           .outcomes = outcomes,
                                           .back_off = !dirty && !(scan->flags & SHARE_SCAN_ALL),
                                           .dirty = dirty,
                                           .pass = batch.pass,
                                           .scans = true});
    if (result != SHARE_GONE)
        add_outcomes(&part, outcomes, batch.count);
    if (dirty && result != SHARE_GONE)
        scan->dirty_stuck |= share_mark_again(share, &batch, outcomes);
    struct share_pass found = pass_of(&part);
    share_batch_account(&share->scanner, &found);
    add_report(&scan->report, &part);
    scan->over = scan->report.looked_pages >= scan->budget_pages;
    return result == SHARE_GONE ? SHARE_OK : result; /* the VM has gone: others have not */
}

static bool is_late(const struct share *share, const struct scan *scan)
{
    return scan->end_ns && share->ops.now_ns(share->ops_ctx) >= scan->end_ns;
}

static enum share_result scan_all(struct share *share, struct scan *scan)
{
    enum share_result result = SHARE_OK;
    scan->over = scan->budget_pages == 0;
    while (!scan->over && result == SHARE_OK) {
        share_gate_enter(share);
        result = scan_batch(share, scan);
        share_gate_leave(share);
        scan->over = scan->over || is_late(share, scan);
    }
    return result;
}

enum share_result share_scan_sized(struct share *share, enum share_order order, uint32_t flags,
                                   uint64_t budget_pages, struct share_scan_report *report,
                                   size_t report_nbytes)
{
    return share_scan_for_sized(share, order, flags, budget_pages, UINT64_MAX, report,
                                report_nbytes);
}

enum share_result share_scan_for_sized(struct share *share, enum share_order order, uint32_t flags,
                                       uint64_t budget_pages, uint64_t budget_ns,
                                       struct share_scan_report *report, size_t report_nbytes)
{
    struct scan scan = {.order = order, .flags = flags, .budget_pages = budget_pages};
    if (budget_ns != UINT64_MAX) {
        if (!share->ops.now_ns)
            return SHARE_INVALID;
        uint64_t now = share->ops.now_ns(share->ops_ctx);
        scan.end_ns = now < UINT64_MAX - budget_ns ? now + budget_ns : UINT64_MAX;
        scan.end_ns += !scan.end_ns; /* 0 says that there is no end */
    }
    enum share_result result = scan_all(share, &scan);
    if (report)
        share_hand_over(report, report_nbytes, &scan.report, sizeof scan.report);
    return result;
}

enum share_result share_now_sized(struct share *share, unsigned max_passes,
                                  struct share_scan_report *report, size_t report_nbytes)
{
    struct share_scan_report sum = {0};
    enum share_result result = SHARE_UNSETTLED;
    share_pass_restart(&share->scanner);
    for (unsigned i = 0; i < max_passes && result == SHARE_UNSETTLED; i++) {
        struct scan scan = {
            .order = SHARE_SEQUENTIAL, .flags = SHARE_SCAN_ALL, .budget_pages = UINT64_MAX};
        uint64_t indexed = atomic_load(&share->indexed);
        enum share_result scanned = scan_all(share, &scan);
        add_report(&sum, &scan.report);
        if (scanned != SHARE_OK)
            result = scanned;
        else if (share_pass_found_nothing(&share->scanner) &&
                 atomic_load(&share->indexed) == indexed)
            result = SHARE_OK;
    }
    if (report)
        share_hand_over(report, report_nbytes, &sum, sizeof sum);
    return result;
}
