/* SPDX-License-Identifier: MIT */
/*
 * Linux KSM at its fastest, for comparison: a private mapping that ksmd merges as quickly as it
 * can, and what that costs. One at a time in the whole system: KSM has one set of settings.
 *
 * Settings while it runs: advisor none, pages_to_scan without bound, no sleep, use_zero_pages 0,
 * smart_scan as asked, ksmd as nice as this process. They are shown on stderr, and put back by
 * ksm_end or by restore.h's guard, however the program ends.
 */
#ifndef BENCH_KSM_H
#define BENCH_KSM_H

#include "pages.h"

struct ksm_area {
    unsigned char *bytes; /* a copy of the set, in small pages, MADV_MERGEABLE */
    uint64_t count;
};

/* Why KSM cannot be compared with here; NULL if it can. */
const char *ksm_refusal(void);

/* Makes our settings. False if one cannot be kept or written. ksmd stands until ksm_share. */
bool ksm_begin(bool smart_scan);
/* Stops ksmd and puts the settings back. */
void ksm_end(void);

/* Maps and fills an area; false if there is no memory. */
bool ksm_area_map(struct ksm_area *area, const struct pages *pages);
void ksm_area_unmap(struct ksm_area *area);

/* Lets ksmd run until it has merged `copies` pages, or four whole scans merge none. Wall-clock
 * seconds until the last one was, and ksmd's CPU seconds until then; negative if ksmd cannot be
 * started. */
double ksm_share(uint64_t copies, double *cpu_s);

/* Physical pages that the area takes, from pagemap: KSM's own counters race and leave some out.
 * UINT64_MAX if it does not tell, or a page is not in memory. */
uint64_t ksm_area_frames(const struct ksm_area *area);

/* What KSM holds for the pages of this process: an rmap_item for each page scanned, whose size the
 * kernel's own sum of profits tells, and a stable node of 64 bytes for each content shared. 0 if
 * the kernel does not say. */
uint64_t ksm_metadata_bytes(void);

/* Pages that may share one of KSM's, at most: max_page_sharing. */
uint64_t ksm_sharing_max(void);

/* Lets ksmd go on for `scans` whole scans. CPU seconds a scan; negative if scans stop coming. */
double ksm_scan_cpu_s(unsigned scans);

#endif
