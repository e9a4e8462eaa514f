/* SPDX-License-Identifier: MIT */
/* See refs.h. */
#include "refs.h"
#include <stdlib.h>

void refs_add(struct refs *refs, uint64_t count, uint64_t contents)
{
    if (count < REFS_FEW) {
        refs->few[count] += contents;
        return;
    }
    if (refs->many_count == refs->many_room) {
        size_t room = refs->many_room ? 2 * refs->many_room : 256;
        uint64_t *larger = realloc(refs->many, room * sizeof *larger);
        refs->failed |= !larger;
        if (!larger)
            return;
        refs->many = larger;
        refs->many_room = room;
    }
    refs->many[refs->many_count++] = count;
}

static int by_value(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

bool refs_read(struct refs *refs, struct refs_count **out, size_t *counts)
{
    size_t different = 0, n = 0;
    if (refs->many_count)
        qsort(refs->many, refs->many_count, sizeof *refs->many, by_value);
    for (size_t i = 0; i < refs->many_count; i++)
        different += i == 0 || refs->many[i] != refs->many[i - 1];
    struct refs_count *all = calloc(REFS_FEW + different, sizeof *all);
    for (uint64_t count = 1; all && count < REFS_FEW; count++)
        if (refs->few[count])
            all[n++] = (struct refs_count){count, refs->few[count]};
    for (size_t i = 0; all && i < refs->many_count; i++) {
        if (i == 0 || refs->many[i] != refs->many[i - 1])
            all[n++].count = refs->many[i];
        all[n - 1].contents++;
    }
    *out = all;
    *counts = n;
    return all && !refs->failed;
}

void refs_fini(struct refs *refs)
{
    free(refs->many);
    *refs = (struct refs){0};
}
