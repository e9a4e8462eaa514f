/* SPDX-License-Identifier: MIT */
/*
 * The paging file: slots of a page each, handed out and given back.
 *
 * Each slot has a checksum in memory, so that bytes which the disk lost, or somebody changed, are
 * never taken for a page. What the host refuses (a full disk, a limit on file sizes, no such
 * folder) is kept as the file's fault until a page can be written again.
 *
 * Which pages go there, and when, is none of its business: residence/residence.h moves a page,
 * overcommit/paging.h chooses one.
 *
 * Threads: any; a slot's bytes belong to its owner. A limit on file sizes (ulimit -f) ends a
 * program by SIGXFSZ unless it ignores that.
 */
#ifndef HV_SWAP_H
#define HV_SWAP_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memory/store.h"

struct hv_swap {
    const char *path;   /* borrowed; NULL: a file without a name */
    uint32_t slots_max; /* its size */
    struct hv_store store;
    bool ready;                /* the store was made */
    uint32_t next;             /* slots below were handed out once */
    uint32_t *free;            /* owned: a stack of slots given back */
    uint64_t *sum;             /* owned: checksum of each slot below `next` */
    uint32_t free_count, room; /* room: of both arrays */
    char fault[160];           /* why a page could not be written or read last; "": none */
    pthread_mutex_t lock;      /* owns all but what is in the store */
    /* slots in use = next - free_count; free_count <= next <= room */
};

/* Of so many bytes; 0: of as many as there can be (64 GiB). Nothing is made before the first page.
 */
void hv_swap_init(struct hv_swap *swap, const char *path, uint64_t nbytes);
void hv_swap_fini(struct hv_swap *swap);

/* False, with the fault noted: the file is full, or cannot be made. */
bool hv_swap_take(struct hv_swap *swap, uint32_t *slot);
/* Cannot fail: room for it was made when the slot was taken. */
void hv_swap_give(struct hv_swap *swap, uint32_t slot);

/* A whole page; a part of one. False, with the fault noted: the host's file system failed, or the
 * bytes are not those that were written; then those that were read are worth nothing. The page does
 * not change while it is written. */
bool hv_swap_write(struct hv_swap *swap, uint32_t slot, const void *page);
bool hv_swap_read(struct hv_swap *swap, uint32_t slot, size_t offset, void *bytes, size_t nbytes);

/* How many pages it could hold: its size, or less if the file system or a limit has less room now.
 */
uint64_t hv_swap_room(struct hv_swap *swap);

/* What it is now. */
struct hv_swap_state {
    uint64_t pages_max, pages;
    char fault[160];
};
void hv_swap_look(struct hv_swap *swap, struct hv_swap_state *state);

#endif
