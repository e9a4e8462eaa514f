/* SPDX-License-Identifier: MIT */
/*
 * Machine pages, and who may do what with them: a page is taken, mapped by guest pages, peeked at,
 * and given back, once, when nobody maps or reads it.
 */
#ifndef MACHINE_H
#define MACHINE_H

#include <share.h>

#define MACHINE_PAGES 680u /* less than guests, abandoned pages and copies can use */

/* The bytes of a page in use; NULL: there is none left. */
void *machine_take(share_mpn *mpn);

/* `kept`: as of a page of a store. */
void machine_give_back(share_mpn mpn, bool kept);

/* Of a page in use. */
void *machine_bytes(share_mpn mpn);

void machine_map(share_mpn mpn);
void machine_unmap(share_mpn mpn);
unsigned machine_maps(share_mpn mpn);

const void *machine_peek(share_mpn mpn);
void machine_unpeek(share_mpn mpn, const void *bytes);

/* The page is of a store: nobody may write it, until it was given back. */
void machine_keep(share_mpn mpn, bool kept);
bool machine_is_kept(share_mpn mpn);

/* A VM has gone that mapped the page, and did not ask whose it is: ours, if it is in use at the
 * end and nobody maps it. False: so many of them are lost already that it must ask. */
bool machine_may_abandon(unsigned pages);
void machine_abandon(share_mpn mpn);
void machine_end_abandoned(void);

unsigned machine_used(void);

#endif
