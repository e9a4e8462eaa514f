/* SPDX-License-Identifier: MIT */
/* Memory of this process behind libshare: ops over memfds, userfaultfd and mmap. */
#include "process.h"
#include "kernel_file.h"
#include "restore.h"
#include "shim/bench.h"
#include <fcntl.h>
#include <inttypes.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MAX_MAP_COUNT "/proc/sys/vm/max_map_count"
#define MAPS_APART    1000 /* of the program itself */

enum { NBYTES = SHARE_PAGE_SIZE, PROTECT_MAX = 256 /* pages sorted at a time */ };

/* --------------------------------------------------------------------------- max_map_count -- */

static struct restore_setting map_count = {.name = "", .path = MAX_MAP_COUNT};
static struct restore map_count_restore = {RESTORE_MAP_COUNT, "vm.max_map_count", &map_count, 1};
static bool map_count_raised;

static void restore_map_count(void)
{
    if (map_count_raised)
        restore_put_back(&map_count_restore);
    map_count_raised = false;
}

/* Room for a mapping a page. Each new height is shown once. */
static bool raise_map_count(uint64_t pages)
{
    static uint64_t shown;
    uint64_t wanted = pages + MAPS_APART;
    if (kernel_file_number(MAX_MAP_COUNT) >= wanted)
        return true;
    snprintf(map_count.used, sizeof map_count.used, "%" PRIu64, wanted);
    map_count_raised = restore_change(&map_count_restore);
    if (map_count_raised && wanted > shown) {
        restore_show(&map_count_restore);
        shown = wanted;
    }
    return map_count_raised;
}

/* ------------------------------------------------------------------------------------- ops -- */

static unsigned char *guest_page(const struct process *process, uint64_t ppn)
{
    return process->guest + ppn * NBYTES;
}

static void set_protection(const struct process *process, uint64_t ppn, uint64_t pages, bool on)
{
    struct uffdio_writeprotect wp = {{(uintptr_t)guest_page(process, ppn), pages * NBYTES},
                                     on ? UFFDIO_WRITEPROTECT_MODE_WP : 0};
    must(ioctl(process->uffd, UFFDIO_WRITEPROTECT, &wp) == 0, "write-protect");
}

static void watch_pages(const struct process *process, uint64_t ppn, uint64_t pages)
{
    struct uffdio_register reg = {
        {(uintptr_t)guest_page(process, ppn), pages * NBYTES}, UFFDIO_REGISTER_MODE_WP, 0};
    must(ioctl(process->uffd, UFFDIO_REGISTER, &reg) == 0, "register with userfaultfd");
}

static bool resolve(void *ctx, struct share_vm_ref vm, share_ppn ppn, share_mpn *mpn)
{
    (void)vm;
    mpn->n = ((struct process *)ctx)->physmap[ppn.n];
    return true;
}

static bool next_present(void *ctx, struct share_vm_ref vm, share_ppn from, share_ppn *found)
{
    (void)vm;
    *found = from;
    return from.n < ((struct process *)ctx)->pages->count;
}

static const void *peek(void *ctx, share_mpn mpn)
{
    const struct process *process = ctx;
    if (mpn.n < process->pages->count) {
        uint32_t readers = atomic_load(&process->home[mpn.n]);
        while (readers > 0)
            if (atomic_compare_exchange_weak(&process->home[mpn.n], &readers, readers + 1))
                return guest_page(process, mpn.n);
    }
    return process_pool_page(&process->pool, mpn);
}

