/* SPDX-License-Identifier: MIT */
/* See page_compare.h. */
#include "page_compare.h"
#include "source.h"
#include <string.h>

static unsigned one_by_one(const uint8_t *const *a, const uint8_t *const *b, unsigned pairs)
{
    unsigned unequal = 0;
    for (unsigned i = 0; i < pairs; i++)
        unequal |= (unsigned)(memcmp(a[i], b[i], DS_PAGE_SIZE) != 0) << i;
    return unequal;
}

unsigned page_compare(const uint8_t *const *a, const uint8_t *const *b, unsigned pairs)
{
#if defined(__x86_64__)
    if (pairs == PAGE_PAIRS && __builtin_cpu_supports("avx512f"))
        return page_compare_avx512(a, b);
    if (pairs == PAGE_PAIRS && __builtin_cpu_supports("avx2"))
        return page_compare_avx2(a, b);
#endif
    return one_by_one(a, b, pairs);
}
