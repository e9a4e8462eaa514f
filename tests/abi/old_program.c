/* SPDX-License-Identifier: MIT */
/*
 * A program of the time of libshare 0.2.0: built against the header kept from then, run with a
 * later library. Two guests of eight equal pages are shared and broken; every number must be right,
 * and nothing may be written beside a struct that the library fills. Guards stand around each.
 */
#include <share.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GUESTS = 2, GUEST_PAGES = 8, MACHINE_PAGES = 20, GUARD_NBYTES = 512, GUARD = 0xc5 };

#define MUST(condition)                                                   \
    do {                                                                  \
        if (!(condition)) {                                               \
            printf("line %d: does not hold: %s\n", __LINE__, #condition); \
            exit(1);                                                      \
        }                                                                 \
    } while (0)

/* A struct, or several, that the library fills. */
#define GUARDED(type, count)                \
    struct {                                \
        unsigned char before[GUARD_NBYTES]; \
        type it[count];                     \
        unsigned char after[GUARD_NBYTES];  \
    }

static void must_stand(const unsigned char *guard)
{
    for (int i = 0; i < GUARD_NBYTES; i++)
        MUST(guard[i] == GUARD);
}

/* Everything is set to GUARD: what the library leaves alone shows, too. */
#define FILL(guarded)       memset(&(guarded), GUARD, sizeof(guarded))
#define MUST_STAND(guarded) (must_stand((guarded).before), must_stand((guarded).after))

struct pte {
    uint64_t mpn;
    bool present, sharing;
};

struct vmm {
    unsigned char machine[MACHINE_PAGES][SHARE_PAGE_SIZE];
    bool used[MACHINE_PAGES];
    struct pte physmap[GUESTS][GUEST_PAGES];
    struct share *share;
    unsigned events[SHARE_EVENT_FORGET + 1];
};

static struct vmm the_vmm;

static struct pte *pte_of(void *ctx, struct share_vm_ref vm, share_ppn ppn)
{
    MUST(vm.owner == ctx);
    return &((struct vmm *)ctx)->physmap[vm.number][ppn.n];
}

static bool resolve(void *ctx, struct share_vm_ref vm, share_ppn ppn, share_mpn *mpn)
{
    mpn->n = pte_of(ctx, vm, ppn)->mpn;
    return pte_of(ctx, vm, ppn)->present;
}

static bool next_present(void *ctx, struct share_vm_ref vm, share_ppn from, share_ppn *found)
{
    for (*found = from; found->n < GUEST_PAGES; found->n++)
        if (pte_of(ctx, vm, *found)->present)
            return true;
    return false;
}

static const void *peek(void *ctx, share_mpn mpn)
{
    return ((struct vmm *)ctx)->machine[mpn.n];
}

static void protect(void *ctx, struct share_protect *pages, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct pte *pte = pte_of(ctx, pages[i].vm, pages[i].ppn);
        bool fresh = pte->present && pte->mpn == pages[i].mpn.n;
        pte->sharing |= fresh;
        pages[i].answer = fresh ? SHARE_ANSWER_OK : SHARE_ANSWER_STALE;
    }
}

static void unprotect(void *ctx, const struct share_protect *pages, size_t count)
{
    for (size_t i = 0; i < count; i++)
        pte_of(ctx, pages[i].vm, pages[i].ppn)->sharing = false;
}

static void remap(void *ctx, struct share_remap *pages, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct pte *pte = pte_of(ctx, pages[i].vm, pages[i].ppn);
        bool fresh = pte->present && pte->mpn == pages[i].from.n;
        pages[i].answer = fresh ? SHARE_ANSWER_OK : SHARE_ANSWER_STALE;
        if (fresh)
            *pte = (struct pte){pages[i].to.n, true, !pages[i].writable};
    }
}

static bool alloc_page(void *ctx, struct share_vm_ref vm, share_mpn *mpn, void **bytes)
{
    struct vmm *vmm = ctx;
    (void)vm;
    for (mpn->n = 0; mpn->n < MACHINE_PAGES; mpn->n++)
        if (!vmm->used[mpn->n]) {
            vmm->used[mpn->n] = true;
            *bytes = vmm->machine[mpn->n];
            return true;
        }
    return false;
}

