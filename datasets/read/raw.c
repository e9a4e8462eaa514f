/* SPDX-License-Identifier: MIT */
/* Flat raw memory: byte n of the input is byte n of the machine's memory. It is one piece. */
#include "reader.h"

static bool matches(const uint8_t *head, size_t nbytes)
{
    (void)head;
    (void)nbytes;
    return true; /* what is nothing else */
}

bool ds_raw_whole(struct ds_source *source, uint64_t nbytes)
{
    uint64_t rest = nbytes % DS_PAGE_SIZE;
    if (rest == 0 || source->options.partial)
        return true;
    return ds_fail_at(
        source, nbytes - rest,
        "expected raw memory in whole pages of %d bytes, found a last page of %llu "
        "bytes (truncated, which --partial reads, or ranges of memory without the "
        "gaps between them, as LiME's format=raw writes, whose pages are out of step)",
        DS_PAGE_SIZE, (unsigned long long)rest);
}

static bool open_raw(struct ds_reading *reading)
{
    return ds_raw_whole(reading->source, reading->input.nbytes);
}

static bool next(struct ds_reading *reading, struct ds_piece *piece)
{
    const struct ds_input *input = &reading->input;
    uint64_t pages = input->nbytes / DS_PAGE_SIZE + (input->nbytes % DS_PAGE_SIZE != 0);
    *piece = (struct ds_piece){.pages = input->seekable ? pages : DS_TO_END, .state = DS_DATA};
    if (reading->pieces > 0)
        piece->pages = 0;
    return true;
}

const struct ds_format ds_format_raw = {
    .name = "raw", .matches = matches, .open = open_raw, .next = next};
