/* SPDX-License-Identifier: MIT */
/*
 * The machine of a process that shares its own memory: pages of memfds, by MPN.
 *
 * Many files: the kernel finds a new mapping's place among all those of its file, and a shared page
 * may be a mapping.
 */
#ifndef BENCH_PROCESS_POOL_H
#define BENCH_PROCESS_POOL_H

#include <pthread.h>
#include <share.h>

struct process_pool {
    uint64_t pages;
    int *file;            /* owned: memfds, of 64 MiB each */
    uint64_t files;       /* open ones, in order of MPN */
    unsigned char *view;  /* owned: all pages, by MPN; NULL: none */
    pthread_mutex_t lock; /* owns spare and spares */
    uint32_t *spare;      /* owned: a stack of unused MPNs */
    uint64_t spares;
};

/* Pages from `used` on are spare. False: the kernel refuses; to be closed all the same. */
bool process_pool_open(struct process_pool *pool, uint64_t pages, uint64_t used);
void process_pool_close(struct process_pool *pool);

static inline unsigned char *process_pool_page(const struct process_pool *pool, share_mpn mpn)
{
    return pool->view + mpn.n * SHARE_PAGE_SIZE;
}

/* Puts neighbours in the place of what is mapped there. */
void process_pool_map(const struct process_pool *pool, void *at, share_mpn first, uint64_t count,
                      int protection);

/* False: none left. */
bool process_pool_take(struct process_pool *pool, share_mpn *mpn);

/* Gives pages' memory back to the kernel; they are spare then. Nothing maps them but the view. */
void process_pool_give_back(struct process_pool *pool, const share_mpn *mpns, size_t count);

/* Physical pages that it takes, as the kernel counts them. */
uint64_t process_pool_frames(const struct process_pool *pool);

/* Ends the program where the kernel refuses what it has to grant. */
void must(bool ok, const char *what);

#endif
