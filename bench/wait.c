/* SPDX-License-Identifier: MIT */
/*
 * How long does a vCPU of real-time priority wait for a page that the scanner of lower priority, on
 * the same processor, is moving?
 *
 * It can only go on when the scanner has: so share_wait must sleep, or the processor is the vCPU's
 * for ever. A thread with SCHED_FIFO wakes now and then, in the middle of whatever the scanner
 * does, and stores to a page that the scanner's op is about, if it is in one. Each store is timed
 * from its fault until it may be done, and held against the longest op of the scanner: 99.9 % of
 * them should not take longer than that and a millisecond. The scanner's ops take their time, as
 * those of a VMM do that has to stop vCPUs.
 */
#include "suite.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PAGES = 2048, CONTENTS = 64, MACHINE_PAGES = PAGES + 64, STORES = 10000 };

#define OP_NS       100000u /* what a remap of the scanner takes */
#define NOBODY      UINT64_MAX
#define SHARING     (UINT64_C(1) << 63) /* of an entry; the rest is the MPN */
#define STORE_EVERY 50000u              /* ns */

struct guest {
    struct share *share;
    unsigned char (*memory)[SHARE_PAGE_SIZE];
    _Atomic uint64_t entry[PAGES];
    _Atomic bool used[MACHINE_PAGES];
    _Atomic uint64_t in_op; /* a page that an op of the scanner is about, or NOBODY */
    _Atomic bool stop;
    double longest_op_s;
    double latency_s[STORES], cpu_s;
    unsigned waits;
    bool ok;
};

/* Ops of this thread are those of a vCPU: short. */
static _Thread_local bool is_vcpu;

static void busy_until(double end_s)
{
    while (bench_now_s() < end_s)
        ;
}

/* ------------------------------------------------------------------------------------ ops -- */

static bool resolve(void *ctx, struct share_vm_ref vm, share_ppn ppn, share_mpn *mpn)
{
    (void)vm;
    mpn->n = atomic_load(&((struct guest *)ctx)->entry[ppn.n]) & ~SHARING;
    return true;
}

static bool next_present(void *ctx, struct share_vm_ref vm, share_ppn from, share_ppn *found)
{
    (void)ctx;
    (void)vm;
    *found = from;
    return from.n < PAGES;
}

static const void *peek(void *ctx, share_mpn mpn)
{
    return ((struct guest *)ctx)->memory[mpn.n];
}

static void protect(void *ctx, struct share_protect *pages, size_t count)
{
    struct guest *guest = ctx;
    for (size_t i = 0; i < count; i++) {
        uint64_t mpn = pages[i].mpn.n;
        bool done = atomic_compare_exchange_strong(&guest->entry[pages[i].ppn.n], &mpn,
                                                   pages[i].mpn.n | SHARING);
        pages[i].answer =
            done || mpn == (pages[i].mpn.n | SHARING) ? SHARE_ANSWER_OK : SHARE_ANSWER_STALE;
    }
}

static void unprotect(void *ctx, const struct share_protect *pages, size_t count)
{
    for (size_t i = 0; i < count; i++)
        atomic_fetch_and(&((struct guest *)ctx)->entry[pages[i].ppn.n], ~SHARING);
}

static void remap_now(struct guest *guest, struct share_remap *pages, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t from = pages[i].from.n | SHARING;
        uint64_t to = pages[i].to.n | (pages[i].writable ? 0 : SHARING);
        bool done = atomic_compare_exchange_strong(&guest->entry[pages[i].ppn.n], &from, to);
        pages[i].answer = done ? SHARE_ANSWER_OK : SHARE_ANSWER_STALE;
    }
}

static void remap(void *ctx, struct share_remap *pages, size_t count)
{
    struct guest *guest = ctx;
    double start_s = bench_now_s();
    if (!is_vcpu) {
        atomic_store(&guest->in_op, pages[count / 2].ppn.n);
        busy_until(start_s + OP_NS * 1e-9);
    }
    remap_now(guest, pages, count);
    if (is_vcpu)
        return;
    atomic_store(&guest->in_op, NOBODY);
    double took_s = bench_now_s() - start_s;
    if (took_s > guest->longest_op_s)
        guest->longest_op_s = took_s;
}

