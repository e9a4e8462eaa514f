/* SPDX-License-Identifier: MIT */
/*
 * The cache of decoded pages, and decoding a run. See code.h for the idea.
 *
 * Cost: set-associative by host page, first in first out in a set, so that memory is bounded by
 * construction. Emptying a page writes 20 KiB; comparing it reads what was copied, 4 KiB at most.
 */
#include "code.h"

#include <stdlib.h>
#include <string.h>

#include "access.h"
#include "decode.h"
#include "hv_assert.h"

enum { LINE_BYTES = 64, LINE_SLOTS = LINE_BYTES / 2 };
_Static_assert(4096 / LINE_BYTES == 64, "a line mask is one word");

bool hv_code_cache_init(struct hv_code_cache *cache, struct hv_code_pool *pool, unsigned pages_max)
{
    uint64_t sets = 2;
    while (sets * HV_CODE_WAYS < pages_max)
        sets *= 2;
    *cache = (struct hv_code_cache){.pool = pool, .set_mask = sets - 1};
    cache->way = calloc(sets * HV_CODE_WAYS, sizeof *cache->way);
    cache->victim = calloc(sets, sizeof *cache->victim);
    /* With one page there always is a victim. */
    if (cache->way && cache->victim && (cache->way[0].page = hv_code_pool_take(pool, 0))) {
        cache->held = 1;
        return true;
    }
    hv_code_cache_fini(cache);
    return false;
}

static struct hv_code_way *ways_end(const struct hv_code_cache *cache)
{
    return cache->way + (cache->set_mask + 1) * HV_CODE_WAYS;
}

/* Gives pages back until `left` are held. */
static void give_back(struct hv_code_cache *cache, size_t left)
{
    for (struct hv_code_way *way = cache->way; cache->held > left; way++) {
        if (!way->page)
            continue;
        hv_code_pool_give(cache->pool, way->page);
        *way = (struct hv_code_way){NULL, NULL};
        cache->held--;
    }
}

void hv_code_cache_fini(struct hv_code_cache *cache)
{
    if (cache->way)
        give_back(cache, 0);
    free(cache->way);
    free(cache->victim);
    cache->way = NULL;
    cache->victim = NULL;
}

void hv_code_cache_drop(struct hv_code_cache *cache)
{
    give_back(cache, 1);
    for (struct hv_code_way *way = cache->way; way < ways_end(cache); way++)
        way->host = NULL;
}

static uint64_t set_of(const struct hv_code_cache *cache, const void *host)
{
    /* Fibonacci hashing: neighbours spread, and so do pages at equal strides. Only the place within
     * 4 GiB counts, so that a VMM whose memory is so aligned runs the same wherever it lies. */
    return ((uintptr_t)host >> 12 & 0xfffff) * UINT64_C(0x9e3779b97f4a7c15) >> 32 & cache->set_mask;
}

struct hv_code_page *hv_code_cache_find(struct hv_code_cache *cache, const void *host)
{
    struct hv_code_way *way = cache->way + set_of(cache, host) * HV_CODE_WAYS;
    for (unsigned i = 0; i < HV_CODE_WAYS; i++) {
        if (way[i].host == host)
            return way[i].page;
    }
    return NULL;
}

/* A page for a way without one: a new one, else that of another way. */
static struct hv_code_page *page_for(struct hv_code_cache *cache, const struct hv_code_way *way)
{
    struct hv_code_page *page = hv_code_pool_take(cache->pool, cache->held);
    if (page) {
        cache->held++;
        return page;
    }
    /* Those just behind it were used no more lately than others: sets are places at random. */
    struct hv_code_way *from = cache->way + (way - cache->way);
    do {
        from = from + 1 == ways_end(cache) ? cache->way : from + 1;
    } while (!from->page);
    page = from->page;
    *from = (struct hv_code_way){NULL, NULL};
    return page;
}

