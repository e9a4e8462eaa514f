/* SPDX-License-Identifier: MIT */
/*
 * Unpacks what a descriptor holds, piece by piece, through one of the packings.
 *
 * An input may hold several frames (members, streams) one after the other, as all these tools write
 * and read them: what comes out is their contents in a row.
 */
#include "reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define IN_NBYTES DS_INPUT_NBYTES /* the head that was read already fits */

struct ds_unpacker {
    struct ds_source *source;
    const struct ds_packing *packing;
    void *state; /* owned, the packing's */
    int fd;      /* borrowed */
    uint8_t in[IN_NBYTES];
    size_t used, filled;
    uint64_t in_offset; /* of in[0] in the descriptor's bytes */
    bool in_end;
    bool between;         /* no unit is being unpacked */
    uint64_t unit_offset; /* where the last one began */
};

static const struct ds_packing *const packings[] = {
    &ds_packing_zstd,
#ifdef DS_WITH_ZLIB
    &ds_packing_gzip,
#endif
#ifdef DS_WITH_LIBLZMA
    &ds_packing_xz,
#endif
#ifdef DS_WITH_LIBLZ4
    &ds_packing_lz4,
#endif
#ifdef DS_WITH_LIBBZ2
    &ds_packing_bzip2,
#endif
};

const struct ds_packing *ds_packing_find(const uint8_t *head, size_t nbytes)
{
    for (size_t i = 0; i < sizeof packings / sizeof packings[0]; i++) {
        if (packings[i]->matches(head, nbytes))
            return packings[i];
    }
    return NULL;
}

const struct ds_packing *ds_packing_named(const char *name)
{
    for (size_t i = 0; i < sizeof packings / sizeof packings[0]; i++) {
        if (strcmp(packings[i]->name, name) == 0)
            return packings[i];
    }
    return NULL;
}

struct ds_unpacker *ds_unpacker_new(struct ds_source *source, const struct ds_packing *packing,
                                    int fd, uint64_t offset, const uint8_t *head,
                                    size_t head_nbytes)
{
    struct ds_unpacker *unpacker = malloc(sizeof *unpacker);
    void *state = unpacker ? packing->open() : NULL;
    if (!state) {
        free(unpacker);
        ds_fail(source, "out of memory to unpack %s", packing->name);
        return NULL;
    }
    unpacker->source = source;
    unpacker->packing = packing;
    unpacker->state = state;
    unpacker->fd = fd;
    unpacker->used = unpacker->filled = 0;
    unpacker->in_offset = offset;
    unpacker->in_end = false;
    unpacker->between = true;
    unpacker->unit_offset = offset;
    memcpy(unpacker->in, head, head_nbytes);
    unpacker->filled = head_nbytes;
    return unpacker;
}

void ds_unpacker_free(struct ds_unpacker *unpacker)
{
    if (!unpacker)
        return;
    unpacker->packing->close(unpacker->state);
    free(unpacker);
}

static bool refill(struct ds_unpacker *u)
{
    u->in_offset += u->filled;
    u->used = u->filled = 0;
    ssize_t some;
    do {
        some = read(u->fd, u->in, IN_NBYTES);
    } while (some < 0 && errno == EINTR);
    if (some < 0)
        return ds_fail_packed_at(u->source, u->in_offset, "cannot read: %s", strerror(errno));
    u->filled = (size_t)some;
    u->in_end = some == 0;
    return true;
}

/* One call of the packing. */
static bool step(struct ds_unpacker *u, uint8_t *to, size_t nbytes, size_t *got)
{
    if (u->between)
        u->unit_offset = u->in_offset + u->used;
    struct ds_flow flow = {u->in + u->used, u->filled - u->used, to, nbytes, u->in_end, false};
    const char *wrong = u->packing->step(u->state, &flow);
    size_t consumed = u->filled - u->used - flow.in_nbytes;
    *got = nbytes - flow.out_nbytes;
    u->used += consumed;
    if (wrong)
        return ds_fail_packed_at(u->source, u->unit_offset,
                                 "expected a whole %s from here on, found it corrupt somewhere: %s",
                                 u->packing->unit, wrong);
    u->between = flow.unit_end;
    if (u->in_end && !consumed && !*got && !u->between)
        return ds_fail_packed_at(u->source, u->in_offset + u->used,
                                 "expected the rest of a %s, found the end of the file (truncated)",
                                 u->packing->unit);
    return true;
}

bool ds_unpacker_read(struct ds_unpacker *u, uint8_t *to, size_t nbytes, size_t *got)
{
    *got = 0;
    while (*got == 0) {
        bool empty = u->used == u->filled;
        if (empty && !u->in_end && !refill(u))
            return false;
        if (u->used == u->filled && u->in_end && u->between)
            return true;
        if (!step(u, to, nbytes, got))
            return false;
    }
    return true;
}
