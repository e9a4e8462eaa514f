/* SPDX-License-Identifier: MIT */
/*
 * The bytes of a file or pipe, unpacked if they are packed, as a format reads them.
 *
 * A regular file that is not packed gives any bytes at any time. All else is a stream, which goes
 * forward; while a format reads headers (`keeping`) it may go back, too. Bytes are read into a
 * buffer, never mapped: a file that shrinks meanwhile is an error, not a signal.
 */
#ifndef DS_INPUT_H
#define DS_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ds_packing;
struct ds_source;
struct ds_unpacker;

#define DS_INPUT_NBYTES \
    ((size_t)256 << 10) /* at most so many at once: they stay in a core's cache */
#define DS_INPUT_PAGES (DS_INPUT_NBYTES / 4096)

struct ds_input {
    struct ds_source *source;
    int fd;                         /* borrowed */
    bool seekable;                  /* a regular file that is not packed */
    bool again;                     /* can be read from the front once more */
    uint64_t nbytes;                /* of a seekable one */
    struct ds_unpacker *unpacker;   /* owned; NULL if nothing is packed */
    const struct ds_packing *inner; /* of ds_input_unpack, or NULL */
    uint64_t inner_offset;

    uint8_t *buffer; /* owned */
    size_t capacity, filled;
    uint64_t offset; /* of buffer[0] in the input */
    bool end;        /* a stream ends where the buffer does */
    bool keeping;    /* of a stream, nothing is dropped that was read */
    bool needs_file; /* why it failed: a stream cannot give what the format asked for */
};

/* Bytes at `offset`: `nbytes` of them (up to DS_INPUT_NBYTES), *got < nbytes only at the end of the
 * input. They stay until the next call. */
bool ds_input_at(struct ds_input *input, uint64_t offset, size_t nbytes, const uint8_t **bytes,
                 size_t *got);

/* Where the input ends; of a stream, the end of what was read so far. */
uint64_t ds_input_end(const struct ds_input *input);

/* Copies to `to`; fewer bytes are an error: "expected WHAT, found the end ...". */
bool ds_input_copy(struct ds_input *input, uint64_t offset, void *to, size_t nbytes,
                   const char *what);

/* The format needs a file: false, for `return ds_input_needs_file(...)`. */
bool ds_input_needs_file(struct ds_input *input);

/* What lies from `offset` on in a file is packed: from now on the input is what comes out of it. A
 * stream needs a file for that. */
bool ds_input_unpack(struct ds_input *input, uint64_t offset, const struct ds_packing *packing);

/* From the front again, if it is not a pipe. */
bool ds_input_rewind(struct ds_input *input);

bool ds_input_init(struct ds_source *source, struct ds_input *input, int fd);
void ds_input_fini(struct ds_input *input);

/* ------------------------------------------------------------------------------- packings -- */

/* What a packing's step consumes and makes. */
struct ds_flow {
    const uint8_t *in;
    size_t in_nbytes;
    uint8_t *out;
    size_t out_nbytes;
    bool in_end;   /* no more input will come */
    bool unit_end; /* set by step: a frame, member or stream is complete */
};

struct ds_packing {
    const char *name; /* "zstd" */
    const char *unit; /* "zstd frame" */
    bool (*matches)(const uint8_t *head, size_t nbytes);
    void *(*open)(void); /* NULL: no memory */
    /* Unpacks some, and moves in and out forward. Returns NULL, or what is wrong. */
    const char *(*step)(void *state, struct ds_flow *flow);
    void (*close)(void *state);
};

extern const struct ds_packing ds_packing_zstd, ds_packing_gzip, ds_packing_xz, ds_packing_lz4,
    ds_packing_bzip2;

/* The packing of what begins so, or NULL. */
const struct ds_packing *ds_packing_find(const uint8_t *head, size_t nbytes);

/* The packing of this name, or NULL: it is not known, or not built in. */
const struct ds_packing *ds_packing_named(const char *name);

/* Unpacks a descriptor from `offset` on; of what lies there, `head` was read already. */
struct ds_unpacker *ds_unpacker_new(struct ds_source *source, const struct ds_packing *packing,
                                    int fd, uint64_t offset, const uint8_t *head,
                                    size_t head_nbytes);
/* Some bytes, up to nbytes; *got is 0 at the end. */
bool ds_unpacker_read(struct ds_unpacker *unpacker, uint8_t *to, size_t nbytes, size_t *got);
void ds_unpacker_free(struct ds_unpacker *unpacker);

#endif