struct hv_code_page *hv_code_cache_victim(struct hv_code_cache *cache, const void *host)
{
    uint64_t set = set_of(cache, host);
    struct hv_code_way *way = cache->way + set * HV_CODE_WAYS + cache->victim[set]++ % HV_CODE_WAYS;
    if (!way->page)
        way->page = page_for(cache, way);
    way->host = host;
    return way->page;
}

void hv_code_page_reset(struct hv_code_page *page, const void *host)
{
    memset(page->slot, 0, sizeof page->slot);
    memset(page->left, 0, sizeof page->left);
    for (unsigned i = HV_CODE_SLOTS; i < HV_CODE_SLOTS + 2; i++)
        page->slot[i].op = HV_OP_page_end;
    page->lines = 0;
    page->host = host;
}

bool hv_code_page_is_current(const struct hv_code_page *page)
{
    for (uint64_t lines = page->lines; lines; lines &= lines - 1) {
        size_t start = (size_t)__builtin_ctzll(lines) * LINE_BYTES;
        uint64_t differences = 0;
        for (size_t at = start; at < start + LINE_BYTES; at += 8)
            differences |=
                hv_mem_load((const uint8_t *)page->host + at, 8) ^ hv_mem_load(page->bytes + at, 8);
        if (differences)
            return false;
    }
    return true;
}

static void copy_line(struct hv_code_page *page, unsigned line)
{
    size_t start = (size_t)line * LINE_BYTES;
    for (size_t at = start; at < start + LINE_BYTES; at += 8)
        hv_mem_store(page->bytes + at, 8, hv_mem_load((const uint8_t *)page->host + at, 8));
    page->lines |= UINT64_C(1) << line;
}

uint16_t hv_code_page_parcel(struct hv_code_page *page, unsigned i)
{
    unsigned line = i / LINE_SLOTS;
    if (!(page->lines >> line & 1))
        copy_line(page, line);
    return (uint16_t)hv_mem_load(page->bytes + (size_t)i * 2, 2);
}

static unsigned length_in_slots(struct hv_code_page *page, unsigned i)
{
    return hv_insn_is_long(hv_code_page_parcel(page, i)) ? 2 : 1;
}

static struct hv_insn decode_slot(struct hv_code_page *page, unsigned i)
{
    uint32_t bits = hv_code_page_parcel(page, i);
    if (hv_insn_is_long(bits)) {
        if (i == HV_CODE_SLOTS - 1) /* its second half depends on the next virtual page */
            return (struct hv_insn){.op = HV_OP_straddle};
        bits |= (uint32_t)hv_code_page_parcel(page, i + 1) << 16;
    }
    return hv_decode(bits, i * 2, true);
}

void hv_code_page_decode(struct hv_code_page *page, unsigned i)
{
    unsigned first = i, count = 0;
    hv_assert(page->slot[i].op == HV_OP_decode);
    while (page->slot[i].op == HV_OP_decode) {
        page->slot[i] = decode_slot(page, i);
        count++;
        if (hv_insn_ends_run(&page->slot[i]))
            break;
        i += length_in_slots(page, i);
    }
    /* i is where the run ended, or known ground that it ran into. */
    unsigned left = count + page->left[i];
    for (i = first; count > 0; count--, left--) {
        unsigned next = i + length_in_slots(page, i);
        page->left[i] = (uint16_t)left;
        if (left > 1)
            page->slot[i].op = hv_insn_pair(page->slot[i].op, page->slot[next].op);
        i = next;
    }
}

void hv_code_page_put_step(struct hv_code_page *page, unsigned i, uint32_t bits)
{
    page->slot[i] = hv_decode(bits, 0, false);
    page->left[i] = 1;
    for (unsigned k = i + 1; k <= i + 2 && k < HV_CODE_SLOTS + 2; k++) {
        page->slot[k].op = HV_OP_step_end;
        page->left[k] = 0;
    }
}
