/* SPDX-License-Identifier: MIT */
/*
 * Guest pages that exist only while somebody reads them, so that millions of them need no memory:
 * page (vm, ppn) has a number, vm * pages_per_vm + ppn, and its content is made of content(number)
 * on peek. A content of 0 is the zero page. Not for threads.
 */
#ifndef GENERATOR_H
#define GENERATOR_H

#include "share.h"

#define GENERATOR_PEEKS SHARE_PEEKS_MAX /* what the engine promises: more of them end the test */

struct generator {
    uint64_t pages_per_vm, vms;
    uint64_t (*content)(uint64_t number);
    uint32_t *mpn;        /* what each page maps, or NULL: page n maps MPN n for ever (immutable) */
    uint64_t freed_pages; /* by the engine */
    uint64_t peeks;
    struct {
        bool used;
        _Alignas(64) unsigned char bytes[SHARE_PAGE_SIZE];
    } peek[GENERATOR_PEEKS];
};

extern const struct share_ops generator_ops;

/* An engine over it with libc's allocator, and its VMs, all in group 0. */
struct share *generator_engine(struct generator *generator);

#endif
