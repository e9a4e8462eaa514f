/* SPDX-License-Identifier: MIT */
/* A pool of machine pages in memfds, and what the kernel counts of it. */
#include "process_pool.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_PAGES (UINT64_C(1) << 14) /* 64 MiB */

void must(bool ok, const char *what)
{
    if (!ok) {
        perror(what);
        exit(1);
    }
}

static off_t place_in_file(share_mpn mpn)
{
    return (off_t)(mpn.n % FILE_PAGES * SHARE_PAGE_SIZE);
}

/* ------------------------------------------------------------------------------------ life -- */

static bool open_files(struct process_pool *pool)
{
    uint64_t wanted = (pool->pages + FILE_PAGES - 1) / FILE_PAGES;
    pool->file = calloc(wanted, sizeof *pool->file);
    while (pool->file && pool->files < wanted) {
        int file = memfd_create("pages", MFD_CLOEXEC);
        if (file < 0)
            return false;
        pool->file[pool->files++] = file;
        if (ftruncate(file, (off_t)(FILE_PAGES * SHARE_PAGE_SIZE)) != 0)
            return false;
    }
    return pool->file != NULL;
}

bool process_pool_open(struct process_pool *pool, uint64_t pages, uint64_t used)
{
    *pool = (struct process_pool){.pages = pages};
    pthread_mutex_init(&pool->lock, NULL);
    pool->spare = malloc(pages * sizeof *pool->spare);
    if (!pool->spare || !open_files(pool))
        return false;
    for (uint64_t mpn = pages; mpn-- > used;)
        pool->spare[pool->spares++] = (uint32_t)mpn;
    pool->view = mmap(NULL, pages * SHARE_PAGE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pool->view == MAP_FAILED) {
        pool->view = NULL;
        return false;
    }
    process_pool_map(pool, pool->view, (share_mpn){0}, pages, PROT_READ | PROT_WRITE);
    return true;
}

void process_pool_close(struct process_pool *pool)
{
    if (pool->view)
        munmap(pool->view, pool->pages * SHARE_PAGE_SIZE);
    while (pool->files > 0)
        close(pool->file[--pool->files]);
    pthread_mutex_destroy(&pool->lock);
    free(pool->file);
    free(pool->spare);
}

/* ------------------------------------------------------------------------------------- map -- */

/* How many of `count` neighbours, from this one on, its file holds. */
static uint64_t within_file(share_mpn first, uint64_t count)
{
    uint64_t left = FILE_PAGES - first.n % FILE_PAGES;
    return count < left ? count : left;
}

void process_pool_map(const struct process_pool *pool, void *at, share_mpn first, uint64_t count,
                      int protection)
{
    unsigned char *next = at;
    for (uint64_t run; count > 0; count -= run, first.n += run, next += run * SHARE_PAGE_SIZE) {
        run = within_file(first, count);
        must(mmap(next, run * SHARE_PAGE_SIZE, protection, MAP_SHARED | MAP_FIXED,
                  pool->file[first.n / FILE_PAGES], place_in_file(first)) == next,
             "mmap");
    }
}

/* ----------------------------------------------------------------------------------- pages -- */

bool process_pool_take(struct process_pool *pool, share_mpn *mpn)
{
    pthread_mutex_lock(&pool->lock);
    bool found = pool->spares > 0;
    if (found)
        mpn->n = pool->spare[--pool->spares];
    pthread_mutex_unlock(&pool->lock);
    return found;
}

static void punch(const struct process_pool *pool, share_mpn first, uint64_t count)
{
    for (uint64_t run; count > 0; count -= run, first.n += run) {
        run = within_file(first, count);
        must(fallocate(pool->file[first.n / FILE_PAGES], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                       place_in_file(first), (off_t)(run * SHARE_PAGE_SIZE)) == 0,
             "punch a hole");
    }
}

void process_pool_give_back(struct process_pool *pool, const share_mpn *mpns, size_t count)
{
    for (size_t i = 0, end; i < count; i = end) {
        for (end = i + 1; end < count && mpns[end].n == mpns[end - 1].n + 1;)
            end++;
        punch(pool, mpns[i], end - i);
    }
    pthread_mutex_lock(&pool->lock);
    for (size_t i = 0; i < count; i++)
        pool->spare[pool->spares++] = (uint32_t)mpns[i].n;
    pthread_mutex_unlock(&pool->lock);
}

uint64_t process_pool_frames(const struct process_pool *pool)
{
    uint64_t blocks = 0;
    for (uint64_t i = 0; i < pool->files; i++) {
        struct stat stat;
        must(fstat(pool->file[i], &stat) == 0, "fstat");
        blocks += (uint64_t)stat.st_blocks;
    }
    return blocks * 512 / SHARE_PAGE_SIZE;
}
