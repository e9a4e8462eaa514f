/* SPDX-License-Identifier: MIT */
/* See groups.h. */
#include "groups.h"

/* Records of the first look, from `begin` to `end`, of one hash. */
struct equals {
    const uint64_t *begin, *end;
    unsigned width;
};

static uint64_t place_of(const uint64_t *record, unsigned width)
{
    return record[width - 1];
}

static struct equals equals_at(const struct records *records, uint64_t i)
{
    const unsigned width = records->width;
    const uint64_t *at = records->word + i * width, *all = records->word + records->count * width;
    struct equals equals = {at, at + width, width};
    while (equals.end < all && equals.end[0] == at[0] && (width == 2 || equals.end[1] == at[1]))
        equals.end += width;
    return equals;
}

static uint64_t number_of(const struct set *set, uint64_t place)
{
    return set->source[set_packed_source(set, place)].first + set_packed_index(set, place);
}

static uint64_t partner_of(const struct set *set, const struct equals *equals)
{
    for (const uint64_t *at = equals->begin; at < equals->end; at += equals->width) {
        uint64_t place = place_of(at, equals->width);
        if (!set->source[set_packed_source(set, place)].info->sequential)
            return number_of(set, place);
    }
    return number_of(set, place_of(equals->begin, equals->width));
}

/* Writes where other records were: never beyond the one that is read. Returns the end. */
static uint64_t *write_group(uint64_t *to, const struct set *set, const struct equals *equals)
{
    const uint64_t hash = equals->begin[0], partner = partner_of(set, equals);
    for (const uint64_t *at = equals->begin; at < equals->end; at += equals->width) {
        uint64_t page = number_of(set, place_of(at, equals->width));
        to[GROUP_PARTNER] = partner << GROUPS_CHECK_BITS | (hash & GROUPS_CHECK_MASK);
        to[GROUP_PAGE] =
            page << GROUPS_CHECK_BITS | ((hash >> GROUPS_CHECK_BITS) & GROUPS_CHECK_MASK);
        to += 2;
    }
    return to;
}

uint64_t groups_form(struct records *records, const struct set *set, uint64_t *alone)
{
    uint64_t groups = 0, *to = records->word;
    for (uint64_t i = 0; i < records->count;) {
        struct equals equals = equals_at(records, i);
        uint64_t pages = (uint64_t)(equals.end - equals.begin) / equals.width;
        if (pages > 1) {
            to = write_group(to, set, &equals);
            groups++;
        } else {
            alone[set_packed_source(set, place_of(equals.begin, equals.width))]++;
        }
        i += pages;
    }
    records->room = records->room * records->width / 2;
    records->width = 2;
    records->count = (uint64_t)(to - records->word) / 2;
    records_shrink(records);
    return groups;
}

uint64_t *groups_find(const struct records *records, uint64_t page)
{
    uint64_t low = 0, high = records->count; /* record[low] is not behind the page's */
    while (high - low > 1) {
        uint64_t middle = low + (high - low) / 2;
        if (groups_page(records->word[2 * middle + GROUP_PAGE]) <= page)
            low = middle;
        else
            high = middle;
    }
    return &records->word[2 * low];
}
