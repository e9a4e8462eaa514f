/* SPDX-License-Identifier: MIT */
/* Hands memory out to claims that grow together. Internal to policy/. */
#ifndef HV_POLICY_FILL_H
#define HV_POLICY_FILL_H

#include <stdint.h>

/* At level l a claim is for clamp(base + l * rate, low, high) pages. */
struct hv_policy_claim {
    uint64_t base, low, high; /* pages; base <= high, low <= high < 2^44 */
    double rate;              /* pages a level; positive unless low = high */
};

/*
 * pages[i] = what claim(i) comes to, cut to whole pages, at the highest level at which all of them
 * together are for at most `available`; that is at least the sum of low. `claim` fills *out for VM
 * i of ctx.
 */
void hv_policy_fill(unsigned count, uint64_t available,
                    void (*claim)(const void *ctx, unsigned i, struct hv_policy_claim *out),
                    const void *ctx, uint64_t *pages);

#endif
