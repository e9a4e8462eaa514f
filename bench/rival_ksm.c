/* SPDX-License-Identifier: MIT */
/* Linux KSM as a rival, with smart_scan off and on. */
#include "ksm.h"
#include "rival.h"
#include <stdlib.h>
#include <string.h>

struct rival_area {
    struct ksm_area area;
    const struct pages *pages;
};

static void *open_area(const struct pages *pages, bool smart_scan)
{
    struct rival_area *rival = malloc(sizeof *rival);
    if (!rival || !ksm_begin(smart_scan) || !ksm_area_map(&rival->area, pages)) {
        ksm_end();
        free(rival);
        return NULL;
    }
    rival->pages = pages;
    return rival;
}

static void *open_plain(const struct pages *pages, const struct suite *suite)
{
    (void)suite;
    return open_area(pages, false);
}

static void *open_smart(const struct pages *pages, const struct suite *suite)
{
    (void)suite;
    return open_area(pages, true);
}

static double share(void *rival, double *cpu_s)
{
    const struct rival_area *area = rival;
    return ksm_share(pages_copies_within(area->pages, ksm_sharing_max()), cpu_s);
}

static double pass(void *rival)
{
    (void)rival;
    return ksm_scan_cpu_s(2);
}

static uint64_t frames(void *rival)
{
    return ksm_area_frames(&((struct rival_area *)rival)->area);
}

static uint64_t metadata_bytes(void *rival)
{
    (void)rival;
    return ksm_metadata_bytes();
}

static bool write_word(void *rival, uint64_t page, uint64_t word, uint64_t value)
{
    unsigned char *bytes = ((struct rival_area *)rival)->area.bytes;
    volatile uint64_t *words = (uint64_t *)(void *)(bytes + page * SHARE_PAGE_SIZE);
    words[word] = value;
    return true;
}

static void close_area(void *rival)
{
    ksm_area_unmap(&((struct rival_area *)rival)->area);
    ksm_end();
    free(rival);
}

#define KSM_KIND(NAME, OPEN)                                                        \
    {                                                                               \
        .name = NAME, .open = OPEN, .share = share, .pass = pass, .frames = frames, \
        .metadata_bytes = metadata_bytes, .write = write_word, .close = close_area  \
    }

const struct rival_kind rival_ksm = KSM_KIND("ksm", open_plain);
const struct rival_kind rival_ksm_smart = KSM_KIND("ksm_smart", open_smart);