static void free_pages(void *ctx, const share_mpn *mpns, size_t count, enum share_free_kind kind)
{
    (void)kind;
    for (size_t i = 0; i < count; i++)
        ((struct vmm *)ctx)->used[mpns[i].n] = false;
}

static void observe(void *ctx, const struct share_event *event)
{
    MUST(event->struct_size >= sizeof *event);
    MUST(event->kind <= SHARE_EVENT_FORGET);
    ((struct vmm *)ctx)->events[event->kind]++;
}

static void *take_memory(void *ctx, size_t nbytes, size_t alignment)
{
    (void)ctx;
    return aligned_alloc(alignment, (nbytes + alignment - 1) / alignment * alignment);
}

static void give_memory(void *ctx, void *memory, size_t nbytes)
{
    (void)ctx;
    (void)nbytes;
    free(memory);
}

/* Two pages of zeros, and six that are all different. */
static void boot(struct vmm *vmm, share_vm vm)
{
    for (uint64_t ppn = 0; ppn < GUEST_PAGES; ppn++) {
        void *bytes;
        share_mpn mpn;
        MUST(alloc_page(vmm, (struct share_vm_ref){vm, vmm}, &mpn, &bytes));
        memset(bytes, ppn < 2 ? 0 : (int)ppn, SHARE_PAGE_SIZE);
        vmm->physmap[vm][ppn] = (struct pte){mpn.n, true, false};
    }
    MUST(share_vm_start(vmm->share, vm) == SHARE_OK);
}

static void begin(struct vmm *vmm)
{
    static const struct share_ops ops = {sizeof ops, resolve,    next_present, peek,
                                         NULL,       protect,    unprotect,    remap,
                                         alloc_page, free_pages, NULL};
    struct share_alloc alloc = {sizeof alloc, take_memory, give_memory, NULL};
    struct share_observer observer = {sizeof observer, observe, vmm};
    struct share_config config = {.struct_size = sizeof config,
                                  .ops = &ops,
                                  .ops_ctx = vmm,
                                  .alloc = &alloc,
                                  .observer = &observer,
                                  .salt = 7,
                                  .flags = SHARE_SALT_GIVEN};
    MUST(share_new(&config, &vmm->share) == SHARE_OK);
    for (int guest = 0; guest < GUESTS; guest++) {
        share_vm vm;
        MUST(share_vm_add(vmm->share, 0, (share_ppn){0}, (share_ppn){GUEST_PAGES}, vmm, &vm) ==
             SHARE_OK);
        boot(vmm, vm);
    }
}

/* Zero pages go at once; of the others the first guest's are hinted, the second one's promoted. */
static void pages_are_shared(struct vmm *vmm)
{
    GUARDED(struct share_scan_report, 1) report;
    FILL(report);
    MUST(share_now(vmm->share, 4, report.it) == SHARE_OK);
    MUST_STAND(report);
    MUST(report.it->looked_pages == 32 && report.it->merged_pages == 10);
    MUST(report.it->changed_pages == 0 && report.it->passes == 2);
    MUST(report.it->outcomes[SHARE_ALREADY] == 16);
    for (int o = SHARE_OUTCOMES; o < SHARE_OUTCOMES_MAX; o++)
        MUST(report.it->outcomes[o] == 0);
    MUST(vmm->events[SHARE_EVENT_OFFER] == 32 && vmm->events[SHARE_EVENT_PARTNER] == 6);

    FILL(report);
    MUST(share_scan(vmm->share, SHARE_DIRTY, 0, 100, report.it) == SHARE_OK);
    MUST_STAND(report);
    MUST(report.it->looked_pages == 0 && report.it->outcomes[SHARE_ALREADY] == 0);
}

static void write_page(struct vmm *vmm, share_vm vm, uint64_t ppn)
{
    MUST(vmm->physmap[vm][ppn].sharing);
    MUST(share_break(vmm->share, vm, (share_ppn){ppn}) == SHARE_OK);
    MUST(!vmm->physmap[vm][ppn].sharing);
    vmm->machine[vmm->physmap[vm][ppn].mpn][0] = 'x';
}

