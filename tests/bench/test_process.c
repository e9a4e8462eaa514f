/* SPDX-License-Identifier: MIT */
/*
 * A shared process borrows SIGSEGV and SIGBUS: whoever had them has them again afterwards. It used
 * to leave them with their defaults.
 *
 * It reads pages where the guest has them: what is being read stays there, whatever is stored.
 */
#include "process.h"
#include "restore.h"
#include "test.h"
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
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

/* --------------------------------------------------------------------------------- reading -- */

static unsigned char *guest_page(const struct process *process, uint64_t page)
{
    return process->guest + page * SHARE_PAGE_SIZE;
}

/* A shared page that still lies where it started. */
static share_ppn shared_at_home(const struct process *process)
{
    struct share_page_info info;
    share_ppn page = {0};
    for (; page.n < process->pages->count; page.n++) {
        assert_int_equal(share_page_info(process->share, 0, page, 1, &info), SHARE_OK);
        if (info.state == SHARE_PAGE_SHARED && info.mpn.n == page.n)
            return page;
    }
    fail_msg("no page is shared where it lies");
    return page;
}

static void a_page_that_is_read_stays(void **state)
{
    (void)state;
    struct pages *pages = pages_new(64, 50, 1);
    struct process *process = shared(pages);
    share_ppn page = shared_at_home(process);
    share_mpn frame = {page.n};
    const void *bytes = process_ops.peek(process, frame);
    assert_ptr_equal(bytes, guest_page(process, page.n));

    uint64_t frames = process_frames(process);
    assert_int_equal(share_break(process->share, 0, page), SHARE_RETRY);
    assert_int_equal(process->physmap[page.n], frame.n);
    assert_int_equal(process_frames(process), frames);
    process_ops.unpeek(process, frame, bytes);
    assert_int_equal(share_break(process->share, 0, page), SHARE_OK);
    assert_int_not_equal(process->physmap[page.n], frame.n);

    memset(guest_page(process, page.n), 0xa5, SHARE_PAGE_SIZE);
    bytes = process_ops.peek(process, frame);
    assert_ptr_not_equal(bytes, guest_page(process, page.n));
    assert_memory_equal(bytes, pages->bytes + page.n * SHARE_PAGE_SIZE, SHARE_PAGE_SIZE);

    /* Read through the pool, it may come and go. */
    share_mpn fresh = {process->physmap[page.n]};
    struct share_remap home = {.ppn = page, .from = fresh, .to = frame};
    struct share_remap away = {.ppn = page, .from = frame, .to = fresh, .writable = true};
    process_ops.remap(process, &home, 1);
    assert_int_equal(home.answer, SHARE_ANSWER_OK);
    process_ops.remap(process, &away, 1);
    assert_int_equal(away.answer, SHARE_ANSWER_OK);
    process_ops.unpeek(process, frame, bytes);
    process_free(process);
    pages_free(pages);
}

static void memory_of_many_files(void **state)
{
    (void)state;
    struct pages *pages = pages_new(40000, 37, 1);
    struct process *process = shared(pages);
    assert_int_equal(process_frames(process), pages->count - pages->copies);
    assert_memory_equal(process->guest, pages->bytes, pages->count * SHARE_PAGE_SIZE);
    for (uint64_t page = 0; page < pages->count; page += 100)
        guest_page(process, page)[0]++;
    for (uint64_t page = 0; page < pages->count; page++)
        assert_int_equal(guest_page(process, page)[0],
                         (unsigned char)(pages->bytes[page * SHARE_PAGE_SIZE] + !(page % 100)));
    struct share_check_report report;
    assert_int_equal(share_check(process->share, &report), SHARE_OK);
    process_free(process);
    pages_free(pages);
}

/* -------------------------------------------------------------------------------- writing -- */

enum { WRITERS = 2, SCANNERS = 2, PASSES = 100, WRITTEN = 256 };

struct writer {
    struct process *process;
    const atomic_bool *stop;
    uint64_t word, lost, stores;
};

/* One word of random pages, every other time to what it was, so that pages become equal again. It
 * is a guest: to the thread sanitizer, an mmap would be a store to what it replaces. */
__attribute__((no_sanitize("thread"))) static void *write_words(void *ctx)
{
    struct writer *writer = ctx;
    uint64_t first[WRITTEN], last[WRITTEN];
    unsigned seed = (unsigned)writer->word;
    for (uint64_t page = 0; page < WRITTEN; page++) {
        const uint64_t *bytes = (const void *)guest_page(writer->process, page);
        first[page] = last[page] = bytes[writer->word];
    }
    while (!atomic_load(writer->stop)) {
        uint64_t page = (unsigned)rand_r(&seed) % WRITTEN;
        volatile uint64_t *bytes = (volatile void *)guest_page(writer->process, page);
        writer->lost += bytes[writer->word] != last[page];
        writer->stores++;
        last[page] = last[page] == first[page] ? writer->stores : first[page];
        bytes[writer->word] = last[page];
    }
    for (uint64_t page = 0; page < WRITTEN; page++) {
        const uint64_t *bytes = (const void *)guest_page(writer->process, page);
        writer->lost += bytes[writer->word] != last[page];
    }
    return NULL;
}

static void *scan(void *ctx)
{
    struct process *process = ctx;
    bool ok = true;
    for (int pass = 0; pass < PASSES && ok; pass++)
        ok = share_scan(process->share, SHARE_SEQUENTIAL, SHARE_SCAN_ALL, UINT64_MAX, NULL) ==
             SHARE_OK;
    return ok ? process : NULL;
}

static void no_store_is_lost(void **state)
{
    (void)state;
    struct pages *pages = pages_new(WRITTEN, 50, 1);
    struct process *process = process_new(pages, NULL);
    assert_non_null(process);
    atomic_bool stop = false;
    struct writer writer[WRITERS];
    pthread_t writing[WRITERS], scanning[SCANNERS];
    for (unsigned i = 0; i < WRITERS; i++) {
        writer[i] = (struct writer){.process = process, .stop = &stop, .word = i + 1};
        assert_int_equal(pthread_create(&writing[i], NULL, write_words, &writer[i]), 0);
    }
    for (unsigned i = 0; i < SCANNERS; i++)
        assert_int_equal(pthread_create(&scanning[i], NULL, scan, process), 0);
    for (unsigned i = 0; i < SCANNERS; i++) {
        void *scanned;
        pthread_join(scanning[i], &scanned);
        assert_non_null(scanned);
    }
    atomic_store(&stop, true);
    for (unsigned i = 0; i < WRITERS; i++) {
        pthread_join(writing[i], NULL);
        assert_int_equal(writer[i].lost, 0);
        assert_true(writer[i].stores > 0);
    }
    struct share_check_report report;
    assert_int_equal(share_check(process->share, &report), SHARE_OK);
    process_free(process);
    pages_free(pages);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(signals_are_given_back),
                                       cmocka_unit_test(a_fault_of_others_is_theirs),
                                       cmocka_unit_test(a_signal_that_is_sent_is_theirs),
                                       cmocka_unit_test(a_page_that_is_read_stays),
                                       cmocka_unit_test(memory_of_many_files),
                                       cmocka_unit_test(no_store_is_lost)};
    if (process_refusal()) {
        printf("skipped: %s\n", process_refusal());
        return 77;
    }
    return restore_start() ? RUN(tests) : 1;
}
