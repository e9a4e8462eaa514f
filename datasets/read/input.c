/* SPDX-License-Identifier: MIT */
/* The bytes that a format reads: one buffer over a file, a pipe or what is unpacked. See input.h.
 */
#include "reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Headers of a stream that are larger need a file. */
#define KEEP_NBYTES ((size_t)64 << 20)

/* What one read gives; 0 at the end. */
static bool read_some(struct ds_input *input, uint8_t *to, size_t nbytes, size_t *got)
{
    if (input->unpacker)
        return ds_unpacker_read(input->unpacker, to, nbytes, got);
    uint64_t at = input->offset + input->filled;
    ssize_t some;
    do {
        some =
            input->seekable ? pread(input->fd, to, nbytes, (off_t)at) : read(input->fd, to, nbytes);
    } while (some < 0 && errno == EINTR);
    *got = some < 0 ? 0 : (size_t)some;
    return some >= 0 || ds_fail_at(input->source, at, "cannot read: %s", strerror(errno));
}

/* Fills the buffer until it holds `nbytes`, or to the end of the input. */
static bool fill(struct ds_input *input, size_t nbytes)
{
    while (!input->end && input->filled < nbytes) {
        size_t got;
        if (!read_some(input, input->buffer + input->filled, input->capacity - input->filled, &got))
            return false;
        input->end = got == 0;
        input->filled += got;
    }
    return true;
}

/* Room for `nbytes` from the buffer's start on, which stays where it is. */
static bool keep_more(struct ds_input *input, size_t nbytes)
{
    if (nbytes <= input->capacity)
        return true;
    size_t capacity = 2 * nbytes;
    uint8_t *more = realloc(input->buffer, capacity);
    if (!more)
        return ds_fail(input->source, "out of memory for %zu bytes of headers", nbytes);
    input->buffer = more;
    input->capacity = capacity;
    return true;
}

bool ds_input_needs_file(struct ds_input *input)
{
    input->needs_file = true;
    return ds_fail(input->source, "expected a file, found a pipe");
}

/* Drops what lies before `offset`. A file starts anew there, a stream reads on. */
static bool forward(struct ds_input *input, uint64_t offset)
{
    if (input->seekable) {
        input->offset = offset;
        input->filled = 0;
        input->end = false;
        return true;
    }
    while (offset - input->offset > input->filled && !input->end) {
        input->offset += input->filled;
        input->filled = 0;
        if (!fill(input, 1))
            return false;
    }
    uint64_t skip = offset - input->offset;
    size_t dropped = skip < input->filled ? (size_t)skip : input->filled;
    memmove(input->buffer, input->buffer + dropped, input->filled - dropped);
    input->filled -= dropped;
    input->offset += dropped;
    return true;
}

bool ds_input_at(struct ds_input *input, uint64_t offset, size_t nbytes, const uint8_t **bytes,
                 size_t *got)
{
    *bytes = input->buffer;
    *got = 0;
    if (input->seekable && offset >= input->nbytes)
        return true;
    bool behind = offset < input->offset;
    bool beyond = offset - input->offset > input->filled ||
                  nbytes > input->filled - (size_t)(offset - input->offset);
    if (behind && !input->seekable)
        return ds_input_needs_file(input);
    if (input->keeping && !input->seekable) {
        if (offset > KEEP_NBYTES || nbytes > KEEP_NBYTES)
            return ds_input_needs_file(input);
        if (!keep_more(input, (size_t)offset + nbytes))
            return false;
    } else if ((behind || beyond) && !forward(input, offset)) {
        return false;
    }
    if ((behind || beyond) && !fill(input, (size_t)(offset - input->offset) + nbytes))
        return false;
    uint64_t skipped = offset - input->offset;
    size_t there = skipped < input->filled ? input->filled - (size_t)skipped : 0;
    *bytes = input->buffer + (there ? skipped : 0);
    *got = there < nbytes ? there : nbytes;
    return true;
}