/* A copy, the last reference, and a page that goes. */
static void pages_leave(struct vmm *vmm)
{
    enum share_owner owner;
    write_page(vmm, 1, 7);
    MUST(vmm->machine[vmm->physmap[0][7].mpn][0] == 7);
    write_page(vmm, 0, 7);
    vmm->physmap[1][6].present = false;
    MUST(share_forget(vmm->share, 1, (share_ppn){6}, &owner) == SHARE_OK);
    MUST(owner == SHARE_OWNER_ENGINE);
    MUST(vmm->events[SHARE_EVENT_BREAK] == 1 && vmm->events[SHARE_EVENT_BREAK_LAST] == 1);
    MUST(vmm->events[SHARE_EVENT_FORGET] == 1);
}

static void engine_counts(struct vmm *vmm)
{
    GUARDED(struct share_stats, 1) stats;
    FILL(stats);
    share_stats(vmm->share, stats.it);
    MUST_STAND(stats);
    MUST(stats.it->offered_pages == 32 && stats.it->outcomes[SHARE_HINTED] == 6);
    MUST(stats.it->outcomes[SHARE_PROMOTED] == 6 && stats.it->outcomes[SHARE_ZERO] == 4);
    MUST(stats.it->breaks_copied == 1 && stats.it->breaks_last == 1 && stats.it->forgets == 1);
    MUST(stats.it->framed_pages == 13 && stats.it->frames == 6);
    MUST(stats.it->shared_pages == 12 && stats.it->reclaimed_pages == 7);
    MUST(stats.it->vms == 2 && stats.it->passes == 2 && stats.it->op_errors == 0);
    FILL(stats);
    MUST(share_vm_stats(vmm->share, 0, stats.it) == SHARE_OK);
    MUST_STAND(stats);
    MUST(stats.it->offered_pages == 16 && stats.it->breaks_last == 1 && stats.it->frames == 0);
}

static void pages_tell(struct vmm *vmm)
{
    GUARDED(struct share_page_info, GUEST_PAGES) pages;
    FILL(pages);
    MUST(share_page_info(vmm->share, 0, (share_ppn){0}, GUEST_PAGES, pages.it) == SHARE_OK);
    MUST_STAND(pages);
    for (uint64_t ppn = 0; ppn < GUEST_PAGES; ppn++) {
        const struct share_page_info *page = &pages.it[ppn];
        uint32_t refs = ppn < 2 ? 4 : ppn == 6 ? 1 : 2;
        MUST(page->state == (ppn == 7 ? SHARE_PAGE_PRIVATE : SHARE_PAGE_SHARED));
        MUST(page->zero == (ppn < 2) && page->backoff == 0 && page->hash_top == 0);
        MUST(ppn == 7 || (page->refs == refs && page->mpn.n == vmm->physmap[0][ppn].mpn));
    }
    GUARDED(struct share_vm_usage, 1) usage;
    FILL(usage);
    MUST(share_vm_usage(vmm->share, 0, usage.it) == SHARE_OK);
    MUST_STAND(usage);
    MUST(usage.it->shared_pages == 6 && usage.it->zero_pages == 2 && usage.it->single_pages == 1);
    MUST(usage.it->charge_pages == 2 * 0.25 + 4 * 0.5 + 1);
}

static void audit_passes(struct vmm *vmm)
{
    GUARDED(struct share_check_report, 1) report;
    FILL(report);
    MUST(share_check(vmm->share, report.it) == SHARE_OK);
    MUST_STAND(report);
    MUST(report.it->reason == NULL);
}

int main(void)
{
    begin(&the_vmm);
    pages_are_shared(&the_vmm);
    pages_leave(&the_vmm);
    engine_counts(&the_vmm);
    pages_tell(&the_vmm);
    audit_passes(&the_vmm);
    share_free(the_vmm.share);
    puts("as ever");
    return 0;
}
