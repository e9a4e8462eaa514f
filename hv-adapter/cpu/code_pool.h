/* SPDX-License-Identifier: MIT */
/*
 * Pages for decoded code, which harts take when they reach code that they have not decoded, and
 * give back.
 *
 * At its bound the pool gives none to a hart that has HV_CODE_KEPT already: that one reuses its
 * own. So what is taken may exceed the bound by so many pages a hart until somebody gives some
 * back.
 *
 * Threads: any; one mutex, held for short.
 */
#ifndef HV_CPU_CODE_POOL_H
#define HV_CPU_CODE_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hv_code_page;
struct hv_code_pool;

enum { HV_CODE_KEPT = 16 };

/* Of up to `pages_max` pages, 25 KiB each when taken. NULL if out of memory. */
struct hv_code_pool *hv_code_pool_new(size_t pages_max);
/* All pages have been given back. NULL is allowed. */
void hv_code_pool_free(struct hv_code_pool *pool);

/* A page for a hart that has `held` of them, with whatever is in it; NULL: none. */
struct hv_code_page *hv_code_pool_take(struct hv_code_pool *pool, size_t held);
void hv_code_pool_give(struct hv_code_pool *pool, struct hv_code_page *page);

size_t hv_code_pool_pages_max(const struct hv_code_pool *pool);
/* Pages that harts have. */
size_t hv_code_pool_taken(struct hv_code_pool *pool);
/* Gives memory of pages that no hart has back to the host, but for a quarter of the bound. */
void hv_code_pool_trim(struct hv_code_pool *pool);

#endif
