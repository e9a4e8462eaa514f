/* SPDX-License-Identifier: MIT */
/* A list of pages that no hart has, linked through their `host`. See code_pool.h. */
#include "code_pool.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "code.h"
#include "hv_assert.h"

struct hv_code_pool {
    pthread_mutex_t lock; /* owns what follows */
    size_t pages_max, taken, spare;
    struct hv_code_page *first; /* owned: of `spare` pages */
};

struct hv_code_pool *hv_code_pool_new(size_t pages_max)
{
    struct hv_code_pool *pool = calloc(1, sizeof *pool);
    if (!pool)
        return NULL;
    pthread_mutex_init(&pool->lock, NULL);
    pool->pages_max = pages_max;
    return pool;
}

/* Mapped one by one, so that what is given back really goes. */
static struct hv_code_page *new_page(void)
{
    void *page = mmap(NULL, sizeof(struct hv_code_page), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return page == MAP_FAILED ? NULL : page;
}

static void free_page(struct hv_code_page *page)
{
    munmap(page, sizeof *page);
}

/* With the lock, or alone. */
static struct hv_code_page *pop(struct hv_code_pool *pool)
{
    struct hv_code_page *page = pool->first;
    pool->first = page->next;
    pool->spare--;
    return page;
}

void hv_code_pool_free(struct hv_code_pool *pool)
{
    if (!pool)
        return;
    hv_assert(pool->taken == 0);
    while (pool->first)
        free_page(pop(pool));
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

struct hv_code_page *hv_code_pool_take(struct hv_code_pool *pool, size_t held)
{
    struct hv_code_page *page = NULL;
    pthread_mutex_lock(&pool->lock);
    if (pool->taken < pool->pages_max || held < HV_CODE_KEPT) {
        page = pool->first ? pop(pool) : new_page();
        pool->taken += page != NULL;
    }
    pthread_mutex_unlock(&pool->lock);
    return page;
}

void hv_code_pool_give(struct hv_code_pool *pool, struct hv_code_page *page)
{
    pthread_mutex_lock(&pool->lock);
    hv_assert(pool->taken > 0);
    page->next = pool->first;
    pool->first = page;
    pool->taken--;
    pool->spare++;
    pthread_mutex_unlock(&pool->lock);
}

size_t hv_code_pool_pages_max(const struct hv_code_pool *pool)
{
    return pool->pages_max;
}

size_t hv_code_pool_taken(struct hv_code_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    size_t taken = pool->taken;
    pthread_mutex_unlock(&pool->lock);
    return taken;
}

void hv_code_pool_trim(struct hv_code_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    while (pool->spare > pool->pages_max / 4)
        free_page(pop(pool));
    pthread_mutex_unlock(&pool->lock);
}
