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
