/* SPDX-License-Identifier: MIT */
/* Hypercalls of a paravirtualized guest, from the VMM's side; guest/hypercall.h says what they do.
 */
#ifndef HV_RESIDENCE_HYPERCALL_H
#define HV_RESIDENCE_HYPERCALL_H

#include <stdint.h>

#include "guest/hypercall.h"

struct hv_vm;

struct hv_hypercall_answer {
    int64_t error; /* enum hv_para_result */
    uint64_t value;
};

/* One call, its arguments in the hart's registers. By the thread that runs the hart; no lock held.
 */
struct hv_hypercall_answer hv_hypercall(struct hv_vm *vm, uint64_t call);

#endif
