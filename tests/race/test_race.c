/* SPDX-License-Identifier: MIT */
/*
 * Real threads: scanners, offers, guests that write, pages and VMs that come and go, and audits in
 * between. Each guest page belongs to one writer, which knows what it must read. For the thread and
 * address sanitizers: `test_race --seconds N --seed N`.
 */
#include "random.h"
#include "vmm.h"
#include <pthread.h>
#include <string.h>
#include <time.h>

#define VMS      3u  /* that stay */
#define SLOTS    96u /* pages a VM */
#define WRITERS  3u  /* writer w has the slots of all VMs with slot % WRITERS == w */
#define CONTENTS 4u

struct race {
    struct vmm *vmm;
    _Atomic uint32_t stop;
    /* share_check wants every page that the engine holds to be mapped: no page may be between its
     * unmapping and share_forget meanwhile. No op takes this lock. */
    pthread_rwlock_t leaving;
    struct {
        bool present;
        struct vmm_content content;
    } page[VMS][SLOTS];
};

struct worker {
    unsigned number;
    uint64_t random;
    uint64_t rounds;
    pthread_t thread;
};

static struct race race;

static bool stopped(void)
{
    return atomic_load_explicit(&race.stop, memory_order_relaxed);
}

/* -------------------------------------------------------------------------------- scanners -- */

static void *scan(void *arg)
{
    struct worker *self = arg;
    for (; !stopped(); self->rounds++) {
        static const enum share_order orders[] = {SHARE_SEQUENTIAL, SHARE_RANDOM, SHARE_DIRTY};
        enum share_order order = orders[random_to(&self->random, 3)];
        uint32_t flags = random_to(&self->random, 2) ? SHARE_SCAN_ALL : 0;
        MUST(share_scan(race.vmm->share, order, flags, random_to(&self->random, 300), NULL) ==
             SHARE_OK);
    }
    return NULL;
}

static void *offer(void *arg)
{
    struct worker *self = arg;
    for (; !stopped(); self->rounds++) {
        share_ppn ppns[SLOTS];
        share_vm vm = random_to(&self->random, VMS);
        unsigned count = random_to(&self->random, SLOTS), first = random_to(&self->random, SLOTS);
        for (unsigned i = 0; i < count; i++)
            ppns[i] = vmm_ppn(race.vmm, vm, (first + i) % SLOTS);
        MUST(share_offer(race.vmm->share, vm, ppns, count, NULL) == SHARE_OK);
    }
    return NULL;
}

/* --------------------------------------------------------------------------------- writers -- */

static void write_page(struct worker *self, share_vm vm, unsigned slot)
{
    bool head = random_to(&self->random, 2);
    uint64_t value = random_to(&self->random, CONTENTS);
    enum share_result result = vmm_store(race.vmm, vm, slot, head ? 0 : VMM_WORDS - 1, value);
    MUST(result == SHARE_OK || result == SHARE_NOMEM);
    if (result == SHARE_OK)
        *(head ? &race.page[vm][slot].content.head : &race.page[vm][slot].content.tail) = value;
}

static void forget_page(share_vm vm, unsigned slot)
{
    pthread_rwlock_rdlock(&race.leaving);
    vmm_forget(race.vmm, vm, slot);
    pthread_rwlock_unlock(&race.leaving);
    race.page[vm][slot].present = false;
}

static void fill_page(struct worker *self, share_vm vm, unsigned slot)
{
    struct vmm_content content = {random_to(&self->random, CONTENTS), 0};
    if (!vmm_populate(race.vmm, vm, slot, content))
        return;
    race.page[vm][slot].present = true;
    race.page[vm][slot].content = content;
}

static void *write_pages(void *arg)
{
    struct worker *self = arg;
    for (; !stopped(); self->rounds++) {
        share_vm vm = random_to(&self->random, VMS);
        unsigned slot = random_to(&self->random, SLOTS / WRITERS) * WRITERS + self->number;
        share_ppn ppn = vmm_ppn(race.vmm, vm, slot);
        uint32_t what = random_to(&self->random, 64);
        if (!race.page[vm][slot].present)
            fill_page(self, vm, slot);
        else if (what == 0)
            forget_page(vm, slot);
        else if (what == 1)
            MUST(share_break(race.vmm->share, vm, ppn) != SHARE_FAIL);
        else if (what < 4)
            MUST(share_dirty(race.vmm->share, vm, &ppn, 1) == SHARE_OK);
        else
            write_page(self, vm, slot);
        if (race.page[vm][slot].present)
            MUST(vmm_reads(race.vmm, vm, slot, race.page[vm][slot].content));
    }
    return NULL;
}

/* ------------------------------------------------------------------------ VMs, and audits -- */

