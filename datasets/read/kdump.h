/* SPDX-License-Identifier: MIT */
#ifndef DS_KDUMP_H
#define DS_KDUMP_H

#include "reader.h"

/* Which pages a file is about, of how many that the whole dump is about; of `page_nbytes` each. A
 * file that is no part of a split dump is about all. */
struct ds_kdump_range {
    uint64_t first, end;
    uint64_t whole;
    uint64_t page_nbytes;
};

/* Of a reading that ds_format_kdump opened. */
struct ds_kdump_range ds_kdump_range(const struct ds_reading *reading);

#endif
