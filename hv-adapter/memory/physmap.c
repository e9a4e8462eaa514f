/* SPDX-License-Identifier: MIT */
/* PPN -> MPN. See physmap.h. */
#include "memory/physmap.h"

#include <stdlib.h>
#include <string.h>

#include "hv_assert.h"
#include "memory/p2m.h"

static uint64_t words_for(uint64_t bits)
{
    return (bits + 63) / 64;
}

bool hv_physmap_init(struct hv_physmap *map, hv_ppn begin, uint64_t pages)
{
    uint64_t words = words_for(pages);
    *map = (struct hv_physmap){.begin = begin, .end = {begin.n + pages}};
    map->entries = malloc(pages * sizeof *map->entries);
    map->present = calloc(words, sizeof *map->present);
    map->present_words = calloc(words_for(words), sizeof *map->present_words);
    if (!map->entries || !map->present || !map->present_words) {
        hv_physmap_fini(map);
        return false;
    }
    for (uint64_t i = 0; i < pages; i++)
        map->entries[i] = (struct hv_physmap_entry){.mpn = HV_MPN_NONE, .maps = HV_ENTRY_NONE};
    return true;
}

void hv_physmap_fini(struct hv_physmap *map)
{
    free(map->entries);
    free(map->present);
    free(map->present_words);
    *map = (struct hv_physmap){.entries = NULL};
}

bool hv_physmap_entry_is_valid(const struct hv_physmap_entry *page)
{
    const uint8_t away = HV_PAGE_BALLOONED | HV_PAGE_SWAPPED;
    bool absent = page->mpn == HV_MPN_NONE;
    if ((page->state & away) == away || ((page->state & away) && !absent))
        return false;
    if (absent)
        return page->pins == 0 && (page->reasons & ~HV_REASON_SAMPLING) == 0;
    return !(page->reasons & HV_REASON_PARA_TABLE) ||
           (page->reasons == HV_REASON_PARA_TABLE && page->pins == 0);
}

const char *hv_physmap_check(const struct hv_physmap *map)
{
    uint64_t present_pages = 0;
    for (uint64_t i = 0; i < map->end.n - map->begin.n; i++) {
        const struct hv_physmap_entry *page = &map->entries[i];
        bool present = map->present[i / 64] >> i % 64 & 1;
        present_pages += present;
        if (!hv_physmap_entry_is_valid(page))
            return "a page's machine page, marks, pins and reasons contradict each other";
        if (present != hv_physmap_is_present(page) ||
            (present && !(map->present_words[i / 4096] >> i / 64 % 64 & 1)))
            return "the bits of present pages are wrong";
    }
    return present_pages == map->present_pages ? NULL : "the count of present pages is wrong";
}

static void mark_present(struct hv_physmap *map, uint64_t i)
{
    map->present[i / 64] |= UINT64_C(1) << i % 64;
    map->present_words[i / 4096] |= UINT64_C(1) << i / 64 % 64;
    map->present_pages++;
}

static void mark_absent(struct hv_physmap *map, uint64_t i)
{
    map->present[i / 64] &= ~(UINT64_C(1) << i % 64);
    if (map->present[i / 64] == 0)
        map->present_words[i / 4096] &= ~(UINT64_C(1) << i / 64 % 64);
    map->present_pages--;
}

static void name_machine_page(struct hv_physmap *map, uint64_t i, uint32_t mpn)
{
    map->entries[i].mpn = mpn;
    if (map->p2m)
        hv_p2m_set(map->p2m, i, mpn);
}

void hv_physmap_set(struct hv_physmap *map, hv_ppn ppn, hv_mpn mpn)
{
    uint64_t i = ppn.n - map->begin.n;
    hv_assert(ppn.n < map->end.n && map->entries[i].mpn == HV_MPN_NONE && mpn.n < HV_MPN_NONE);
    name_machine_page(map, i, (uint32_t)mpn.n);
    map->entries[i].reasons &= HV_REASON_SAMPLING;
    mark_present(map, i);
    hv_assert_internal(hv_physmap_entry_is_valid(&map->entries[i]));
}

void hv_physmap_clear(struct hv_physmap *map, hv_ppn ppn)
{
    uint64_t i = ppn.n - map->begin.n;
    hv_assert(ppn.n < map->end.n && hv_physmap_is_present(&map->entries[i]) &&
              map->entries[i].pins == 0);
    name_machine_page(map, i, HV_MPN_NONE);
    map->entries[i].reasons &= HV_REASON_SAMPLING;
    mark_absent(map, i);
    hv_assert_internal(hv_physmap_entry_is_valid(&map->entries[i]));
}

void hv_physmap_move(struct hv_physmap *map, hv_ppn ppn, hv_mpn mpn)
{
    uint64_t i = ppn.n - map->begin.n;
    hv_assert(ppn.n < map->end.n && hv_physmap_is_present(&map->entries[i]) &&
              map->entries[i].pins == 0);
    name_machine_page(map, i, (uint32_t)mpn.n);
}

void hv_physmap_take(struct hv_physmap *map, hv_ppn ppn)
{
    uint64_t i = ppn.n - map->begin.n;
    hv_assert(ppn.n < map->end.n && map->entries[i].mpn != HV_MPN_NONE &&
              !map->entries[i].reasons && map->entries[i].pins == 0);
    map->entries[i].reasons = HV_REASON_PARA_TABLE;
    mark_absent(map, i);
}

void hv_physmap_give(struct hv_physmap *map, hv_ppn ppn)
{
    uint64_t i = ppn.n - map->begin.n;
    hv_assert(ppn.n < map->end.n && map->entries[i].reasons == HV_REASON_PARA_TABLE);
    map->entries[i].reasons = 0;
    mark_present(map, i);
}

/* The first set bit at or after `from`; `bits` if there is none. */
static uint64_t next_bit(const uint64_t *words, uint64_t bits, uint64_t from)
{
    for (uint64_t word = from / 64; word < words_for(bits); word++, from = word * 64) {
        uint64_t left = words[word] & (UINT64_MAX << from % 64);
        if (left)
            return word * 64 + (uint64_t)__builtin_ctzll(left);
    }
    return bits;
}

bool hv_physmap_next(const struct hv_physmap *map, hv_ppn from, hv_ppn *found)
{
    uint64_t pages = map->end.n - map->begin.n, words = words_for(pages);
    uint64_t i = from.n > map->begin.n ? from.n - map->begin.n : 0;
    if (i >= pages)
        return false;
    uint64_t left = map->present[i / 64] & (UINT64_MAX << i % 64);
    uint64_t word = left ? i / 64 : next_bit(map->present_words, words, i / 64 + 1);
    if (word >= words)
        return false;
    if (!left)
        left = map->present[word];
    found->n = map->begin.n + word * 64 + (uint64_t)__builtin_ctzll(left);
    return true;
}
