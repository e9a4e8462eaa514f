/* SPDX-License-Identifier: MIT */
/*
 * The deciding compare: every byte, of pages that are protected or never change.
 */
#ifndef SHARE_COMPARE_H
#define SHARE_COMPARE_H

#include "share.h"

#define SHARE_COMPARE_MAX 6u /* pairs compared at a time */

/* Two whole pages, any alignment. */
struct share_pair {
    const void *a, *b;
    bool equal;       /* the answer */
    const void *next; /* a page of which the beginning is fetched meanwhile, or NULL */
};

/* Compares up to SHARE_COMPARE_MAX pairs of pages. */
typedef void (*share_compare_fn)(struct share_pair *pairs, unsigned count);

/* The i-th variant that this machine can run, the fastest first; NULL after the last. */
share_compare_fn share_compare_variant(unsigned i);

bool share_page_is_zero(const void *page);

#endif
