/* SPDX-License-Identifier: MIT */
/*
 * A hart's TLB, and threads that are not the hart's.
 *
 * Idea: the thread that runs a hart changes its TLB; while no thread runs it, any thread may, under
 * the VM's lock. A thread that wants another thread's hart to forget a page leaves a request, kicks
 * the hart, and waits until it has obeyed between two instructions. Only then may the page be
 * compared, as no thread can write it, or be freed: *flush the TLB before a frame is reused*.
 *
 * A thread that calls the engine out of an instruction of its hart (a break, a page given up)
 * pauses the hart first. The instruction will look again, so a paused hart holds no translation but
 * what its TLB holds, and that is changed for it. A thread that waits for a hart holds no lock, and
 * its own hart is paused: so no thread waits for one that waits.
 *
 * Cost: nothing but a lock while one thread runs everything. Otherwise a request ends the other
 * hart's run at its next taken branch (cpu/hart.h), a page of instructions later at most.
 * Source: D. Black et al., Translation Lookaside Buffer Consistency (ASPLOS 1989), for the
 * protocol.
 */
#ifndef HV_SHOOTDOWN_H
#define HV_SHOOTDOWN_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "memory/pages.h"

struct hv_vm;

enum hv_shootdown_kind { HV_SHOOT_WRITES, HV_SHOOT_PAGE }; /* the right to write, everything */

enum { HV_SHOOTDOWN_REQUESTS = 16 }; /* that wait; more become one for the whole TLB */

/*
 * Owned by the VM's lock. Not running: nothing waits (obeyed = asked). Running: obeyed <= asked.
 *     not running -> running    begin_run, resume      running -> not running    end_run, pause
 */
struct hv_shootdown {
    bool running;           /* `runner` executes the hart and has not paused it */
    pthread_t runner;       /* valid while running */
    uint64_t asked, obeyed; /* requests ever; asked - obeyed wait */
    pthread_cond_t obeys;   /* obeyed has grown */
    bool everything;        /* the whole TLB */
    unsigned count;
    struct {
        hv_mpn mpn;
        enum hv_shootdown_kind kind;
    } request[HV_SHOOTDOWN_REQUESTS];
};

void hv_shootdown_init(struct hv_shootdown *shootdown);
void hv_shootdown_fini(struct hv_shootdown *shootdown);

/* Around each hv_hart_run, by the thread that runs it; no lock held. */
void hv_shootdown_begin_run(struct hv_vm *vm);
void hv_shootdown_end_run(struct hv_vm *vm);
/* Around calls of the engine that may wait for other harts; no lock held. Does nothing, and says so
 * to resume, if this thread does not run the VM's hart. */
bool hv_shootdown_pause(struct hv_vm *vm);
void hv_shootdown_resume(struct hv_vm *vm, bool paused);

/* With the VM's lock: the hart forgets this page (or only that it may be written), or everything;
 * at once, or when hv_shootdown_wait returns. */
void hv_shootdown_page(struct hv_vm *vm, hv_mpn mpn, enum hv_shootdown_kind kind);
void hv_shootdown_all(struct hv_vm *vm);
/* Waits until the hart has obeyed all that was asked before; no lock held. */
void hv_shootdown_wait(struct hv_vm *vm);

#endif