uint64_t ds_input_end(const struct ds_input *input)
{
    return input->seekable ? input->nbytes : input->offset + input->filled;
}

bool ds_input_copy(struct ds_input *input, uint64_t offset, void *to, size_t nbytes,
                   const char *what)
{
    for (size_t done = 0; done < nbytes;) {
        size_t some = nbytes - done < DS_INPUT_NBYTES ? nbytes - done : DS_INPUT_NBYTES, got;
        const uint8_t *bytes;
        if (!ds_input_at(input, offset + done, some, &bytes, &got))
            return false;
        memcpy((uint8_t *)to + done, bytes, got);
        done += got;
        if (got < some)
            return ds_fail_at(input->source, offset,
                              "expected %s of %zu bytes, found the end of the %s at 0x%llx", what,
                              nbytes, input->source->packing ? "content" : "file",
                              (unsigned long long)(offset + done));
    }
    return true;
}

/* Is the input packed? Then what was read of it so far goes through an unpacker. */
static bool find_packing(struct ds_input *input)
{
    struct ds_source *source = input->source;
    if (!fill(input, 16))
        return false;
    source->packing = source->options.as_raw ? NULL : ds_packing_find(input->buffer, input->filled);
    if (!source->packing)
        return true;
    input->unpacker =
        ds_unpacker_new(source, source->packing, input->fd, 0, input->buffer, input->filled);
    input->seekable = false;
    input->filled = 0;
    input->end = false;
    return input->unpacker != NULL;
}

/* Reads on from `offset` of the descriptor, with nothing read ahead. */
static bool start_at(struct ds_input *input, uint64_t offset)
{
    if (lseek(input->fd, (off_t)offset, SEEK_SET) < 0)
        return ds_fail(input->source, "cannot read again: %s", strerror(errno));
    ds_unpacker_free(input->unpacker);
    input->unpacker = NULL;
    input->capacity = DS_INPUT_NBYTES; /* no more is read ahead than an unpacker takes over */
    input->filled = 0;
    input->offset = 0;
    input->end = false;
    return true;
}

static bool start_inner(struct ds_input *input)
{
    static const uint8_t nothing[1];
    if (!start_at(input, input->inner_offset))
        return false;
    input->unpacker =
        ds_unpacker_new(input->source, input->inner, input->fd, input->inner_offset, nothing, 0);
    return input->unpacker != NULL;
}

bool ds_input_unpack(struct ds_input *input, uint64_t offset, const struct ds_packing *packing)
{
    if (!input->seekable)
        return ds_input_needs_file(input);
    input->seekable = false;
    input->inner = input->source->packing = packing;
    input->inner_offset = offset;
    return start_inner(input);
}

bool ds_input_rewind(struct ds_input *input)
{
    if (input->seekable)
        return true;
    if (!input->again)
        return ds_input_needs_file(input);
    return input->inner ? start_inner(input) : start_at(input, 0) && find_packing(input);
}

bool ds_input_init(struct ds_source *source, struct ds_input *input, int fd)
{
    struct stat st;
    *input = (struct ds_input){.source = source, .fd = fd, .keeping = true};
    input->again = source->bytes_in != DS_IN_PIPE;
    input->capacity = DS_INPUT_NBYTES;
    input->buffer = malloc(input->capacity);
    if (!input->buffer)
        return ds_fail(source, "out of memory");
    if (source->bytes_in != DS_IN_SPOOL && !find_packing(input))
        return false;
    if (source->bytes_in != DS_IN_SPOOL && (source->packing || !input->again))
        return true;
    if (fstat(fd, &st) != 0)
        return ds_fail(source, "cannot read its size: %s", strerror(errno));
    input->seekable = true;
    input->nbytes = (uint64_t)st.st_size;
    input->end = false;
    return true;
}

void ds_input_fini(struct ds_input *input)
{
    ds_unpacker_free(input->unpacker);
    free(input->buffer);
}
