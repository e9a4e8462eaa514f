/* SPDX-License-Identifier: MIT */
/* Whole-page compares. The C library's memcmp runs at memory bandwidth on pages that are equal. */
#include "compare.h"
#include <string.h>

bool share_pages_equal(const void *a, const void *b)
{
    return memcmp(a, b, SHARE_PAGE_SIZE) == 0;
}

/* A page is zero if its first word is and it equals itself moved by that word. */
bool share_page_is_zero(const void *page)
{
    const unsigned char *bytes = page;
    static const unsigned char zero[64];
    return memcmp(bytes, zero, sizeof zero) == 0 &&
           memcmp(bytes, bytes + sizeof zero, SHARE_PAGE_SIZE - sizeof zero) == 0;
}
