/* SPDX-License-Identifier: MIT */
/* Pure shares: memory in proportion to shares, whatever it is used for; max and min bind.
 * Source: Waldspurger 2002, 5.1. */
#include "overcommit/policy/fill.h"
#include "overcommit/policy/policy.h"

static void claim(const void *ctx, unsigned i, struct hv_policy_claim *out)
{
    const struct hv_policy_vm *vm = &((const struct hv_policy_input *)ctx)->vms[i];
    *out = (struct hv_policy_claim){
        .low = vm->min_pages, .high = vm->max_pages, .rate = (double)vm->shares};
}

static void targets(const struct hv_policy_input *input, uint64_t *out)
{
    hv_policy_fill(input->count, input->available_pages, claim, input, out);
}

const struct hv_policy hv_policy_shares = {
    .name = "shares",
    .does = "in proportion to shares, used or not",
    .targets = targets,
};
