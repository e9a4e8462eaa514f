/* SPDX-License-Identifier: MIT */
/*
 * A `struct share_alloc` over a jemalloc arena of its own, for programs that link jemalloc anyway.
 * Not part of libshare: linking libjemalloc replaces malloc in the whole program.
 */
#ifndef SHARE_JEMALLOC_H
#define SHARE_JEMALLOC_H

#include "share.h"

/* Makes an arena. False if jemalloc refuses. The arena and what is still in it go with fini. */
bool share_jemalloc_init(struct share_alloc *alloc);
void share_jemalloc_fini(struct share_alloc *alloc);

#endif
