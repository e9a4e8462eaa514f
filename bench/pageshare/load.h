/* SPDX-License-Identifier: MIT */
/*
 * A source's pages in memory that is mapped, read by one look: until measuring looks itself.
 */
#ifndef MEASURE_LOAD_H
#define MEASURE_LOAD_H

#include "source.h"

struct load {
    struct ds_info info; /* the source's; data and zero pages are both data here, with bytes */
    uint8_t *data, *zero;
    size_t data_nbytes, zero_nbytes;
};

bool load_pages(struct load *load, struct ds_source *source, struct ds_error *error);
void load_free(struct load *load);

#endif
