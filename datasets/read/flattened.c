/* SPDX-License-Identifier: MIT */
/*
 * Flattened dumps (makedumpfile -F, and what QEMU writes in the kdump formats): a file cut into
 * pieces with their offsets, for a pipe. It is put together again in a temporary file, which is
 * then read as what it is.
 */
#include "reader.h"

#include <string.h>

#define HEADER_NBYTES 4096
#define RECORD_NBYTES 16

static uint64_t big(const uint8_t *bytes)
{
    uint64_t value = 0;
    for (size_t i = 0; i < 8; i++)
        value = value << 8 | bytes[i];
    return value;
}

static bool copy(struct ds_reading *reading, uint64_t from, uint64_t nbytes, int fd, uint64_t to)
{
    for (uint64_t done = 0, got; done < nbytes; done += got) {
        uint64_t left = nbytes - done;
        size_t some = left < DS_INPUT_NBYTES ? (size_t)left : DS_INPUT_NBYTES, there;
        const uint8_t *bytes;
        if (!ds_input_at(&reading->input, from + done, some, &bytes, &there))
            return false;
        if (there < some)
            return ds_fail_at(reading->source, from + done + there,
                              "truncated: expected the rest of a flattened dump, found the end of "
                              "the file");
        if (!ds_spool_write(reading->source, fd, to + done, bytes, some))
            return false;
        got = some;
    }
    return true;
}

static bool reassemble(struct ds_reading *reading, int fd)
{
    struct ds_source *source = reading->source;
    uint64_t at = HEADER_NBYTES, end = 0;
    for (;;) {
        uint8_t record[RECORD_NBYTES];
        if (!ds_input_copy(&reading->input, at, record, sizeof record, "a flattened record"))
            return false;
        uint64_t to = big(record), nbytes = big(record + 8);
        if (to == UINT64_MAX && nbytes == UINT64_MAX)
            return ds_spool_end(source, fd, end);
        if (to > INT64_MAX / 2 || nbytes > INT64_MAX / 2 || nbytes == 0)
            return ds_fail_at(source, at,
                              "expected the offset and length of a piece, found 0x%llx and 0x%llx",
                              (unsigned long long)to, (unsigned long long)nbytes);
        if (!copy(reading, at + sizeof record, nbytes, fd, to))
            return false;
        at += sizeof record + nbytes;
        end = to + nbytes > end ? to + nbytes : end;
    }
}

static bool open_flattened(struct ds_reading *reading)
{
    return ds_input_needs_file(&reading->input);
}

static bool matches(const uint8_t *head, size_t nbytes)
{
    return nbytes >= 16 && memcmp(head, "makedumpfile\0\0\0\0", 16) == 0;
}

const struct ds_format ds_format_flattened = {
    .name = "flattened", .matches = matches, .open = open_flattened, .reassemble = reassemble};
