/* SPDX-License-Identifier: MIT */
/* The memory of all VMs but one: taken before a hostile guest acts, compared afterwards. Which
 * pages are present counts, too; which machine pages they are does not: merges may move them. */
#ifndef TESTS_HV_OTHERS_H
#define TESTS_HV_OTHERS_H

#include "inside.h"

struct others {
    const struct hv_world *world;
    const struct hv_vm *hostile;
    uint64_t pages, hash;
};

/* O(memory). Nobody runs meanwhile. */
struct others others_now(const struct hv_world *world, const struct hv_vm *hostile);
/* Ends the program if a byte changed (must.h). */
void others_must_be_same(const struct others *before);

#endif
