/* SPDX-License-Identifier: MIT */
#include "others.h"
#include "chance.h"
#include "keeper.h"
#include "must.h"
#include <stdio.h>
#include <time.h>

static bool is_operating(enum share_result result)
{
    return result == SHARE_OK || result == SHARE_NOMEM || result == SHARE_FAIL ||
           result == SHARE_RETRY || result == SHARE_GONE ||
           result == SHARE_INVALID; /* memory is unplugged */
}

void others_scan(void)
{
    static const enum share_order orders[] = {SHARE_SEQUENTIAL, SHARE_RANDOM, SHARE_DIRTY};
    struct share_scan_report report;
    enum share_order order = orders[chance_to(3)];
    uint32_t flags = chance_one_in(2) ? SHARE_SCAN_ALL : 0;
    enum share_result result =
        chance_one_in(50)
            ? share_now(guests_share, 1 + chance_to(2), &report)
            : share_scan_for(guests_share, order, flags, chance_to(400),
                             chance_one_in(4) ? chance_to(1000000) : UINT64_MAX, &report);
    MUST(result == SHARE_OK || result == SHARE_NOMEM || result == SHARE_UNSETTLED);
    (void)share_settled(guests_share);
}

static void ask(share_vm vm, unsigned slot)
{
    struct share_page_info info;
    struct share_stats stats;
    struct share_vm_usage usage;
    uint64_t sum = 0;
    if (share_page_info(guests_share, vm, guest_ppn(slot), 1, &info) == SHARE_OK)
        MUST((info.state == SHARE_PAGE_SHARED) == (info.frame != 0));
    (void)share_vm_usage(guests_share, vm, &usage);
    (void)share_vm_stats(guests_share, vm, &stats);
    share_stats(guests_share, &stats);
    for (unsigned i = 0; i < SHARE_OUTCOMES_MAX; i++)
        sum += stats.outcomes[i];
    MUST(sum == stats.offered_pages);
}

static enum share_result break_together(share_vm vm, const share_ppn *ppns, unsigned count)
{
    enum share_result results[GUEST_PAGES];
    enum share_result result = share_break_pages(guests_share, vm, ppns, count, results);
    for (unsigned i = 0; i < count && result == SHARE_OK; i++)
        MUST(is_operating(results[i]) && results[i] != SHARE_GONE);
    return result;
}

static enum share_result call_for_page(share_vm vm, unsigned slot)
{
    share_ppn ppns[GUEST_PAGES];
    enum share_outcome outcomes[GUEST_PAGES];
    unsigned count = 1 + chance_to(GUEST_PAGES - slot);
    for (unsigned i = 0; i < count; i++)
        ppns[i] = guest_ppn(slot + i);
    switch (chance_to(7)) {
    case 0:
        return share_break(guests_share, vm, ppns[0]);
    case 1:
        return share_wait(guests_share, vm, ppns[0]);
    case 2:
        return share_dirty(guests_share, vm, ppns, count);
    case 3:
        return share_unshare(guests_share, vm, ppns[0], ppns[count - 1].n - ppns[0].n + 1);
    case 4:
        return break_together(vm, ppns, count);
    case 5:
        ask(vm, slot);
        return SHARE_OK;
    default:
        return share_offer(guests_share, vm, ppns, count, outcomes);
    }
}

void others_call(void)
{
    share_vm vm;
    if (!keeper_hold_number(&guests[chance_to(GUESTS)], &vm))
        return;
    MUST(is_operating(call_for_page(vm, chance_to(GUEST_PAGES))));
    keeper_let_go_of_number(vm);
}

void others_audit(void)
{
    struct share_check_report report;
    keeper_stop_leaving();
    chance_honest = true;
    enum share_result result = share_check(guests_share, &report);
    if (result == SHARE_FAIL)
        fprintf(stderr, "share_check: %s (VM %u, PPN %llu)\n", report.reason, report.vm,
                (unsigned long long)report.ppn.n);
    MUST(result == SHARE_OK);
    chance_honest = false;
    keeper_go_on_leaving();
    nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
}
