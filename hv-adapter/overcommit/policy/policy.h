/* SPDX-License-Identifier: MIT */
/*
 * Who gets how much memory: pure functions from what was measured to targets.
 *
 * Every policy keeps these, whatever it is told:
 *     min_pages <= target <= max_pages
 *     sum of targets = min(available_pages, sum of max_pages), less than a page a VM below it
 *     a VM's target depends on what the VMs are, not on their order
 *
 * Policies differ in one number a VM: how fast its target grows while memory is handed out. All of
 * them end in hv_policy_fill. A new policy is one file and a line in HV_POLICIES.
 *
 * Threads: any; nothing is kept.
 * Source: C. A. Waldspurger, Memory Resource Management in VMware ESX Server, OSDI 2002, 5.
 */
#ifndef HV_POLICY_H
#define HV_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One VM as the policy sees it. */
struct hv_policy_vm {
    uint64_t min_pages; /* guaranteed */
    uint64_t max_pages; /* the size it sees; at least min_pages */
    uint64_t shares;    /* its claim relative to others'; at least 1 */
    uint64_t pages;     /* that it has now, <= max_pages */
    double active;      /* fraction of `pages` in use, 0 to 1 */
};

struct hv_policy_input {
    const struct hv_policy_vm *vms; /* borrowed */
    unsigned count;                 /* at least 1 */
    uint64_t available_pages;       /* for all of them; at least the sum of min_pages */
    double tax;   /* idle-tax: fraction of idle memory that may be taken, [0, 1) */
    double slack; /* working-set: what is added to the active pages, as fraction */
};

/* What hv_policy_check says of an input. */
enum hv_policy_fault {
    HV_POLICY_GOOD,
    HV_POLICY_VM,        /* a VM's min, max, shares or active are out of range */
    HV_POLICY_SHORT,     /* the floors alone are more than there is */
    HV_POLICY_TAX,       /* not a fraction */
    HV_POLICY_TAX_WHOLE, /* a tax of 1: see hv_policy_fault_text */
    HV_POLICY_SLACK,     /* negative */
};

struct hv_policy {
    const char *name;
    const char *does; /* for a person: one line */
    /* targets[i] is of vms[i]. The input passed hv_policy_check. O(count), about 100 rounds. */
    void (*targets)(const struct hv_policy_input *input, uint64_t *targets);
};

/* Every policy there is: hv_policy_NAME in a file of its own. A new one is a file and a line here.
 */
#define HV_POLICIES(each) each(shares) each(working_set) each(idle_tax)

#define HV_POLICY_DECLARE(id) extern const struct hv_policy hv_policy_##id;
HV_POLICIES(HV_POLICY_DECLARE)

/* All of them, ended by NULL; one by its name, or NULL. */
extern const struct hv_policy *const hv_policies[];
const struct hv_policy *hv_policy_find(const char *name);
/* For a person: "none, shares, ... or idle-tax", into text, cut to nbytes. Returns text. */
const char *hv_policy_names(char *text, size_t nbytes);

enum hv_policy_fault hv_policy_check(const struct hv_policy_input *input);
/* For a person: what is wrong, and why that is not allowed. */
const char *hv_policy_fault_text(enum hv_policy_fault fault);

/*
 * Taxes with a name. A page that is idle costs its owner k = 1 / (1 - tax) of one in use.
 *   - 0.75, ESX's default: an idle page costs as much as 4 in use.
 *   - 0.50, as lectures teach it: 2.
 */
#define HV_TAX_DEFAULT 0.75
#define HV_TAX_TAUGHT  0.50
#define HV_TAX_NONE    0.0

/* A quarter more than is in use, so that a VM that grows finds room until the next look. */
#define HV_SLACK_DEFAULT 0.25

#endif
