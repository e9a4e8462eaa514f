/* SPDX-License-Identifier: MIT */
/*
 * QEMU's migration stream: memory as it was sent, pages that changed meanwhile more than once.
 *
 * What a page is, only the end of the stream tells: so it is gone through once before any page is
 * read, a pipe by way of a temporary file. The plan that comes of it is kept by the source.
 */
#include "qemu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool make_plan(struct ds_reading *reading, uint64_t offset, const char *producer)
{
    struct ds_source *source = reading->source;
    struct ds_qemu_stream stream = {0};
    struct ds_qemu_plan *plan = calloc(1, sizeof *plan);
    if (!plan)
        return ds_fail(source, "out of memory");
    source->plan = plan;
    reading->input.keeping = false;
    bool ok = ds_qemu_read(reading, offset, &stream) && ds_qemu_plan(source, &stream, plan) &&
              ds_input_rewind(&reading->input);
    snprintf(source->producer, sizeof source->producer, "%s", producer);
    snprintf(source->machine, sizeof source->machine, "%s", stream.machine);
    ds_qemu_stream_fini(&stream);
    return ok;
}

bool ds_qemu_open(struct ds_reading *reading, uint64_t offset, const char *producer)
{
    if (reading->source->plan)
        return true;
    if (!reading->input.again)
        return ds_input_needs_file(&reading->input);
    return make_plan(reading, offset, producer);
}

bool ds_qemu_next(struct ds_reading *reading, struct ds_piece *piece)
{
    const struct ds_qemu_plan *plan = reading->source->plan;
    if (reading->pieces < plan->pieces)
        *piece = plan->piece[reading->pieces];
    return true;
}

void ds_qemu_forget(void *memory)
{
    struct ds_qemu_plan *plan = memory;
    if (plan)
        free(plan->piece);
    free(plan);
}

static bool open_qemu(struct ds_reading *reading)
{
    return ds_qemu_open(reading, 0, "QEMU migration");
}

static bool matches(const uint8_t *head, size_t nbytes)
{
    return nbytes >= 4 && memcmp(head, "QEVM", 4) == 0;
}

const struct ds_format ds_format_qemu = {.name = "qemu",
                                         .matches = matches,
                                         .open = open_qemu,
                                         .next = ds_qemu_next,
                                         .forget = ds_qemu_forget};
