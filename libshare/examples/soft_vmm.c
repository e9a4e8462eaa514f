/* SPDX-License-Identifier: MIT */
/*
 * The smallest VMM that shares pages: software page tables, one thread.
 *
 * Two guests boot the same "image". The engine finds equal pages, maps them to one machine page and
 * frees the copy; a guest's write to such a page breaks it. Start here if your VMM walks its page
 * tables itself (an emulator, an interpreter).
 */
#include <share.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GUESTS = 2, GUEST_PAGES = 256, MACHINE_PAGES = 600 };

struct pte { /* one entry of a guest's physmap: PPN to MPN */
    uint64_t mpn;
    bool present;
    bool
        sharing; /* the engine's reason for write protection; other reasons would stand beside it */
};

struct vmm {
    unsigned char machine[MACHINE_PAGES][SHARE_PAGE_SIZE];
    bool used[MACHINE_PAGES];
    struct pte physmap[GUESTS][GUEST_PAGES]; /* indexed by the engine's VM number, here 0 and 1 */
    struct share *share;
};

static struct vmm the_vmm; /* 2 MiB: too large for the stack */

static bool resolve(void *ctx, struct share_vm_ref vm, share_ppn ppn, share_mpn *mpn) {
    struct pte *pte = &((struct vmm *)ctx)->physmap[vm.number][ppn.n];
    mpn->n = pte->mpn;
    return pte->present;
}

static bool next_present(void *ctx, struct share_vm_ref vm, share_ppn from, share_ppn *found) {
    for (*found = from; found->n < GUEST_PAGES; found->n++)
        if (((struct vmm *)ctx)->physmap[vm.number][found->n].present)
            return true;
    return false;
}

static const void *peek(void *ctx, share_mpn mpn) { return ((struct vmm *)ctx)->machine[mpn.n]; }

static void protect(void *ctx, struct share_protect *pages, size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct pte *pte = &((struct vmm *)ctx)->physmap[pages[i].vm.number][pages[i].ppn.n];
        bool fresh = pte->present && pte->mpn == pages[i].mpn.n;
        pte->sharing = fresh || pte->sharing;
        pages[i].answer = fresh ? SHARE_ANSWER_OK : SHARE_ANSWER_STALE;
    } /* a VMM with TLBs flushes them here, once for all pages, and waits */
}

static void unprotect(void *ctx, const struct share_protect *pages, size_t count) {
    for (size_t i = 0; i < count; i++)
        ((struct vmm *)ctx)->physmap[pages[i].vm.number][pages[i].ppn.n].sharing = false;
}

static void remap(void *ctx, struct share_remap *pages, size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct pte *pte = &((struct vmm *)ctx)->physmap[pages[i].vm.number][pages[i].ppn.n];
        bool fresh = pte->present && pte->mpn == pages[i].from.n;
        pages[i].answer = fresh ? SHARE_ANSWER_OK : SHARE_ANSWER_STALE;
        if (fresh)
            *pte = (struct pte){pages[i].to.n, true, !pages[i].writable};
    } /* flush the TLB before the engine frees the old page */
}

static bool alloc_page(void *ctx, struct share_vm_ref vm, share_mpn *mpn, void **bytes) {
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

static void free_pages(void *ctx, const share_mpn *mpns, size_t count, enum share_free_kind kind) {
    (void)kind;
    for (size_t i = 0; i < count; i++)
        ((struct vmm *)ctx)->used[mpns[i].n] = false;
}

static void guest_write(struct vmm *vmm, share_vm vm, uint64_t ppn, unsigned offset, char value) {
    while (vmm->physmap[vm][ppn].sharing) { /* the "page fault" */
        enum share_result result = share_break(vmm->share, vm, (share_ppn){ppn});
        if (result == SHARE_RETRY)
            result = share_wait(vmm->share, vm, (share_ppn){ppn});
        if (result != SHARE_OK) {
            printf("the guest must wait: %s\n", share_result_name(result)); /* NOMEM: find memory */
            exit(1);
        }
    }
    vmm->machine[vmm->physmap[vm][ppn].mpn][offset] = (unsigned char)value;
}

int main(void) {
    struct vmm *vmm = &the_vmm;
    static const struct share_ops ops = {sizeof ops, resolve,    next_present, peek,
                                         NULL,       protect,    unprotect,    remap,
                                         alloc_page, free_pages, NULL};
    struct share_config config = {.struct_size = sizeof config, .ops = &ops, .ops_ctx = vmm};
    enum share_result result = share_new(&config, &vmm->share);
    share_vm vm;
    for (int guest = 0; guest < GUESTS && result == SHARE_OK; guest++) {
        result = share_vm_add(vmm->share, 0, (share_ppn){0}, (share_ppn){GUEST_PAGES}, NULL, &vm);
        for (uint64_t ppn = 0; ppn < GUEST_PAGES; ppn++) { /* the image: a third of it is zero */
            void *bytes;
            share_mpn mpn;
            if (!alloc_page(vmm, (struct share_vm_ref){vm, NULL}, &mpn, &bytes))
                return 1;
            memset(bytes, ppn % 3 ? (int)ppn : 0, SHARE_PAGE_SIZE);
            vmm->physmap[vm][ppn] = (struct pte){mpn.n, true, false};
        }
        if (result == SHARE_OK) /* the guest is ready: the engine may look at it from here on */
            result = share_vm_start(vmm->share, vm);
    }
    if (result == SHARE_OK)
        result = share_now(vmm->share, 4, NULL);
    if (result != SHARE_OK)
        return printf("failed: %s\n", share_result_name(result)), 1;

    struct share_stats stats;
    share_stats(vmm->share, &stats);
    printf("%d pages: %lu shared, %lu reclaimed\n", GUESTS * GUEST_PAGES,
           (unsigned long)stats.shared_pages, (unsigned long)stats.reclaimed_pages);
    guest_write(vmm, 1, 7, 0, 'x');
    printf("after a write: guest 0 reads %d, guest 1 reads '%c'\n",
           vmm->machine[vmm->physmap[0][7].mpn][0], vmm->machine[vmm->physmap[1][7].mpn][0]);
    struct share_check_report report;
    bool sound = share_check(vmm->share, &report) == SHARE_OK;
    share_free(vmm->share);
    return sound && stats.reclaimed_pages > GUEST_PAGES ? 0 : 1;
}
