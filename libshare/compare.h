/* SPDX-License-Identifier: MIT */
/*
 * The deciding compare: every byte, of pages that are protected or never change.
 */
#ifndef SHARE_COMPARE_H
#define SHARE_COMPARE_H

#include "share.h"

bool share_pages_equal(const void *a, const void *b);
bool share_page_is_zero(const void *page);

#endif
