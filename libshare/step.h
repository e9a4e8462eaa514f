/* SPDX-License-Identifier: MIT */
/*
 * Named places between two shared accesses. In the library they are nothing; built with SHARE_STEPS
 * for the schedule tests, each calls a hook that may switch to the other thread.
 */
#ifndef SHARE_STEP_H
#define SHARE_STEP_H

enum share_step {
    SHARE_STEP_CLAIM,   /* before a page is claimed for a look */
    SHARE_STEP_SWAP,    /* between reading a page's word and its compare-and-swap */
    SHARE_STEP_FIND,    /* before the table is asked */
    SHARE_STEP_DROP,    /* before a hint leaves the table */
    SHARE_STEP_PROTECT, /* before protect */
    SHARE_STEP_COMPARE, /* before the deciding compare */
    SHARE_STEP_COMMIT,  /* before the claim is re-checked */
    SHARE_STEP_PARTNER, /* between the two commits of a promotion, or before the zero frame's */
    SHARE_STEP_PROMOTE, /* between the partner's commit and its entry's in the table */
    SHARE_STEP_REMAP,   /* before a merge's remap */
    SHARE_STEP_FREE,    /* before a machine page is freed */
    SHARE_STEP_RETIRE,  /* before a frame's number may be used again */
    SHARE_STEP_RELEASE, /* before an owned page gets its last word */
    SHARE_STEP_BREAK,   /* before a break looks at its page */
    SHARE_STEP_COPY,    /* before a break copies */
    SHARE_STEP_MAPPED,  /* after a break's remap, before it drops its reference */
    SHARE_STEP_UNLINK,  /* after the last reference, before the frame leaves the table */
    SHARE_STEP_FORGET,  /* before a forget looks at its page, or a removal at its next 64 */
    SHARE_STEP_ENTER,   /* between counting itself in at a VM and asking whether it may be */
    SHARE_STEP_BATCH,   /* between choosing pages for a scanner and looking at them */
    SHARE_STEP_PAUSE,   /* waiting for somebody else */
    SHARE_STEPS_COUNT
};

#ifdef SHARE_STEPS
extern void (*share_step_hook)(enum share_step step);
static inline void share_step(enum share_step step)
{
    if (share_step_hook)
        share_step_hook(step);
}
#else
static inline void share_step(enum share_step step)
{
    (void)step;
}
#endif

#endif
