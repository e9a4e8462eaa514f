/* SPDX-License-Identifier: MIT */
/* A shared process borrows SIGSEGV and SIGBUS: whoever had them has them again afterwards. It used
 * to leave them with their defaults. */
#include "process.h"
#include "restore.h"
#include "test.h"
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>

static sigjmp_buf back;

static void theirs(int number)
{
    siglongjmp(back, number);
}

static void set_theirs(void)
{
    struct sigaction action = {.sa_handler = theirs};
    assert_int_equal(sigaction(SIGSEGV, &action, NULL), 0);
    assert_int_equal(sigaction(SIGBUS, &action, NULL), 0);
}

static bool are_theirs(void)
{
    struct sigaction segv, bus;
    sigaction(SIGSEGV, NULL, &segv);
    sigaction(SIGBUS, NULL, &bus);
    return segv.sa_handler == theirs && bus.sa_handler == theirs;
}

/* A few pages that are all shared. */
static struct process *shared(struct pages *pages)
{
    struct share_scan_report report;
    struct process *process = process_new(pages, NULL);
    assert_non_null(process);
    assert_int_equal(
        share_scan(process->share, SHARE_SEQUENTIAL, SHARE_SCAN_ALL, UINT64_MAX, &report),
        SHARE_OK);
    assert_int_equal(report.merged_pages > 0, 1);
    return process;
}

static void signals_are_given_back(void **state)
{
    (void)state;
    struct pages *pages = pages_new(64, 50, 1);
    set_theirs();
    struct process *process = shared(pages);
    assert_false(are_theirs());
    for (uint64_t page = 0; page < pages->count; page++)
        ((volatile unsigned char *)process->guest)[page * SHARE_PAGE_SIZE]++;
    process_free(process);
    assert_true(are_theirs());
    pages_free(pages);
}

static void a_fault_of_others_is_theirs(void **state)
{
    (void)state;
    struct pages *pages = pages_new(64, 50, 1);
    void *closed = mmap(NULL, SHARE_PAGE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    set_theirs();
    struct process *process = shared(pages);
    if (sigsetjmp(back, 1) == 0) {
        *(volatile char *)closed = 1;
        fail_msg("a store to a page without access");
    }
    process_free(process);
    assert_true(are_theirs());
    pages_free(pages);
    munmap(closed, SHARE_PAGE_SIZE);
}

static void a_signal_that_is_sent_is_theirs(void **state)
{
    (void)state;
    struct pages *pages = pages_new(64, 50, 1);
    set_theirs();
    struct process *process = shared(pages);
    if (sigsetjmp(back, 1) == 0) {
        raise(SIGSEGV);
        fail_msg("nobody heard of it");
    }
    process_free(process);
    pages_free(pages);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(signals_are_given_back),
                                       cmocka_unit_test(a_fault_of_others_is_theirs),
                                       cmocka_unit_test(a_signal_that_is_sent_is_theirs)};
    if (process_refusal()) {
        printf("skipped: %s\n", process_refusal());
        return 77;
    }
    return restore_start() ? RUN(tests) : 1;
}
