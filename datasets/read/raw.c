/* SPDX-License-Identifier: MIT */
/* Flat raw memory: byte n of the file is byte n of the machine's memory. */
#include "reader.h"

static bool read_raw(struct ds_source *source)
{
    uint64_t pages = source->nbytes / DS_PAGE_SIZE;
    uint64_t rest = source->nbytes % DS_PAGE_SIZE;
    if (rest != 0)
        return ds_fail_at(source, pages * DS_PAGE_SIZE,
                          "expected raw memory in whole pages of %d bytes, found a last page of "
                          "%llu bytes",
                          DS_PAGE_SIZE, (unsigned long long)rest);
    return ds_extent_add_file(source, 0, 0, pages);
}

const struct ds_format ds_format_raw = {"raw", "", 0, read_raw, NULL};
