/* SPDX-License-Identifier: MIT */
/*
 * Page numbers, one type each, so that a guest's number is never taken for the host's.
 */
#ifndef HV_PAGES_H
#define HV_PAGES_H

#include <stdint.h>

#define HV_PAGE_SHIFT 12
#define HV_PAGE_BYTES UINT64_C(4096)

typedef struct hv_vpn {
    uint64_t n; /* of a guest process's virtual page */
} hv_vpn;
typedef struct hv_ppn {
    uint64_t n; /* of a guest's "physical" page */
} hv_ppn;
typedef struct hv_mpn {
    uint64_t n; /* of a machine page: its place in the host mapping */
} hv_mpn;

static inline hv_ppn hv_ppn_of(uint64_t gpa)
{
    return (hv_ppn){gpa >> HV_PAGE_SHIFT};
}

static inline uint64_t hv_page_offset(uint64_t address)
{
    return address & (HV_PAGE_BYTES - 1);
}

#endif
