/* SPDX-License-Identifier: MIT */
/* What ends a VM. See ending.h. */
#include "vm/ending.h"

#include <stdio.h>
#include <string.h>

#include "hv_assert.h"
#include "vm/vm.h"

/* The sequences of ending.h. */
static bool may_become(enum hv_state from, enum hv_state to)
{
    return to == HV_FAILED || (from < HV_ENDED && from != to);
}

static void become(struct hv_vm *vm, enum hv_state to)
{
    hv_assert(may_become(vm->state, to));
    vm->state = to;
}

void hv_vm_fail(struct hv_vm *vm, const char *why)
{
    if (vm->state != HV_FAILED)
        snprintf(vm->reason, sizeof vm->reason, "%s", why);
    become(vm, HV_FAILED);
    hv_hart_kick(vm->hart);
}

void hv_vm_end(struct hv_vm *vm, const char *why)
{
    if (vm->state == HV_FAILED) /* its hart came to this before it saw the kick */
        return;
    snprintf(vm->reason, sizeof vm->reason, "%s", why);
    become(vm, HV_ENDED);
}

/* Behind a newline, and what Linux puts before a message: "[    0.123456] ". */
static bool begins_line(const char *text, const char *at)
{
    if (at - text >= 2 && at[-1] == ' ' && at[-2] == ']')
        for (at -= 2; at > text && strchr(" .0123456789", at[-1]);)
            at--;
    if (at > text && at[-1] == '[')
        at--;
    return at == text || at[-1] == '\n';
}

/* A kernel says so when it can go on no more. Anybody in the guest can say it, too: it counts only
 * when the guest resets next. */
static bool says_panic(const char *printed)
{
    static const char words[] = "Kernel panic - not syncing";
    const char *at = printed;
    while ((at = strstr(at, words)) && !begins_line(printed, at))
        at++;
    return at != NULL;
}

void hv_vm_reset(struct hv_vm *vm, bool failure, const char *printed)
{
    if (says_panic(printed))
        hv_vm_fail(vm, "the guest's kernel panicked");
    else if (failure)
        hv_vm_fail(vm, "the guest says: system failure");
    else
        hv_vm_end(vm, "rebooted"); /* nobody boots it again */
}

/* Every tick since then was an exception. No guest comes back from that. */
void hv_vm_notice_trap_loop(struct hv_vm *vm, const struct hv_hart_stats *before)
{
    enum { SURE = 1000 };
    struct hv_hart_stats now = hv_hart_stats(vm->hart);
    if (now.ticks - before->ticks > SURE && now.instructions == before->instructions)
        hv_vm_fail(vm, "the guest's trap handler traps for ever (is this a kernel?)");
}

enum hv_state hv_vm_state(const struct hv_vm *vm)
{
    return vm->state;
}

const char *hv_vm_reason(const struct hv_vm *vm)
{
    return vm->reason;
}

void hv_vm_stop(struct hv_vm *vm)
{
    if (vm->state == HV_RUNNING_VM)
        become(vm, HV_STOPPED);
}

void hv_vm_resume(struct hv_vm *vm)
{
    if (vm->state == HV_STOPPED)
        become(vm, HV_RUNNING_VM);
}
