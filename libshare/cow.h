/* SPDX-License-Identifier: MIT */
/*
 * How pages leave shared frames: breaks, forgets, and the end of a frame.
 */
#ifndef SHARE_COW_H
#define SHARE_COW_H

#include "engine.h"

/* Drops one reference that the caller holds and no mapping stands for any more; buries the frame if
 * it was the last. */
void share_frame_leave(struct share *share, share_frame frame);

/* The same of a frame that the caller has just made, with this page as its partner, and that nobody
 * came to after all: the page is private again, unless another one has joined. */
void share_frame_leave_partner(struct share *share, share_frame frame, share_vm vm, share_ppn ppn);

/* A reference on the frame that a page is on now; *word: its word. 0: it is on none, or it is being
 * moved this moment, or the frame can take no more. */
share_frame share_page_get_frame(struct share *share, const struct share_page_ref *page,
                                 uint32_t *word);

/* Removes the hint of a page from the table. `word`: the page's word while it was hinted. */
void share_hint_drop(struct share *share, uint32_t word, uint32_t page_id);

/* Makes one page private with the MPN that it has or a new one, as share_break does, whatever its
 * state; waits while others own it. A hinted page loses its hint. For regrouping. */
enum share_result share_page_unshare(struct share *share, struct share_vm_object *vm,
                                     const struct share_page_ref *page);

/* Nobody finds the page in the table any more: its hint goes. It stays on its frame if it is on
 * one. Waits while others own it. OK. */
enum share_result share_page_unhint(struct share *share, struct share_vm_object *vm,
                                    const struct share_page_ref *page);

/* Ends all that the engine knows of a page; the mapping is gone already. */
enum share_owner share_page_forget(struct share *share, struct share_vm_object *vm,
                                   const struct share_page_ref *page);

#endif
