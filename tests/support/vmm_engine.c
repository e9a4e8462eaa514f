/* SPDX-License-Identifier: MIT */
/* The fake VMM's calls into the engine. */
#include "engine.h" /* what only tests set */
#include "vmm.h"

struct share *vmm_engine(struct vmm *vmm, const struct share_alloc *alloc, uint64_t salt)
{
    struct share_config config = {.struct_size = sizeof config,
                                  .ops = &vmm_ops,
                                  .ops_ctx = vmm,
                                  .alloc = alloc,
                                  .salt = salt,
                                  .order_seed = salt,
                                  .flags = SHARE_SALT_GIVEN};
    MUST(share_new(&config, &vmm->share) == SHARE_OK);
    return vmm->share;
}

void vmm_weaken_hash(struct vmm *vmm, uint64_t mask)
{
    struct share *share = vmm->share;
    share->hash_mask = mask;
    share_secret_init(&share_group_at(share, 0)->secret, share->salt, 0, mask);
}

struct share_page_info vmm_info(const struct vmm *vmm, share_vm vm, unsigned slot)
{
    struct share_page_info info;
    MUST(share_page_info(vmm->share, vm, vmm_ppn(vmm, vm, slot), 1, &info) == SHARE_OK);
    return info;
}

enum share_outcome vmm_offer(struct vmm *vmm, share_vm vm, unsigned slot)
{
    share_ppn ppn = vmm_ppn(vmm, vm, slot);
    enum share_outcome outcome = SHARE_OUTCOMES;
    enum share_result result = share_offer(vmm->share, vm, &ppn, 1, &outcome);
    MUST(result == SHARE_OK || outcome == SHARE_ERROR);
    return outcome;
}

/* VMs of so many pages: the same contents in each. */
static struct vmm *new_guests(unsigned vms, unsigned slots)
{
    struct vmm *vmm = vmm_new(vms, slots, vms * slots + 4);
    vmm_engine(vmm, NULL, 1);
    for (unsigned i = 0; i < vms; i++) {
        share_vm vm = vmm_add(vmm, 0, 0, 0);
        for (unsigned slot = 0; slot < slots; slot++)
            MUST(vmm_populate(vmm, vm, slot, (struct vmm_content){1 + slot, 0}));
    }
    return vmm;
}

struct vmm *vmm_new_guest(unsigned slots)
{
    return new_guests(1, slots);
}

struct vmm *vmm_new_pair(void)
{
    return new_guests(2, 2);
}

share_mpn vmm_mpn(const struct vmm *vmm, share_vm vm, unsigned slot)
{
    return (share_mpn){vmm->mpn_base + vmm_page(vmm, vm, slot)->mpn};
}

struct share_scan_report vmm_scan(struct vmm *vmm, uint32_t flags)
{
    struct share_scan_report report;
    MUST(share_scan(vmm->share, SHARE_SEQUENTIAL, flags, UINT64_MAX, &report) == SHARE_OK);
    return report;
}

enum share_result vmm_adopt_all(struct vmm *vmm)
{
    struct share_adopt_run *runs = calloc(vmm->slots, sizeof *runs);
    MUST(runs);
    for (unsigned slot = 0; slot < vmm->slots; slot++)
        runs[slot] = (struct share_adopt_run){
            .ppn = vmm_ppn(vmm, 0, slot), .mpn = vmm_mpn(vmm, 0, slot), .count = 1};
    enum share_result result = share_adopt(vmm->share, 0, runs, vmm->slots, 0);
    free(runs);
    return result;
}

enum share_answer vmm_refuse_the_last(struct vmm *vmm, enum vmm_op op, share_vm vm, share_ppn ppn)
{
    bool last = ppn.n == vmm_ppn(vmm, vm, vmm->slots - 1).n;
    return op == VMM_PROTECT && last ? SHARE_ANSWER_FAIL : SHARE_ANSWER_OK;
}

void vmm_must_be_sound(struct vmm *vmm)
{
    struct share_check_report report;
    enum share_result result = share_check(vmm->share, &report);
    if (result != SHARE_OK)
        fprintf(stderr, "share_check: %s (vm %u, ppn %llu)\n", report.reason ? report.reason : "?",
                report.vm, (unsigned long long)report.ppn.n);
    MUST(result == SHARE_OK);
    vmm_audit(vmm);
}

void vmm_end(struct vmm *vmm)
{
    vmm_must_be_sound(vmm);
    share_free(vmm->share);
    vmm_free(vmm);
}
