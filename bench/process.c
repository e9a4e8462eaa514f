/* SPDX-License-Identifier: MIT */
/* Memory of this process behind libshare: ops over a memfd, userfaultfd and mmap. */
#include "process.h"
#include "kernel_file.h"
#include "restore.h"
#include <fcntl.h>
#include <inttypes.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
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

static void must(bool ok, const char *what)
{
    if (!ok) {
        perror(what);
        exit(1);
    }
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

static bool resolve(void *ctx, share_vm vm, share_ppn ppn, share_mpn *mpn)
{
    (void)vm;
    mpn->n = ((struct process *)ctx)->physmap[ppn.n];
    return true;
}

static bool next_present(void *ctx, share_vm vm, share_ppn from, share_ppn *found)
{
    (void)vm;
    *found = from;
    return from.n < ((struct process *)ctx)->pages->count;
}

static const void *peek(void *ctx, share_mpn mpn)
{
    return ((struct process *)ctx)->machine + mpn.n * NBYTES;
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

/* Pages from `first` on that go from neighbours to neighbours alike. */
static size_t run_of(const struct share_remap *first, size_t count)
{
    size_t run = 1;
    while (run < count && first[run].ppn.n == first->ppn.n + run &&
           first[run].to.n == first->to.n + run && first[run].writable == first->writable)
        run++;
    return run;
}

/* mmap replaces the mappings, and returns when no thread can use the old ones. */
static void remap(void *ctx, struct share_remap *pages, size_t count)
{
    struct process *process = ctx;
    for (size_t i = 0, run; i < count; i += run) {
        run = run_of(&pages[i], count - i);
        void *at = guest_page(process, pages[i].ppn.n);
        int allow = pages[i].writable ? PROT_READ | PROT_WRITE : PROT_READ;
        must(mmap(at, run * NBYTES, allow, MAP_SHARED | MAP_FIXED, process->memfd,
                  (off_t)(pages[i].to.n * NBYTES)) == at,
             "mmap");
        if (pages[i].writable)
            watch_pages(process, pages[i].ppn.n, run);
        for (size_t page = i; page < i + run; page++) {
            process->joined[pages[page].ppn.n] = !pages[page].writable;
            process->physmap[pages[page].ppn.n] = (uint32_t)pages[page].to.n;
            pages[page].answer = SHARE_ANSWER_OK;
        }
    }
}

static bool alloc_page(void *ctx, share_vm vm, share_mpn *mpn, void **bytes)
{
    struct process *process = ctx;
    (void)vm;
    pthread_mutex_lock(&process->lock);
    bool found = process->spares > 0;
    if (found)
        mpn->n = process->spare[--process->spares];
    pthread_mutex_unlock(&process->lock);
    *bytes = process->machine + mpn->n * NBYTES;
    return found;
}

static void free_pages(void *ctx, const share_mpn *mpns, size_t count)
{
    struct process *process = ctx;
    for (size_t i = 0, end; i < count; i = end) {
        for (end = i + 1; end < count && mpns[end].n == mpns[end - 1].n + 1;)
            end++;
        must(fallocate(process->memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                       (off_t)(mpns[i].n * NBYTES), (off_t)((end - i) * NBYTES)) == 0,
             "punch a hole");
    }
    pthread_mutex_lock(&process->lock);
    for (size_t i = 0; i < count; i++)
        process->spare[process->spares++] = (uint32_t)mpns[i].n;
    pthread_mutex_unlock(&process->lock);
}

static const struct share_ops process_ops = {.struct_size = sizeof(struct share_ops),
                                             .resolve = resolve,
                                             .next_present = next_present,
                                             .peek = peek,
                                             .protect = protect,
                                             .unprotect = unprotect,
                                             .remap = remap,
                                             .alloc = alloc_page,
                                             .free = free_pages};

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
    if (result == SHARE_OK || result == SHARE_RETRY)
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

/* The pool and both views of it, filled. */
static bool map_memory(struct process *process)
{
    const struct pages *pages = process->pages;
    size_t pool_nbytes = process->pool_pages * NBYTES, nbytes = pages->count * NBYTES;
    process->memfd = memfd_create("pages", MFD_CLOEXEC);
    if (process->memfd < 0 || ftruncate(process->memfd, (off_t)pool_nbytes) != 0)
        return false;
    process->machine =
        mmap(NULL, pool_nbytes, PROT_READ | PROT_WRITE, MAP_SHARED, process->memfd, 0);
    process->guest = mmap(NULL, nbytes, PROT_READ | PROT_WRITE, MAP_SHARED, process->memfd, 0);
    if (process->machine == MAP_FAILED || process->guest == MAP_FAILED)
        return false;
    memcpy(process->machine, pages->bytes, nbytes);
    madvise(process->guest, nbytes, MADV_POPULATE_WRITE); /* else at the first access */
    watch_pages(process, 0, pages->count);
    return true;
}

static void number_pages(struct process *process)
{
    uint64_t count = process->pages->count;
    process->physmap = malloc(count * sizeof *process->physmap);
    process->joined = calloc(count, sizeof *process->joined);
    process->spare = malloc(process->pool_pages * sizeof *process->spare);
    need(process->physmap && process->joined && process->spare);
    for (uint64_t ppn = 0; ppn < count; ppn++)
        process->physmap[ppn] = (uint32_t)ppn;
    for (uint64_t mpn = process->pool_pages; mpn-- > count;)
        process->spare[process->spares++] = (uint32_t)mpn;
}

struct process *process_new(const struct pages *pages, const struct share_alloc *alloc)
{
    struct process *process = calloc(1, sizeof *process);
    need(process != NULL);
    process->pages = pages;
    process->pool_pages = pages->count + pages->count / 16 + 1;
    process->memfd = -1;
    process->uffd = open_uffd();
    pthread_mutex_init(&process->lock, NULL);
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
         share_vm_add(process->share, 0, (share_ppn){0}, (share_ppn){pages->count}, &vm) ==
             SHARE_OK);
    return process;
}

void process_free(struct process *process)
{
    if (faulting == process)
        leave_faults();
    share_free(process->share);
    if (process->guest && process->guest != MAP_FAILED)
        munmap(process->guest, process->pages->count * NBYTES);
    if (process->machine && process->machine != MAP_FAILED)
        munmap(process->machine, process->pool_pages * NBYTES);
    if (process->uffd >= 0)
        close(process->uffd);
    if (process->memfd >= 0)
        close(process->memfd);
    restore_map_count();
    pthread_mutex_destroy(&process->lock);
    free(process->physmap);
    free(process->joined);
    free(process->spare);
    free(process);
}

uint64_t process_frames(const struct process *process)
{
    struct stat stat;
    must(fstat(process->memfd, &stat) == 0, "fstat");
    return (uint64_t)stat.st_blocks * 512 / NBYTES;
}
