/* SPDX-License-Identifier: MIT */
/* See false_match.h. */
#include "false_match.h"
#include <stdlib.h>
#include <string.h>

void false_matches_init(struct false_matches *matches)
{
    *matches = (struct false_matches){0};
    pthread_mutex_init(&matches->mutex, NULL);
}

void false_matches_fini(struct false_matches *matches)
{
    for (size_t i = 0; i < matches->count; i++)
        free(matches->match[i].bytes);
    free(matches->match);
    pthread_mutex_destroy(&matches->mutex);
}

/* Under the mutex. */
static bool add(struct false_matches *matches, struct false_match match)
{
    if (!matches->match)
        matches->match = calloc(FALSE_MATCHES_MAX, sizeof *matches->match);
    if (!matches->match || !match.bytes)
        return false;
    matches->match[matches->count++] = match;
    return true;
}

bool false_matches_add(struct false_matches *matches, struct crew *crew, uint64_t page,
                       uint64_t partner, const uint8_t *bytes)
{
    struct false_match match = {page, partner, 0, NULL};
    bool ok = false;
    pthread_mutex_lock(&matches->mutex);
    if (matches->count == FALSE_MATCHES_MAX) {
        matches->flooded = true;
        crew_fail_with(crew, "hashes of different pages meet under any key"); /* unless it helps */
    } else {
        match.bytes = malloc(DS_PAGE_SIZE);
        if (match.bytes)
            memcpy(match.bytes, bytes, DS_PAGE_SIZE);
        ok = add(matches, match);
        if (!ok) {
            free(match.bytes);
            crew_fail_with(crew, "out of memory");
        }
    }
    pthread_mutex_unlock(&matches->mutex);
    return ok;
}

static int by_page(const void *a, const void *b)
{
    const struct false_match *x = a, *y = b;
    return x->page < y->page ? -1 : x->page > y->page;
}

void false_matches_settle(struct false_matches *matches, struct records *records, uint64_t pages)
{
    if (matches->count)
        qsort(matches->match, matches->count, sizeof *matches->match, by_page);
    for (size_t i = 0; i < matches->count; i++) {
        struct false_match *match = &matches->match[i];
        size_t same = 0;
        while (same < i && (matches->match[same].partner != match->partner ||
                            memcmp(matches->match[same].bytes, match->bytes, DS_PAGE_SIZE) != 0))
            same++;
        match->group = pages + same;
        uint64_t *record = groups_find(records, match->page);
        record[GROUP_PARTNER] =
            match->group << GROUPS_CHECK_BITS | (record[GROUP_PARTNER] & GROUPS_CHECK_MASK);
    }
}
