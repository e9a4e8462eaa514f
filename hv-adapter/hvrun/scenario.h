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

enum { SCENARIO_WORD_MAX = 32 };

struct scenario_vm {
    char name[SCENARIO_WORD_MAX];
    char workload[SCENARIO_WORD_MAX];
    uint64_t memory_bytes, min_bytes, disk_bytes;
    uint64_t balloon_bytes; /* without a policy: from the start */
    uint64_t active_kib;    /* in use from the start */
    uint64_t shares;
    bool arrives; /* by an event; else it is there from the start */
};

enum scenario_what {
    SCENARIO_TAX,    /* the tax is another one from then on */
    SCENARIO_ACTIVE, /* a VM uses so much from then on; 0: it is idle */
    SCENARIO_ARRIVE, /* a VM comes */
    SCENARIO_LEAVE,  /* a VM is ended */
};

struct scenario_event {
    double at; /* seconds; events are in order of time */
    enum scenario_what what;
    double tax;
    unsigned vm; /* all but the tax's */
    uint64_t active_kib;
};

struct scenario {
    char title[128];
    uint64_t memory_bytes;          /* of the host, for all VMs */
    const struct hv_policy *policy; /* NULL: none */
    double tax, slack;
    double period, seconds;
    bool sharing, census;
    uint64_t scan_rate;
    char *swap_file;     /* owned; NULL: one without a name */
    uint64_t swap_bytes; /* 0: as large as need be */
    unsigned vms_count, events_count;
    struct scenario_vm
        *vms; /* owned: those that are there from the start, then those that arrive */
    struct scenario_event *events; /* owned */
};

/* False after a message on stderr that says where and what. Release with scenario_fini in any case.
 */
bool scenario_read(struct scenario *scenario, const char *path);
void scenario_fini(struct scenario *scenario);
/* A fraction, a percentage as "50%", or a name: default, taught, none. False: none of these. What a
 * policy refuses is not judged here. */
bool scenario_tax(const char *text, double *tax);
/* "none" gives NULL. False: there is no such policy. */
bool scenario_policy(const char *name, const struct hv_policy **policy);

#endif
