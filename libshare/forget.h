/* SPDX-License-Identifier: MIT */
/* How what is known of a page ends, whatever it is. */
#ifndef SHARE_FORGET_H
#define SHARE_FORGET_H

#include "bury.h"

/* Removes the hint of a page from the table. `word`: the page's word while it was hinted. */
void share_hint_drop(struct share *share, uint32_t word, uint32_t page_id);

/* A page left its frame; `word` is what it was. */
void share_count_left(struct share_vm_object *vm, uint32_t word);

/* The word of a page, which is now MOVING and the caller's; or of one of which nothing is known,
 * not even a pace, and which stays so. Waits while others own the page; what was dropped so far is
 * freed before. */
uint32_t share_page_take(struct share_burial *burial, const struct share_page_ref *page);

/* Ends what is known of a page, MOVING and the caller's; `word` is what it was. The mapping of one
 * that is on a frame is gone. */
void share_page_end(struct share_burial *burial, struct share_vm_object *vm,
                    const struct share_page_ref *page, uint32_t word);

/* The two together: the mapping is gone already. Waits as share_page_take does. */
enum share_owner share_page_forget(struct share_burial *burial, struct share_vm_object *vm,
                                   const struct share_page_ref *page);

/* Nobody finds the page in the table any more: its hint goes. It stays on its frame if it is on
 * one. Waits as share_page_take does. OK. */
enum share_result share_page_unhint(struct share *share, struct share_vm_object *vm,
                                    const struct share_page_ref *page);

#endif
