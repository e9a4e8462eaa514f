/* SPDX-License-Identifier: MIT */
/*
 * One scenario, again and again: the k-th allocation of metadata fails, or the k-th machine page,
 * or the k-th answer of an op, for every k until nothing fails any more. After each failure the
 * engine is sound, every guest page holds what its guest wrote, and all goes on.
 */
#include "metadata.h"
#include "vmm.h"
#include <string.h>

#define VMS   3u
#define SLOTS 70u

enum victim { METADATA, ALLOC, PEEK, PROTECT, REMAP, VICTIMS };

static const char *const victim_names[] = {"metadata", "alloc", "peek", "protect", "remap"};

static struct metadata metadata;
static struct vmm *vmm;
static enum victim victim;
static enum share_answer how;
static uint64_t ops_until_failure; /* 0: none */
static bool failed;
static struct vmm_content content[VMS][SLOTS];
static bool present[VMS][SLOTS];

static enum share_answer answer(struct vmm *same, enum vmm_op op, share_vm vm, share_ppn ppn)
{
    static const enum vmm_op ops[] = {
        [ALLOC] = VMM_ALLOC, [PEEK] = VMM_PEEK, [PROTECT] = VMM_PROTECT, [REMAP] = VMM_REMAP};
    (void)same;
    (void)vm;
    (void)ppn;
    if (victim == METADATA || op != ops[victim] || !ops_until_failure || --ops_until_failure)
        return SHARE_ANSWER_OK;
    failed = true;
    return how;
}

static bool refuse(void *ctx)
{
    (void)ctx;
    if (victim != METADATA || !ops_until_failure || --ops_until_failure)
        return false;
    failed = true;
    return true;
}

/* Nothing fails while we look. */
static void check(void)
{
    uint64_t pending = ops_until_failure;
    ops_until_failure = 0;
    for (share_vm vm = 0; vm < VMS; vm++)
        for (unsigned slot = 0; slot < SLOTS; slot++)
            MUST(!present[vm][slot] || vmm_reads(vmm, vm, slot, content[vm][slot]));
    vmm_must_be_sound(vmm);
    ops_until_failure = pending;
}

/* ------------------------------------------------------------------------------- scenario -- */

static void populate(share_vm vm, unsigned slot, uint64_t head)
{
    content[vm][slot] = (struct vmm_content){head, 0};
    present[vm][slot] = vmm_populate(vmm, vm, slot, content[vm][slot]);
    MUST(present[vm][slot]);
}

static void add_vms(void)
{
    for (share_vm i = 0; i < VMS; i++) {
        share_vm vm;
        while (vmm_try_add(vmm, 0, 64 * i, i, &vm) != SHARE_OK)
            check();
        MUST(vm == i);
        for (unsigned slot = 0; slot < SLOTS; slot++)
            populate(vm, slot, slot % 9 * (slot % 2));
    }
}

static void offer(share_vm vm)
{
    share_ppn ppns[SLOTS];
    enum share_outcome outcomes[SLOTS];
    for (unsigned slot = 0; slot < SLOTS; slot++)
        ppns[slot] = vmm_ppn(vmm, vm, slot);
    enum share_result result = share_offer(vmm->share, vm, ppns, SLOTS, outcomes);
    MUST(result == SHARE_OK || (result == SHARE_NOMEM && failed));
    check();
}

static void write_some(share_vm vm, unsigned first, unsigned step, uint64_t head)
{
    for (unsigned slot = first; slot < SLOTS; slot += step) {
        enum share_result result = vmm_store(vmm, vm, slot, 0, head);
        if (result == SHARE_OK)
            content[vm][slot].head = head;
        MUST(result == SHARE_OK || failed);
    }
    check();
}

static void forget_some(share_vm vm, unsigned first, unsigned step)
{
    for (unsigned slot = first; slot < SLOTS; slot += step) {
        vmm_forget(vmm, vm, slot);
        present[vm][slot] = false;
    }
    check();
}

/* Each call that can fail must, if it did, succeed when it is made again. */
static void use(void)
{
    struct share *share = vmm->share;
    struct share_check_report report;
    share_group group = 0;
    add_vms();
    for (share_vm vm = 0; vm < VMS; vm++)
        offer(vm);
    write_some(1, 0, 3, 5);
    forget_some(2, 0, 4);
    for (unsigned slot = 0; slot < SLOTS; slot += 4)
        populate(2, slot, 7);
    share_ppn ppn = vmm_ppn(vmm, 2, 4);
    MUST(share_dirty(share, 2, &ppn, 1) == SHARE_OK || failed);
    check();
    MUST(share_scan(share, SHARE_RANDOM, 0, 100, NULL) == SHARE_OK || failed);
    check();
    while (share_group_add(share, true, &group) != SHARE_OK)
        check();
    while (share_vm_regroup(share, 1, group) != SHARE_OK)
        check();
    MUST(share_now(share, 6, NULL) == SHARE_OK || failed);
    check();
    enum share_result result = share_check(share, &report);
    MUST(result == SHARE_OK || failed);
    write_some(0, 1, 2, 6);
    write_some(2, 0, 1, 8);
    /* What failed once has had its chance by now. */
    MUST(share_now(share, 6, NULL) == SHARE_OK || failed);
    MUST(share_now(share, 6, NULL) == SHARE_OK);
    check();
}

/* The scenario with the k-th failing; false if it was over before. */
static bool run(uint64_t k)
{
    struct share_config config = {.struct_size = sizeof config,
                                  .ops = &vmm_ops,
                                  .alloc = &metadata.alloc,
                                  .salt = 3,
                                  .flags = SHARE_SALT_GIVEN};
    metadata_init(&metadata);
    metadata.refuse = refuse;
    vmm = vmm_new(VMS, SLOTS, 2 * VMS * SLOTS);
    vmm->answer = answer;
    config.ops_ctx = vmm;
    memset(present, 0, sizeof present);
    failed = false;
    ops_until_failure = k;
    while (share_new(&config, &vmm->share) != SHARE_OK)
        MUST(failed && metadata.blocks == 0);
    use();
    for (share_vm vm = 0; vm < VMS; vm++)
        vmm_remove(vmm, vm, vm % 2);
    memset(present, 0, sizeof present);
    check();
    MUST(vmm_used(vmm) == 0);
    share_free(vmm->share);
    MUST(metadata.blocks == 0);
    vmm_free(vmm);
    return failed;
}

int main(void)
{
    static const enum share_answer answers[] = {SHARE_ANSWER_FAIL, SHARE_ANSWER_BUSY,
                                                SHARE_ANSWER_STALE};
    static char note[100];
    must_note = note;
    for (victim = 0; victim < VICTIMS; victim++)
        for (unsigned a = 0; a < (victim >= PROTECT ? 3u : 1u); a++) {
            uint64_t k = 1;
            how = answers[a];
            do
                snprintf(note, sizeof note, "%s, answer %d, number %llu", victim_names[victim],
                         (int)how, (unsigned long long)k);
            while (run(k++));
            printf("%s, answer %d: %llu failures\n", victim_names[victim], (int)how,
                   (unsigned long long)(k - 2));
            MUST(k > 3);
        }
    return 0;
}
