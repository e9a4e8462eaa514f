/* SPDX-License-Identifier: MIT */
/*
 * The guests' side of the seam. Each op says now and then what the header permits: that a page is
 * absent, moved, pinned, an alias, or cannot be read; that there is no memory; or it fails.
 */
#ifndef OPS_H
#define OPS_H

#include <share.h>

extern const struct share_ops guest_ops;

/* Metadata: counted, and refused now and then. */
extern const struct share_alloc guest_alloc;
uint64_t guest_alloc_nbytes(void);

#endif