static bool alloc_page(void *ctx, struct share_vm_ref vm, share_mpn *mpn, void **bytes)
{
    struct guest *guest = ctx;
    (void)vm;
    for (mpn->n = 0; mpn->n < MACHINE_PAGES; mpn->n++)
        if (!atomic_exchange(&guest->used[mpn->n], true)) {
            *bytes = guest->memory[mpn->n];
            return true;
        }
    return false;
}

static void free_pages(void *ctx, const share_mpn *mpns, size_t count, enum share_free_kind kind)
{
    (void)kind;
    for (size_t i = 0; i < count; i++)
        atomic_store(&((struct guest *)ctx)->used[mpns[i].n], false);
}

static const struct share_ops ops = {.struct_size = sizeof ops,
                                     .resolve = resolve,
                                     .next_present = next_present,
                                     .peek = peek,
                                     .protect = protect,
                                     .unprotect = unprotect,
                                     .remap = remap,
                                     .alloc = alloc_page,
                                     .free = free_pages};

/* -------------------------------------------------------------------------------- threads -- */

static uint64_t content_of(uint64_t ppn)
{
    return ppn % CONTENTS + 1;
}

/* The fault and all that follows it. The word is what it was: so the page is shared again. */
static bool store(struct guest *guest, uint64_t ppn)
{
    while (atomic_load(&guest->entry[ppn]) & SHARING) {
        enum share_result result = share_break(guest->share, 0, (share_ppn){ppn});
        guest->waits += result == SHARE_RETRY;
        if (result == SHARE_RETRY)
            result = share_wait(guest->share, 0, (share_ppn){ppn});
        if (result != SHARE_OK)
            return false;
    }
    uint64_t word = content_of(ppn);
    memcpy(guest->memory[atomic_load(&guest->entry[ppn])], &word, sizeof word);
    return true;
}

static double thread_cpu_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void *run_vcpu(void *arg)
{
    struct guest *guest = arg;
    is_vcpu = guest->ok = true;
    for (unsigned stores = 0, any = 0; stores < STORES && guest->ok; any += 257) {
        /* Not in step with the ops. */
        nanosleep(&(struct timespec){.tv_nsec = STORE_EVERY + 997 * (stores % 101)}, NULL);
        uint64_t in_op = atomic_load(&guest->in_op), ppn = in_op == NOBODY ? any % PAGES : in_op;
        if (!(atomic_load(&guest->entry[ppn]) & SHARING))
            continue;
        double start_s = bench_now_s(), start_cpu_s = thread_cpu_s();
        guest->ok = store(guest, ppn);
        guest->cpu_s += thread_cpu_s() - start_cpu_s;
        guest->latency_s[stores++] = bench_now_s() - start_s;
    }
    atomic_store(&guest->stop, true);
    return NULL;
}

/* Shares all pages, and makes them private again: there is always a page on the move. */
static void *run_scanner(void *arg)
{
    struct guest *guest = arg;
    bool ok = true;
    while (!atomic_load(&guest->stop) && ok) {
        ok = share_scan(guest->share, SHARE_SEQUENTIAL, SHARE_SCAN_ALL, PAGES, NULL) == SHARE_OK;
        enum share_result result = share_unshare(guest->share, 0, (share_ppn){0}, PAGES);
        ok = ok && (result == SHARE_OK || result == SHARE_RETRY);
    }
    return ok ? guest : NULL;
}

/* All of one processor's; the first that we may use. */
static bool start(pthread_t *thread, void *(*run)(void *), struct guest *guest, bool real_time)
{
    cpu_set_t allowed, one;
    pthread_attr_t attr;
    unsigned cpu = 0;
    sched_getaffinity(0, sizeof allowed, &allowed);
    while (cpu < CPU_SETSIZE - 1 && !CPU_ISSET(cpu, &allowed))
        cpu++;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    pthread_attr_init(&attr);
    pthread_attr_setaffinity_np(&attr, sizeof one, &one);
    if (real_time) {
        pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
        pthread_attr_setschedpolicy(&attr, SCHED_FIFO);
        pthread_attr_setschedparam(&attr, &(struct sched_param){.sched_priority = 1});
    }
    bool ok = pthread_create(thread, &attr, run, guest) == 0;
    pthread_attr_destroy(&attr);
    return ok;
}

