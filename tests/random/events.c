/* SPDX-License-Identifier: MIT */
#include "events.h"
#include "guests.h"
#include "must.h"

#define FRAMES 65536u

static _Atomic int64_t refs[FRAMES];
static _Atomic uint64_t counts[SHARE_EVENT_ADOPT + 1];

static int change_of(const struct share_event *event)
{
    switch (event->kind) {
    case SHARE_EVENT_PARTNER:
    case SHARE_EVENT_ADOPT:
        return 1;
    case SHARE_EVENT_OFFER:
        return event->outcome == SHARE_PROMOTED || event->outcome == SHARE_JOINED ||
               event->outcome == SHARE_ZERO;
    default:
        return -1;
    }
}

static void hear(void *ctx, const struct share_event *event)
{
    (void)ctx;
    atomic_fetch_add(&counts[event->kind], 1);
    if (!change_of(event))
        return;
    MUST(event->frame && event->frame < FRAMES);
    atomic_fetch_add(&refs[event->frame], change_of(event));
}

const struct share_observer events_observer = {sizeof events_observer, hear, NULL};

void events_must_agree(share_vm vm, share_ppn ppn)
{
    struct share_page_info info;
    MUST(share_page_info(guests_share, vm, ppn, 1, &info) == SHARE_OK);
    if (info.state == SHARE_PAGE_SHARED)
        MUST(info.refs == atomic_load(&refs[info.frame]) && "events tell other references");
}

uint64_t events_count(enum share_event_kind kind)
{
    return atomic_load(&counts[kind]);
}
