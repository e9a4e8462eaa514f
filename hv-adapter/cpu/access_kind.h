/* SPDX-License-Identifier: MIT */
/*
 * What a kind of access asks of a translation, and how it fails.
 */
#ifndef HV_ACCESS_KIND_H
#define HV_ACCESS_KIND_H

#include "hart.h"

/* HV_ALLOW_* that an access needs. */
static inline unsigned hv_access_needs(enum hv_access access)
{
    static const uint8_t all[] = {
        [HV_ACCESS_FETCH] = HV_ALLOW_EXEC,
        [HV_ACCESS_LOAD] = HV_ALLOW_READ,
        [HV_ACCESS_STORE] = HV_ALLOW_WRITE,
        [HV_ACCESS_AMO] = HV_ALLOW_READ | HV_ALLOW_WRITE,
    };
    return all[access];
}

static inline bool hv_access_stores(enum hv_access access)
{
    return access == HV_ACCESS_STORE || access == HV_ACCESS_AMO;
}

/* Nothing is there, whatever the guest's tables say. */
static inline enum hv_cause hv_access_fault(enum hv_access access)
{
    return access == HV_ACCESS_FETCH  ? HV_CAUSE_FETCH_ACCESS
           : access == HV_ACCESS_LOAD ? HV_CAUSE_LOAD_ACCESS
                                      : HV_CAUSE_STORE_ACCESS;
}

#endif
