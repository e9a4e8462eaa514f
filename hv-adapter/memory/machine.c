/* SPDX-License-Identifier: MIT */
/* The pool of machine pages. See machine.h. */
#include "memory/machine.h"
#include "hv_assert.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/uio.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ASAN
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define HAS_ASAN
#endif

/* To the address sanitizer a page that is nobody's is as good as not there. */
#ifdef HAS_ASAN
#include <sanitizer/asan_interface.h>
#define HIDE(page, nbytes) __asan_poison_memory_region(page, nbytes)
#define SHOW(page, nbytes) __asan_unpoison_memory_region(page, nbytes)
#else
#define HIDE(page, nbytes) ((void)(page), (void)(nbytes))
#define SHOW(page, nbytes) ((void)(page), (void)(nbytes))
#endif

#define ALIGNMENT (UINT64_C(4) << 30)

static bool map(struct hv_machine *machine)
{
    machine->mapping_nbytes = machine->pages * HV_PAGE_BYTES + ALIGNMENT;
    machine->mapping = mmap(NULL, machine->mapping_nbytes, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (machine->mapping == MAP_FAILED)
        return false;
    uintptr_t at = ((uintptr_t)machine->mapping + ALIGNMENT - 1) & ~(uintptr_t)(ALIGNMENT - 1);
    machine->base = (uint8_t *)machine->mapping + (at - (uintptr_t)machine->mapping);
    /* A huge page would make one touched page cost 512; kernels without them refuse: all right. */
    (void)madvise(machine->base, machine->pages * HV_PAGE_BYTES, MADV_NOHUGEPAGE);
    HIDE(machine->base, machine->pages * HV_PAGE_BYTES);
    return true;
}

static uint64_t gcd(uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Steps of about 0.618 of the pool visit every page once, and neighbours as late as possible. */
static uint64_t stride_of(uint64_t pages)
{
    uint64_t stride = (uint64_t)((double)pages * 0.6180339887);
    while (stride > 1 && gcd(stride, pages) != 1)
        stride--;
    return stride ? stride : 1;
}

bool hv_machine_init(struct hv_machine *machine, uint64_t pages, bool scattered)
{
    memset(machine, 0, sizeof *machine);
    machine->pages = pages;
    if (pages == 0 || pages > UINT32_MAX / 2)
        return false;
    machine->free = malloc(pages * sizeof *machine->free);
    if (!machine->free || !map(machine)) {
        free(machine->free);
        return false;
    }
    machine->self = pidfd_open(getpid(), 0);
    pthread_mutex_init(&machine->lock, NULL);
    uint64_t stride = scattered ? stride_of(pages) : 1, at = 0;
    for (uint64_t i = pages; i-- > 0;) { /* the stack's top is page 0 */
        machine->free[i] = (uint32_t)at;
        at = (at + stride) % pages;
    }
    machine->free_count = pages;
    return true;
}

void hv_machine_fini(struct hv_machine *machine)
{
    if (!machine->base)
        return;
    SHOW(machine->base, machine->pages * HV_PAGE_BYTES); /* others may be mapped here next */
    munmap(machine->mapping, machine->mapping_nbytes);
    free(machine->free);
    if (machine->self >= 0)
        close(machine->self);
    pthread_mutex_destroy(&machine->lock);
    machine->base = NULL;
}

static int by_number(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

/* Late pages as ranges of neighbours. */
static unsigned late_ranges(struct hv_machine *machine, struct iovec *ranges)
{
    uint32_t *late = machine->late;
    unsigned count = machine->late_count, found = 0;
    qsort(late, count, sizeof *late, by_number);
    for (unsigned i = 0, end; i < count; i = end) {
        for (end = i + 1; end < count && late[end] == late[end - 1] + 1;)
            end++;
        ranges[found++] =
            (struct iovec){hv_machine_page(machine, (hv_mpn){late[i]}), (end - i) * HV_PAGE_BYTES};
    }
    return found;
}

static void give_range(void *page, size_t nbytes)
{
    if (madvise(page, nbytes, MADV_DONTNEED) == 0)
        return;
    SHOW(page, nbytes);
    memset(page, 0, nbytes); /* locked memory: it stays ours, but must be clean */
    HIDE(page, nbytes);
}

/* Afterwards the pages read as zero. */
static void give_back(struct hv_machine *machine)
{
    struct iovec ranges[HV_MACHINE_BATCH];
    uint32_t *late = machine->late;
    unsigned count = machine->late_count, ranges_count = late_ranges(machine, ranges);
    ssize_t given = process_madvise(machine->self, ranges, ranges_count, MADV_DONTNEED, 0);
    if (given != (ssize_t)(count * HV_PAGE_BYTES)) /* an older kernel, or locked memory */
        for (unsigned i = 0; i < ranges_count; i++)
            give_range(ranges[i].iov_base, ranges[i].iov_len);
    for (unsigned i = count; i-- > 0;)
        machine->free[machine->free_count++] = late[i];
    machine->late_count = 0;
}

/* Whether somebody has the page: it is neither clean nor late. With the lock. */
static bool is_used(const struct hv_machine *machine, uint64_t mpn)
{
    for (unsigned i = 0; i < machine->late_count; i++)
        if (machine->late[i] == mpn)
            return false;
    for (uint64_t i = 0; i < machine->free_count; i++)
        if (machine->free[i] == mpn)
            return false;
    return true;
}

bool hv_machine_alloc(struct hv_machine *machine, hv_mpn *mpn)
{
    pthread_mutex_lock(&machine->lock);
    if (machine->free_count == 0)
        give_back(machine);
    bool found = machine->free_count > 0;
    if (found) {
        mpn->n = machine->free[--machine->free_count];
        SHOW(hv_machine_page(machine, *mpn), HV_PAGE_BYTES);
    }
    uint64_t used = machine->pages - machine->free_count - machine->late_count;
    if (used > machine->used_peak)
        machine->used_peak = used;
    pthread_mutex_unlock(&machine->lock);
    return found;
}

void hv_machine_release(struct hv_machine *machine, const hv_mpn *mpns, size_t count)
{
    pthread_mutex_lock(&machine->lock);
    for (size_t i = 0; i < count; i++) {
        hv_assert(mpns[i].n < machine->pages);
        hv_assert_expensive(is_used(machine, mpns[i].n));
        if (machine->late_count == HV_MACHINE_BATCH)
            give_back(machine);
        machine->late[machine->late_count++] = (uint32_t)mpns[i].n;
        HIDE(hv_machine_page(machine, mpns[i]), HV_PAGE_BYTES);
    }
    pthread_mutex_unlock(&machine->lock);
}

void hv_machine_trim(struct hv_machine *machine)
{
    pthread_mutex_lock(&machine->lock);
    give_back(machine);
    pthread_mutex_unlock(&machine->lock);
}

uint64_t hv_machine_used(struct hv_machine *machine)
{
    pthread_mutex_lock(&machine->lock);
    uint64_t used = machine->pages - machine->free_count - machine->late_count;
    pthread_mutex_unlock(&machine->lock);
    return used;
}
