/* SPDX-License-Identifier: MIT */
/* Guest accesses: loads and stores under the page's protection. */
#include "vmm.h"
#include <string.h>

#if defined(__SANITIZE_THREAD__)
#define UNSEEN __attribute__((no_sanitize_thread, noinline))
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define UNSEEN __attribute__((no_sanitize("thread"), noinline))
#endif
#endif
#ifndef UNSEEN
#define UNSEEN
#endif

/*
 * A write that wins against a merge may run beside the compare that it defeats: by design, since no
 * writer waits for a compare, and its result is thrown away. The thread sanitizer must not see
 * those stores. It sees all others: to pages that were not unprotected since they were protected or
 * mapped.
 */
static void store_seen(void *at, uint64_t value)
{
    *(volatile uint64_t *)at = value;
}

UNSEEN static void store_unseen(void *at, uint64_t value)
{
    *(volatile uint64_t *)at = value;
}

enum share_result vmm_store_once(struct vmm *vmm, share_vm vm, unsigned slot, unsigned word,
                                 uint64_t value, unsigned *reasons)
{
    struct vmm_page *page = vmm_page(vmm, vm, slot);
    enum share_result result = SHARE_OK;
    vmm_lock(&page->lock);
    *reasons = page->reasons;
    if (!page->present)
        result = SHARE_GONE;
    else if (page->reasons)
        result = SHARE_RETRY;
    else
        (page->raced ? store_unseen : store_seen)(vmm_bytes(vmm, page->mpn) + word * 8, value);
    if (result == SHARE_OK)
        page->code = false; /* its mapping permits writes now */
    vmm_unlock(&page->lock);
    return result;
}

/* A fault for another reason than sharing: the dirty log notes the page and lets go of it. */
static void end_dirty_log(struct vmm *vmm, share_vm vm, unsigned slot)
{
    struct vmm_page *page = vmm_page(vmm, vm, slot);
    vmm_lock(&page->lock);
    page->reasons &= (uint8_t)~VMM_DIRTY_LOG;
    vmm_unlock(&page->lock);
}

enum share_result vmm_store(struct vmm *vmm, share_vm vm, unsigned slot, unsigned word,
                            uint64_t value)
{
    for (;;) {
        unsigned reasons;
        enum share_result result = vmm_store_once(vmm, vm, slot, word, value, &reasons);
        if (result != SHARE_RETRY)
            return result;
        if (reasons & VMM_DIRTY_LOG)
            end_dirty_log(vmm, vm, slot);
        if (!(reasons & VMM_SHARING))
            continue;
        result = share_break(vmm->share, vm, vmm_ppn(vmm, vm, slot));
        if (result == SHARE_RETRY)
            result = share_wait(vmm->share, vm, vmm_ppn(vmm, vm, slot));
        if (result != SHARE_OK)
            return result;
    }
}

enum share_result vmm_write(struct vmm *vmm, share_vm vm, unsigned slot, struct vmm_content content)
{
    enum share_result result = vmm_store(vmm, vm, slot, 0, content.head);
    return result == SHARE_OK ? vmm_store(vmm, vm, slot, VMM_WORDS - 1, content.tail) : result;
}

bool vmm_reads(struct vmm *vmm, share_vm vm, unsigned slot, struct vmm_content content)
{
    static const unsigned char zero[SHARE_PAGE_SIZE];
    struct vmm_page *page = vmm_page(vmm, vm, slot);
    vmm_lock(&page->lock);
    const unsigned char *bytes = page->present ? vmm_bytes(vmm, page->mpn) : NULL;
    bool same = bytes && memcmp(bytes, &content.head, 8) == 0 &&
                memcmp(bytes + SHARE_PAGE_SIZE - 8, &content.tail, 8) == 0 &&
                memcmp(bytes + 8, zero, SHARE_PAGE_SIZE - 16) == 0;
    vmm_unlock(&page->lock);
    return same;
}
