/* SPDX-License-Identifier: MIT */
/*
 * The scanner: batch after batch is chosen and looked at. Several threads may scan.
 */
#include "enter.h"
#include "offer.h"
#include "scan_batch.h"

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

static bool choose_pages(struct share *share, struct scan *scan, struct share_batch *batch)
{
    if (!scan->dirty_stuck)
        share_take_dirty(share, batch);
    if (batch->count)
        return true;
    if (scan->order == SHARE_SEQUENTIAL)
        share_take_sequential(share, batch);
    else if (scan->order == SHARE_RANDOM)
        share_take_random(share, batch);
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
        return SHARE_OK;

    enum share_outcome outcomes[SHARE_BATCH_PAGES];
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
        scan->dirty_stuck |= share_mark_again(share, &batch, outcomes);
    share_batch_account(&share->scanner, &part);
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

enum share_result share_now(struct share *share, unsigned max_passes,
                            struct share_scan_report *report)
{
    struct share_scan_report sum = {0};
    enum share_result result = SHARE_UNSETTLED;
    share_pass_restart(&share->scanner);
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
