/* SPDX-License-Identifier: MIT */
/*
 * Sharing the memory of this very process: a memfd is the machine, userfaultfd write-protects.
 *
 * Two threads write while the main thread scans, and no write is ever lost. A page is remapped by
 * mmap over it, read-only until it is protected: a writer in that window gets SIGSEGV and tries
 * again. Only the engine remaps here, so no answer is ever STALE.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <share.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PAGES = 512, POOL = 2 * PAGES, WRITERS = 2, PASSES = 300, NBYTES = SHARE_PAGE_SIZE };
static int uffd, memfd;
static struct share *engine;
static share_vm vm;
static char *guest, *machine; /* the guest's view; the whole pool, for the engine */
static _Atomic uint64_t physmap[PAGES];
static _Atomic bool used[POOL];
static _Atomic bool stop;

static void must(bool ok, const char *what) {
    if (!ok)
        perror(what), exit(77); /* no userfaultfd here: tests skip */
}

/* The kernel flushes the TLBs before it returns; taking protection away wakes waiting writers. */
static void set_protection(uint64_t ppn, bool on) {
    struct uffdio_writeprotect wp = {{(uintptr_t)guest + ppn * NBYTES, NBYTES}, on};
    must(ioctl(uffd, UFFDIO_WRITEPROTECT, &wp) == 0, "write-protect");
}

static void map_page(uint64_t ppn, uint64_t mpn, bool writable) {
    char *at = guest + ppn * NBYTES;
    void *got = mmap(at, NBYTES, PROT_READ, MAP_SHARED | MAP_FIXED, memfd, (off_t)mpn * NBYTES);
    struct uffdio_register reg = {{(uintptr_t)at, NBYTES}, UFFDIO_REGISTER_MODE_WP, 0};
    must(got == at && ioctl(uffd, UFFDIO_REGISTER, &reg) == 0, "map and register");
    if (!writable)
        set_protection(ppn, true);
    must(mprotect(at, NBYTES, PROT_READ | PROT_WRITE) == 0, "mprotect");
    physmap[ppn] = mpn;
}

static bool resolve(void *ctx, struct share_vm_ref v, share_ppn ppn, share_mpn *mpn) {
    return mpn->n = physmap[ppn.n], true;
}
static bool next_present(void *ctx, struct share_vm_ref v, share_ppn from, share_ppn *found) {
    return *found = from, from.n < PAGES;
}
static const void *peek(void *ctx, share_mpn mpn) { return machine + mpn.n * NBYTES; }
static void protect(void *ctx, struct share_protect *pages, size_t count) {
    for (size_t i = 0; i < count; pages[i++].answer = SHARE_ANSWER_OK)
        set_protection(pages[i].ppn.n, true);
}
static void unprotect(void *ctx, const struct share_protect *pages, size_t count) {
    for (size_t i = 0; i < count; i++)
        set_protection(pages[i].ppn.n, false);
}
static void remap(void *ctx, struct share_remap *pages, size_t count) {
    for (size_t i = 0; i < count; pages[i++].answer = SHARE_ANSWER_OK)
        map_page(pages[i].ppn.n, pages[i].to.n, pages[i].writable);
}
static bool alloc_page(void *ctx, struct share_vm_ref v, share_mpn *mpn, void **bytes) {
    for (mpn->n = 0; mpn->n < POOL && atomic_exchange(&used[mpn->n], true); mpn->n++)
        ;
    *bytes = machine + mpn->n * NBYTES;
    return mpn->n < POOL;
}
static void free_pages(void *ctx, const share_mpn *mpns, size_t count, enum share_free_kind kind) {
    (void)kind;
    const int give_back = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE; /* really, to the host */
    for (size_t i = 0; i < count; used[mpns[i++].n] = false)
        fallocate(memfd, give_back, (off_t)(mpns[i].n * NBYTES), NBYTES);
}

static void try_again(int signal_number) { /* the page is being remapped */
}
static void *serve_faults(void *arg) {
    for (struct uffd_msg msg; read(uffd, &msg, sizeof msg) == sizeof msg;) {
        uint64_t ppn = (msg.arg.pagefault.address - (uintptr_t)guest) / NBYTES;
        struct uffdio_range range = {(uintptr_t)guest + ppn * NBYTES, NBYTES};
        enum share_result result = share_break(engine, vm, (share_ppn){ppn});
        if (result == SHARE_RETRY)
            result = share_wait(engine, vm, (share_ppn){ppn});
        must(result == SHARE_OK, "break"); /* or it faults again, and will have been moved */
        must(ioctl(uffd, UFFDIO_WAKE, &range) == 0, "wake");
    }
    return NULL;
}

/* One word of random pages, to zero every other time, so that pages become equal again. */
static void *write_words(void *arg) {
    unsigned seed = (unsigned)(uintptr_t)arg + 1;
    static uint64_t last[WRITERS][PAGES];
    uint64_t *mine = last[(uintptr_t)arg], lost = 0;
    for (uint64_t i = 1; !stop; i++) {
        unsigned page = (unsigned)rand_r(&seed) % PAGES;
        volatile uint64_t *word = (uint64_t *)(guest + page * NBYTES) + (uintptr_t)arg;
        lost += *word != mine[page];
        *word = mine[page] = mine[page] ? 0 : i;
    }
    return (void *)(uintptr_t)lost;
}

static void map_machine(void) {
    struct uffdio_api api = {.api = UFFD_API, .features = UFFD_FEATURE_WP_HUGETLBFS_SHMEM};
    uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
    must(uffd >= 0 && ioctl(uffd, UFFDIO_API, &api) == 0, "userfaultfd");
    memfd = memfd_create("machine", MFD_CLOEXEC);
    must(memfd >= 0 && ftruncate(memfd, (off_t)POOL * NBYTES) == 0, "memfd");
    machine = mmap(NULL, POOL * NBYTES, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
    guest = mmap(NULL, PAGES * NBYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(machine != MAP_FAILED && guest != MAP_FAILED, "mmap");
    for (uint64_t ppn = 0; ppn < PAGES; used[ppn++] = true)
        map_page(ppn, ppn, true);
}

int main(void) {
    static const struct share_ops ops = {sizeof ops, resolve,    next_present, peek,
                                         NULL,       protect,    unprotect,    remap,
                                         alloc_page, free_pages, NULL};
    struct share_config config = {.struct_size = sizeof config, .ops = &ops};
    pthread_t server, writer[WRITERS];
    uintptr_t lost = 0, lost_here;
    map_machine();
    signal(SIGSEGV, try_again);
    must(!share_new(&config, &engine), "engine");
    must(!share_vm_add(engine, 0, (share_ppn){0}, (share_ppn){PAGES}, NULL, &vm), "VM");
    must(!share_vm_start(engine, vm), "VM");
    pthread_create(&server, NULL, serve_faults, NULL);
    for (uintptr_t i = 0; i < WRITERS; i++)
        pthread_create(&writer[i], NULL, write_words, (void *)i);
    for (int pass = 0; pass < PASSES; pass++)
        must(!share_scan(engine, SHARE_SEQUENTIAL, SHARE_SCAN_ALL, UINT64_MAX, NULL), "scan");
    stop = true;
    for (int i = 0; i < WRITERS; i++, lost += lost_here)
        pthread_join(writer[i], (void **)&lost_here);
    struct share_stats stats;
    share_stats(engine, &stats);
    printf("%zu breaks, %zu writes lost\n", (size_t)stats.breaks_copied, (size_t)lost);
    return lost != 0;
}
