/* SPDX-License-Identifier: MIT */
/* What the rest of the VMM asks of the sharing engine. See share_glue.c. No lock held. */
#ifndef HV_SHARE_GLUE_H
#define HV_SHARE_GLUE_H

#include <share.h>
#include <stdbool.h>

#include "memory/pages.h"

struct hv_vm;

extern const struct share_ops hv_share_ops; /* ctx is the struct hv_commons */

/* The VM becomes known to the engine, if there is one. False: it takes no more. */
bool hv_share_join(struct hv_vm *vm);
/* The engine forgets the VM, whose pages have all departed. */
void hv_share_leave(struct hv_vm *vm);

/* Takes a page from its frame so that it may be written. False: the VM has failed. */
bool hv_share_break(struct hv_vm *vm, hv_ppn ppn);
/* The engine forgets a page that is not mapped any more. Whether its machine page is the caller's
 * now; else the engine has it. */
bool hv_share_forget(struct hv_vm *vm, hv_ppn ppn);
/* Has the engine look at one page. False: it could not. */
bool hv_share_offer(struct hv_vm *vm, hv_ppn ppn, enum share_outcome *outcome);

static inline bool hv_share_merged(enum share_outcome outcome)
{
    return outcome == SHARE_PROMOTED || outcome == SHARE_JOINED || outcome == SHARE_ZERO;
}

#endif