/* A VM comes, is filled with what the others have, and leaves; groups change, too. */
static void *come_and_go(void *arg)
{
    struct worker *self = arg;
    share_group second;
    MUST(share_group_add(race.vmm->share, true, &second) == SHARE_OK);
    for (; !stopped(); self->rounds++) {
        share_vm vm = vmm_add(race.vmm, 0, 64 * random_to(&self->random, 4), 0);
        for (unsigned slot = 0; slot < SLOTS; slot++)
            vmm_populate(race.vmm, vm, slot,
                         (struct vmm_content){random_to(&self->random, CONTENTS), 0});
        share_ppn ppns[SLOTS];
        for (unsigned slot = 0; slot < SLOTS; slot++)
            ppns[slot] = vmm_ppn(race.vmm, vm, slot);
        MUST(share_offer(race.vmm->share, vm, ppns, SLOTS, NULL) == SHARE_OK);
        if (random_to(&self->random, 2)) {
            enum share_result result;
            while ((result = share_vm_regroup(race.vmm->share, vm, second)) == SHARE_RETRY)
                ;                                              /* memory is on its way */
            MUST(result == SHARE_OK || result == SHARE_NOMEM); /* nobody pins */
        }
        pthread_rwlock_rdlock(&race.leaving);
        vmm_remove(race.vmm, vm, true);
        pthread_rwlock_unlock(&race.leaving);
    }
    return NULL;
}

static void *audit(void *arg)
{
    struct worker *self = arg;
    for (; !stopped(); self->rounds++) {
        struct share_stats stats;
        struct share_vm_usage usage;
        pthread_rwlock_wrlock(&race.leaving);
        struct share_check_report report;
        MUST(share_check(race.vmm->share, &report) == SHARE_OK);
        pthread_rwlock_unlock(&race.leaving);
        for (unsigned i = 0; i < 100 && !stopped(); i++) {
            share_stats(race.vmm->share, &stats);
            MUST(share_vm_usage(race.vmm->share, i % VMS, &usage) == SHARE_OK);
            struct timespec pause = {.tv_nsec = 200000};
            nanosleep(&pause, NULL);
        }
    }
    return NULL;
}

/* ------------------------------------------------------------------------------------ main -- */

static void begin(void)
{
    unsigned pages = (VMS + 1) * SLOTS;
    race.vmm = vmm_new(VMS + 1, SLOTS, pages + pages / 4);
    race.vmm->offers_forgotten = true;
    vmm_engine(race.vmm, NULL, 1);
    pthread_rwlock_init(&race.leaving, NULL);
    for (share_vm vm = 0; vm < VMS; vm++)
        MUST(vmm_add(race.vmm, 0, 0, 0) == vm);
}

/* With all threads gone: contents, references, and the optimum. */
static void end(void)
{
    bool seen[CONTENTS][CONTENTS] = {{false}};
    unsigned needed = 0;
    MUST(share_now(race.vmm->share, 8, NULL) == SHARE_OK);
    for (share_vm vm = 0; vm < VMS; vm++)
        for (unsigned slot = 0; slot < SLOTS; slot++) {
            struct vmm_content content = race.page[vm][slot].content;
            if (!race.page[vm][slot].present)
                continue;
            MUST(vmm_reads(race.vmm, vm, slot, content));
            needed += !seen[content.head][content.tail];
            seen[content.head][content.tail] = true;
        }
    MUST(vmm_used(race.vmm) == needed);
    vmm_must_be_sound(race.vmm);
    for (share_vm vm = 0; vm < VMS; vm++)
        vmm_remove(race.vmm, vm, vm % 2);
    vmm_must_be_sound(race.vmm);
    MUST(vmm_used(race.vmm) == 0);
    share_free(race.vmm->share);
    vmm_free(race.vmm);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void *(*run)(void *);
    } jobs[] = {{"scan", scan},         {"scan", scan},         {"offer", offer},
                {"write", write_pages}, {"write", write_pages}, {"write", write_pages},
                {"VMs", come_and_go},   {"audit", audit}};
    enum { JOBS = sizeof jobs / sizeof *jobs };
    struct worker workers[JOBS];
    uint64_t seed = 1;
    double seconds = 4;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--seconds") == 0)
            seconds = strtod(argv[i + 1], NULL);
        if (strcmp(argv[i], "--seed") == 0)
            seed = strtoull(argv[i + 1], NULL, 0);
    }
    printf("seed %llu, %g seconds\n", (unsigned long long)seed, seconds);
    begin();
    for (unsigned i = 0; i < JOBS; i++) {
        workers[i] = (struct worker){.random = seed * 1000 + i};
        workers[i].number = i >= 3 ? i - 3 : i;
        MUST(pthread_create(&workers[i].thread, NULL, jobs[i].run, &workers[i]) == 0);
    }
    struct timespec length = {.tv_sec = (time_t)seconds,
                              .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&length, NULL);
    atomic_store(&race.stop, 1);
    for (unsigned i = 0; i < JOBS; i++) {
        pthread_join(workers[i].thread, NULL);
        printf("%s: %llu rounds\n", jobs[i].name, (unsigned long long)workers[i].rounds);
        MUST(workers[i].rounds > 0);
    }
    struct share_stats stats;
    share_stats(race.vmm->share, &stats);
    printf("%llu merged, %llu busy, %llu copied, %llu last, %llu abandoned, %llu retried\n",
           (unsigned long long)(stats.outcomes[SHARE_PROMOTED] + stats.outcomes[SHARE_JOINED] +
                                stats.outcomes[SHARE_ZERO]),
           (unsigned long long)stats.outcomes[SHARE_BUSY], (unsigned long long)stats.breaks_copied,
           (unsigned long long)stats.breaks_last, (unsigned long long)stats.breaks_abandoned,
           (unsigned long long)stats.breaks_retried);
    end();
    return 0;
}
