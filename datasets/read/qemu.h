/* SPDX-License-Identifier: MIT */
/*
 * QEMU's migration stream, as `migrate "exec:cat >FILE"`, savevm and libvirt's save write it, in
 * steps: qemu_stream.c reads the records, qemu_plan.c makes pieces of them, qemu.c and libvirt.c
 * are the formats.
 */
#ifndef DS_QEMU_H
#define DS_QEMU_H

#include "reader.h"

/* Pages that were sent one after the other: all with bytes, or all zero. */
struct ds_qemu_run {
    uint64_t key;
    uint64_t pages;
    uint64_t offset; /* of the first page's bytes, or DS_QEMU_ZERO */
    uint32_t stride; /* from page to page */
    uint64_t order;  /* a page that is sent again is what was sent last */
};
#define DS_QEMU_ZERO UINT64_MAX

/* A RAM block: keys [first, end). Each begins where the one before ends. */
struct ds_qemu_block {
    char name[256];
    uint64_t first, end;
};

struct ds_qemu_stream {
    struct ds_qemu_run *run; /* owned */
    size_t runs, run_capacity;
    struct ds_qemu_block *block; /* owned */
    size_t blocks, block_capacity;
    char machine[64];
    bool truncated; /* the input ends within the memory */
};

/* Reads the stream that begins at `offset`, to the end of the memory. */
bool ds_qemu_read(struct ds_reading *reading, uint64_t offset, struct ds_qemu_stream *stream);
void ds_qemu_stream_fini(struct ds_qemu_stream *stream);

/* What a reading gives: those without bytes first, the others in the order of the file. */
struct ds_qemu_plan {
    struct ds_piece *piece; /* owned */
    size_t pieces, capacity;
};

/* Last wins. Sorts the stream's runs. */
bool ds_qemu_plan(struct ds_source *source, struct ds_qemu_stream *stream,
                  struct ds_qemu_plan *plan);

/* A format's open, next and forget, for a stream that begins at `offset`. */
bool ds_qemu_open(struct ds_reading *reading, uint64_t offset, const char *producer);
bool ds_qemu_next(struct ds_reading *reading, struct ds_piece *piece);
void ds_qemu_forget(void *plan);

#endif
