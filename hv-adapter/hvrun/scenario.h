/* SPDX-License-Identifier: MIT */
/*
 * A scenario: which VMs share how much memory under which policy, and what happens when. A JSON
 * file (hvrun overcommit --help has the keys); sizes are words as "64M", times virtual seconds.
 */
#ifndef HVRUN_SCENARIO_H
#define HVRUN_SCENARIO_H

#include <stdbool.h>
#include <stdint.h>

#include "overcommit/policy/policy.h"

enum { SCENARIO_VMS_MAX = 64, SCENARIO_EVENTS_MAX = 256, SCENARIO_WORD_MAX = 32 };

struct scenario_vm {
    char name[SCENARIO_WORD_MAX];
    char workload[SCENARIO_WORD_MAX];
    uint64_t memory_bytes, min_bytes, disk_bytes;
    uint64_t balloon_bytes; /* without a policy: from the start */
    uint64_t active_kib;    /* in use from the start */
    unsigned shares;
};

struct scenario_event {
    double at;           /* seconds; events are in order of time */
    bool is_tax;         /* else a VM's */
    double tax;          /* is_tax: from then on */
    unsigned vm;         /* else: this VM ... */
    uint64_t active_kib; /* ... uses so much from then on; 0: it is idle */
};

struct scenario {
    char title[128];
    uint64_t memory_bytes;          /* of the host, for all VMs */
    const struct hv_policy *policy; /* NULL: none */
    double tax, slack;
    double period, seconds;
    bool sharing, census;
    uint64_t scan_rate;
    unsigned vms_count, events_count;
    struct scenario_vm vms[SCENARIO_VMS_MAX];
    struct scenario_event events[SCENARIO_EVENTS_MAX];
};

/* False after a message on stderr that says where and what. */
bool scenario_read(struct scenario *scenario, const char *path);
/* A fraction, a percentage as "50%", or a name: default, taught, none. False: none of these. What a
 * policy refuses is not judged here. */
bool scenario_tax(const char *text, double *tax);
/* "none" gives NULL. False: there is no such policy. */
bool scenario_policy(const char *name, const struct hv_policy **policy);

#endif
