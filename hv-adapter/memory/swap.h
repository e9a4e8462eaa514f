/* SPDX-License-Identifier: MIT */
/*
 * Slots of the paging file: pages of a store, handed out and given back.
 *
 * Which pages go there, and when, is none of its business: residence/residence.h moves a page,
 * overcommit/paging.h chooses one.
 *
 * Threads: any; a slot's bytes belong to its owner.
 */
#ifndef HV_SWAP_H
#define HV_SWAP_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memory/store.h"

struct hv_swap {
    struct hv_store store;
    bool ready;     /* the store was made */
    uint32_t next;  /* slots below were handed out once */
    uint32_t *free; /* owned: a stack of slots given back */
    uint32_t free_count, free_room;
    pthread_mutex_t lock; /* owns all but what is in the store */
    /* slots in use = next - free_count; free_count <= next <= free_room */
};

void hv_swap_init(struct hv_swap *swap);
void hv_swap_fini(struct hv_swap *swap);

/* False: the host has no room. */
bool hv_swap_take(struct hv_swap *swap, uint32_t *slot);
/* Cannot fail: room for it was made when the slot was taken. */
void hv_swap_give(struct hv_swap *swap, uint32_t slot);

/* A whole page; a part of one. False: the host's file system failed. */
bool hv_swap_write(struct hv_swap *swap, uint32_t slot, const void *page);
bool hv_swap_read(const struct hv_swap *swap, uint32_t slot, size_t offset, void *bytes,
                  size_t nbytes);

#endif
