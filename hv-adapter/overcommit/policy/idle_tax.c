/* SPDX-License-Identifier: MIT */
/*
 * Shares adjusted by a tax on idle memory.
 *
 * A VM pays 1 for a page in use and k = 1 / (1 - tax) for an idle one. With f its active fraction
 * and S its shares, rho = S / (P * (f + k * (1 - f))) is what it pays a page; memory goes from the
 * lowest rho to others, and rests when all that are not held by min or max are equal:
 *     P = level * S / (f + k * (1 - f))
 * At a tax of 0 a page is a page: pure shares. At 1 an idle page would cost infinitely much: every
 * VM would keep what it uses this moment, and a sudden rise in need would find nothing.
 * Source: Waldspurger 2002, 5.2.
 */
#include "overcommit/policy/fill.h"
#include "overcommit/policy/policy.h"

static void claim(const void *ctx, unsigned i, struct hv_policy_claim *out)
{
    const struct hv_policy_input *input = ctx;
    const struct hv_policy_vm *vm = &input->vms[i];
    double k = 1 / (1 - input->tax);
    double price = vm->active + k * (1 - vm->active); /* of an average page of this VM */
    *out = (struct hv_policy_claim){
        .low = vm->min_pages, .high = vm->max_pages, .rate = (double)vm->shares / price};
}

static void targets(const struct hv_policy_input *input, uint64_t *out)
{
    hv_policy_fill(input->count, input->available_pages, claim, input, out);
}

const struct hv_policy hv_policy_idle_tax = {
    .name = "idle-tax",
    .does = "in proportion to shares, where an idle page counts as 1 / (1 - tax) pages",
    .targets = targets,
};
