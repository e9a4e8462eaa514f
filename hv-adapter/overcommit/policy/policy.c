/* SPDX-License-Identifier: MIT */
/* The policies by name, and what they refuse. See policy.h. */
#include "overcommit/policy/policy.h"

#include <stdio.h>
#include <string.h>

#define POINTER(id) &hv_policy_##id,
const struct hv_policy *const hv_policies[] = {HV_POLICIES(POINTER) NULL};

const struct hv_policy *hv_policy_find(const char *name)
{
    for (const struct hv_policy *const *at = hv_policies; *at; at++)
        if (strcmp((*at)->name, name) == 0)
            return *at;
    return NULL;
}

const char *hv_policy_names(char *text, size_t nbytes)
{
    int end = snprintf(text, nbytes, "none");
    for (const struct hv_policy *const *at = hv_policies; *at && (size_t)end < nbytes; at++)
        end +=
            snprintf(text + end, nbytes - (size_t)end, "%s%s", at[1] ? ", " : " or ", (*at)->name);
    return text;
}

enum hv_policy_fault hv_policy_check(const struct hv_policy_input *input)
{
    uint64_t floors = 0;
    if (input->count == 0)
        return HV_POLICY_VM;
    for (unsigned i = 0; i < input->count; i++) {
        const struct hv_policy_vm *vm = &input->vms[i];
        if (vm->min_pages > vm->max_pages || vm->pages > vm->max_pages || vm->shares == 0 ||
            !(vm->active >= 0 && vm->active <= 1))
            return HV_POLICY_VM;
        floors += vm->min_pages;
    }
    if (floors > input->available_pages)
        return HV_POLICY_SHORT;
    if (input->tax == 1)
        return HV_POLICY_TAX_WHOLE;
    if (!(input->tax >= 0 && input->tax < 1))
        return HV_POLICY_TAX;
    return input->slack >= 0 ? HV_POLICY_GOOD : HV_POLICY_SLACK;
}

const char *hv_policy_fault_text(enum hv_policy_fault fault)
{
    static const char *const texts[] = {
        [HV_POLICY_GOOD] = "nothing is wrong",
        [HV_POLICY_VM] =
            "a VM needs min <= max, memory <= max, shares above 0, and an active "
            "fraction from 0 to 1",
        [HV_POLICY_SHORT] = "the VMs' minima together are more than the memory there is",
        [HV_POLICY_TAX] = "the tax is a fraction: at least 0, below 1",
        [HV_POLICY_TAX_WHOLE] =
            "a tax of 100 % is refused: it takes every idle page, so that a "
            "sudden rise in need finds nothing; 75 % leaves a quarter",
        [HV_POLICY_SLACK] = "the slack is a fraction of the active pages: at least 0",
    };
    return texts[fault];
}