static void *nothing(void *arg)
{
    return arg;
}

static bool is_permitted(void)
{
    pthread_t thread;
    return start(&thread, nothing, NULL, true) && pthread_join(thread, NULL) == 0;
}

/* ------------------------------------------------------------------------------ benchmark -- */

static struct guest *guest_new(void)
{
    struct guest *guest = calloc(1, sizeof *guest);
    struct share_config config = {.struct_size = sizeof config, .ops = &ops, .ops_ctx = guest};
    share_vm vm;
    if (!guest || !(guest->memory = calloc(MACHINE_PAGES, SHARE_PAGE_SIZE)) ||
        share_new(&config, &guest->share) != SHARE_OK ||
        share_vm_add(guest->share, 0, (share_ppn){0}, (share_ppn){PAGES}, NULL, &vm) != SHARE_OK ||
        share_vm_start(guest->share, vm) != SHARE_OK) {
        fprintf(stderr, "not enough memory for the guest of a benchmark\n");
        exit(1);
    }
    atomic_store(&guest->in_op, NOBODY);
    for (uint64_t ppn = 0; ppn < PAGES; ppn++) {
        uint64_t word = content_of(ppn);
        memcpy(guest->memory[ppn], &word, sizeof word);
        atomic_store(&guest->entry[ppn], ppn);
        atomic_store(&guest->used[ppn], true);
    }
    return guest;
}

static void guest_free(struct guest *guest)
{
    share_free(guest->share);
    free(guest->memory);
    free(guest);
}

/* Every page is what it was, and the engine sound. */
static bool is_sound(struct guest *guest)
{
    struct share_check_report report;
    bool sound = share_check(guest->share, &report) == SHARE_OK;
    for (uint64_t ppn = 0; ppn < PAGES; ppn++) {
        uint64_t word = content_of(ppn);
        sound = sound && memcmp(guest->memory[atomic_load(&guest->entry[ppn]) & ~SHARING], &word,
                                sizeof word) == 0;
    }
    return sound;
}

static void report(struct bench *bench, struct guest *guest)
{
    double p999_s = bench_quantile(guest->latency_s, STORES, 0.999);
    bench_counter(bench, "breaks", STORES);
    bench_counter(bench, "waits", guest->waits);
    bench_counter(bench, "p999_us", p999_s * 1e6);
    bench_counter(bench, "worst_us", guest->latency_s[STORES - 1] * 1e6);
    bench_counter(bench, "longest_op_us", guest->longest_op_s * 1e6);
    bench_counter(bench, "p999_over_op_us", (p999_s - guest->longest_op_s) * 1e6);
    bench_counter(bench, "cpu_us_per_break", guest->cpu_s * 1e6 / STORES);
}

static void wait_for_pages(struct bench *bench, void *ctx)
{
    (void)ctx;
    while (bench_next(bench)) {
        pthread_t vcpu, scanner;
        struct guest *guest = guest_new();
        void *scanned = NULL;
        bool ok = start(&vcpu, run_vcpu, guest, true);
        if (ok && start(&scanner, run_scanner, guest, false))
            pthread_join(scanner, &scanned);
        if (ok)
            pthread_join(vcpu, NULL);
        if (scanned && guest->ok && is_sound(guest) && guest->waits)
            report(bench, guest);
        else
            bench_fail(bench, "a break failed, a page is not what it was, or nobody waited");
        guest_free(guest);
    }
}

void suite_wait(const struct suite *suite)
{
    (void)suite;
    if (is_permitted())
        bench_register_once("wait/one_processor", wait_for_pages, NULL);
    else
        fprintf(stderr, "skipped: wait/one_processor: SCHED_FIFO is not permitted here\n");
}
