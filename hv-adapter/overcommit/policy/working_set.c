/* SPDX-License-Identifier: MIT */
/*
 * Working set: each VM gets what it uses and some slack.
 *     need = clamp(active pages * (1 + slack), min, max)
 * Is there more, shares divide the surplus. Is there less, what each needs above its min is scaled
 * down equally: nobody falls below min, and nobody's shares count in a shortage.
 * Source: P. J. Denning, The working set model for program behavior, CACM 11(5), 1968.
 */
#include "overcommit/policy/fill.h"
#include "overcommit/policy/policy.h"

static uint64_t need_of(const struct hv_policy_input *input, unsigned i)
{
    const struct hv_policy_vm *vm = &input->vms[i];
    double wanted = vm->active * (double)vm->pages * (1 + input->slack);
    if (wanted <= (double)vm->min_pages)
        return vm->min_pages;
    return wanted >= (double)vm->max_pages ? vm->max_pages : (uint64_t)wanted;
}

static void surplus(const void *ctx, unsigned i, struct hv_policy_claim *out)
{
    const struct hv_policy_input *input = ctx;
    uint64_t need = need_of(input, i);
    *out = (struct hv_policy_claim){.base = need,
                                    .low = need,
                                    .high = input->vms[i].max_pages,
                                    .rate = (double)input->vms[i].shares};
}

static void shortage(const void *ctx, unsigned i, struct hv_policy_claim *out)
{
    const struct hv_policy_input *input = ctx;
    uint64_t need = need_of(input, i), min = input->vms[i].min_pages;
    *out = (struct hv_policy_claim){
        .base = min, .low = min, .high = need, .rate = (double)(need - min)};
}

static void targets(const struct hv_policy_input *input, uint64_t *out)
{
    uint64_t needed = 0;
    for (unsigned i = 0; i < input->count; i++)
        needed += need_of(input, i);
    hv_policy_fill(input->count, input->available_pages,
                   needed <= input->available_pages ? surplus : shortage, input, out);
}

const struct hv_policy hv_policy_working_set = {
    .name = "working-set",
    .does = "what is in use and some slack; the rest by shares",
    .targets = targets,
};
