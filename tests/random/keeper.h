/* SPDX-License-Identifier: MIT */
/* What the keeper of some guests does. */
#ifndef KEEPER_H
#define KEEPER_H

#include "guests.h"

struct keeper {
    struct guest *guest; /* so many in a row */
    unsigned guests;
};

extern share_group keeper_groups[3];      /* the last one does not share */
extern _Atomic uint64_t keeper_unplugged; /* how often memory was */

/* One random step. */
void keeper_step(struct keeper *keeper);

/* A guest's VM comes, with some pages; false: no memory. */
bool keeper_add(struct guest *guest);
/* It goes. `asks`: each page is forgotten first; else what nobody maps is ours in the end. */
void keeper_remove(struct guest *guest, bool asks);

/* A random word for a page: there are few of them, so that many pages are equal, and now and then
 * one that is seldom. */
uint64_t keeper_value(void);

/* declare.c: what was declared is counted, by the number of times that it was so. */
extern _Atomic uint64_t declared_pairs, declared_joins, declared_clones;

/* A page of a guest, and then one more that maps the same machine page; that one is absent. */
void keeper_declare_pair(struct guest *guest, unsigned slot, unsigned alias);
/* The same with a page that is on a frame already, and an absent one of any guest of the keeper. */
void keeper_declare_join(struct guest *with, unsigned slot, struct guest *guest, unsigned alias);
/* A guest that has no VM becomes a clone. */
void keeper_clone(struct guest *parent, struct guest *clone);

/* A share_check runs: no page may be between its unmapping and its share_forget meanwhile. */
void keeper_begin_leaving(void); /* a keeper; and then keeper_go_on_leaving */
void keeper_stop_leaving(void);
void keeper_go_on_leaving(void);

/* Other threads call the engine for VMs by number, at any time, but not for a VM that has not been
 * started: so they hold the number while they do. NULL: the guest has no VM now; nothing is held.
 */
bool keeper_hold_number(const struct guest *guest, share_vm *vm);
void keeper_let_go_of_number(share_vm vm);

/* For the keeper: nobody calls for this number before the VM is started; and then they may. */
void keeper_hide(share_vm vm);
void keeper_start(struct guest *guest);

#endif