static void unpeek(void *ctx, share_mpn mpn, const void *bytes)
{
    const struct process *process = ctx;
    if (bytes != process_pool_page(&process->pool, mpn))
        atomic_fetch_sub(&process->home[mpn.n], 1);
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Neighbours in one call. A page that has joined is read-only already. */
static void protect(void *ctx, struct share_protect *pages, size_t count)
{
    const struct process *process = ctx;
    uint64_t ppn[PROTECT_MAX];
    size_t wanted = 0;
    for (size_t i = 0; i < count; i++) {
        pages[i].answer = SHARE_ANSWER_OK;
        if (!process->joined[pages[i].ppn.n])
            ppn[wanted++] = pages[i].ppn.n;
        if (wanted == PROTECT_MAX || i + 1 == count) {
            qsort(ppn, wanted, sizeof *ppn, by_number);
            for (size_t at = 0, end; at < wanted; at = end) {
                for (end = at + 1; end < wanted && ppn[end] == ppn[end - 1] + 1;)
                    end++;
                set_protection(process, ppn[at], end - at, true);
            }
            wanted = 0;
        }
    }
}

static void unprotect(void *ctx, const struct share_protect *pages, size_t count)
{
    struct process *process = ctx;
    for (size_t i = 0; i < count; i++) {
        uint64_t ppn = pages[i].ppn.n;
        if (process->joined[ppn]) {
            process->joined[ppn] = false;
            must(mprotect(guest_page(process, ppn), NBYTES, PROT_READ | PROT_WRITE) == 0,
                 "mprotect");
            watch_pages(process, ppn, 1);
        } else {
            set_protection(process, ppn, 1, false);
        }
    }
}

/* Before a PPN gets another page. False: somebody reads the old one there at this moment. */
static bool leave_home(struct process *process, const struct share_remap *page)
{
    if (page->ppn.n != page->from.n)
        return true;
    uint32_t unread = 1;
    return atomic_compare_exchange_strong(&process->home[page->from.n], &unread, 0) || unread == 0;
}

/* Pages from `first` on that go from neighbours to neighbours alike. */
static size_t run_of(const struct share_remap *first, size_t count)
{
    size_t run = 1;
    while (run < count && first[run].ppn.n == first->ppn.n + run &&
           first[run].to.n == first->to.n + run && first[run].writable == first->writable &&
           first[run].answer == first->answer)
        run++;
    return run;
}

/* The new mappings replace the old ones, and nobody can use these when the call returns. */
static void remap_run(struct process *process, const struct share_remap *first, size_t run)
{
    process_pool_map(&process->pool, guest_page(process, first->ppn.n), first->to, run,
                     first->writable ? PROT_READ | PROT_WRITE : PROT_READ);
    if (first->writable)
        watch_pages(process, first->ppn.n, run);
    for (const struct share_remap *page = first; page < first + run; page++) {
        process->joined[page->ppn.n] = !page->writable;
        process->physmap[page->ppn.n] = (uint32_t)page->to.n;
    }
}

static void remap(void *ctx, struct share_remap *pages, size_t count)
{
    struct process *process = ctx;
    for (size_t i = 0; i < count; i++)
        pages[i].answer = leave_home(process, &pages[i]) ? SHARE_ANSWER_OK : SHARE_ANSWER_BUSY;
    for (size_t i = 0, run; i < count; i += run) {
        run = run_of(&pages[i], count - i);
        if (pages[i].answer == SHARE_ANSWER_OK)
            remap_run(process, &pages[i], run);
    }
}

static bool alloc_page(void *ctx, struct share_vm_ref vm, share_mpn *mpn, void **bytes)
{
    struct process *process = ctx;
    (void)vm;
    bool found = process_pool_take(&process->pool, mpn);
    if (found)
        *bytes = process_pool_page(&process->pool, *mpn);
    return found;
}

static void free_pages(void *ctx, const share_mpn *mpns, size_t count, enum share_free_kind kind)
{
    (void)kind;
    process_pool_give_back(&((struct process *)ctx)->pool, mpns, count);
}

const struct share_ops process_ops = {.struct_size = sizeof(struct share_ops),
                                      .resolve = resolve,
                                      .next_present = next_present,
                                      .peek = peek,
                                      .unpeek = unpeek,
                                      .protect = protect,
                                      .unprotect = unprotect,
                                      .remap = remap,
                                      .alloc = alloc_page,
                                      .free = free_pages,
                                      .now_ns = bench_now_ns};

/* ---------------------------------------------------------------------------------- faults -- */

static struct process *faulting;                 /* whose stores may fault; NULL: none */
static struct sigaction former_segv, former_bus; /* whoever had these signals before */

static void leave_faults(void)
{
    faulting = NULL;
    sigaction(SIGSEGV, &former_segv, NULL);
    sigaction(SIGBUS, &former_bus, NULL);
}

/* The store is run again when this returns: if it was not ours, or there is no memory, it faults
 * again, and whoever had the signal before hears of it. */
static void break_page(int number, siginfo_t *info, void *context)
{
    (void)context;
    uint64_t at = (uint64_t)((unsigned char *)info->si_addr - faulting->guest);
    enum share_result result = SHARE_INVALID;
    if (info->si_code > 0 && at < faulting->pages->count * NBYTES)
        result = share_break(faulting->share, 0, (share_ppn){at / NBYTES});
    if (result == SHARE_RETRY)
        result = share_wait(faulting->share, 0, (share_ppn){at / NBYTES});
    if (result == SHARE_OK)
        return;
    leave_faults();
    if (info->si_code <= 0) /* sent, not a fault: it does not come again by itself */
        raise(number);
}

static bool catch_faults(struct process *process)
{
    struct sigaction action = {.sa_sigaction = break_page, .sa_flags = SA_SIGINFO};
    faulting = process;
    return sigaction(SIGSEGV, &action, &former_segv) == 0 &&
           sigaction(SIGBUS, &action, &former_bus) == 0;
}

/* ------------------------------------------------------------------------------------ life -- */

static int open_uffd(void)
{
    struct uffdio_api api = {.api = UFFD_API,
                             .features = UFFD_FEATURE_WP_HUGETLBFS_SHMEM | UFFD_FEATURE_SIGBUS};
    int uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
    if (uffd >= 0 && ioctl(uffd, UFFDIO_API, &api) != 0) {
        close(uffd);
        uffd = -1;
    }
    return uffd;
}

const char *process_refusal(void)
{
    int uffd = open_uffd();
    if (uffd < 0)
        return "no userfaultfd that write-protects shared memory";
    close(uffd);
    return access(MAX_MAP_COUNT, W_OK) == 0 ? NULL : "vm.max_map_count cannot be raised";
}

static void need(bool ok)
{
    if (!ok) {
        fprintf(stderr, "not enough memory for a process of a benchmark\n");
        exit(1);
    }
}

/* The guest's view of a pool, filled. No page of it counts as more recent than another: the kernel
 * need not note it when it unmaps one. */
static bool map_memory(struct process *process)
{
    const struct pages *pages = process->pages;
    size_t nbytes = pages->count * NBYTES;
    if (!process_pool_open(&process->pool, pages->count + pages->count / 16 + 1, pages->count))
        return false;
    process->guest = mmap(NULL, nbytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (process->guest == MAP_FAILED)
        return false;
    process_pool_map(&process->pool, process->guest, (share_mpn){0}, pages->count,
                     PROT_READ | PROT_WRITE);
    madvise(process->guest, nbytes, MADV_RANDOM);
    memcpy(process->guest, pages->bytes, nbytes);
    watch_pages(process, 0, pages->count);
    return true;
}

static void number_pages(struct process *process)
{
    uint64_t count = process->pages->count;
    process->physmap = malloc(count * sizeof *process->physmap);
    process->joined = calloc(count, sizeof *process->joined);
    process->home = malloc(count * sizeof *process->home);
    need(process->physmap && process->joined && process->home);
    for (uint64_t ppn = 0; ppn < count; ppn++) {
        process->physmap[ppn] = (uint32_t)ppn;
        process->home[ppn] = 1;
    }
}

struct process *process_new(const struct pages *pages, const struct share_alloc *alloc)
{
    struct process *process = calloc(1, sizeof *process);
    need(process != NULL);
    process->pages = pages;
    process->uffd = open_uffd();
    number_pages(process);
    if (process->uffd < 0 || !raise_map_count(pages->count) || !map_memory(process) ||
        !catch_faults(process)) {
        process_free(process);
        return NULL;
    }
    struct share_config config = {
        .struct_size = sizeof config, .ops = &process_ops, .ops_ctx = process, .alloc = alloc};
    share_vm vm;
    need(share_new(&config, &process->share) == SHARE_OK &&
         share_vm_add(process->share, 0, (share_ppn){0}, (share_ppn){pages->count}, NULL, &vm) ==
             SHARE_OK &&
         share_vm_start(process->share, vm) == SHARE_OK);
    return process;
}

void process_free(struct process *process)
{
    if (faulting == process)
        leave_faults();
    share_free(process->share);
    if (process->guest && process->guest != MAP_FAILED)
        munmap(process->guest, process->pages->count * NBYTES);
    if (process->uffd >= 0)
        close(process->uffd);
    restore_map_count();
    process_pool_close(&process->pool);
    free(process->physmap);
    free(process->joined);
    free(process->home);
    free(process);
}

uint64_t process_frames(const struct process *process)
{
    return process_pool_frames(&process->pool);
}
