/* SPDX-License-Identifier: MIT */
#ifndef DS_KDUMP_PAGE_H
#define DS_KDUMP_PAGE_H

#include <stddef.h>
#include <stdint.h>

/* Unpacks one page as its descriptor's flags say: all of `nbytes` must come out. Returns NULL, or
 * what is wrong. */
const char *ds_kdump_unpack(uint32_t flags, const uint8_t *packed, size_t packed_nbytes,
                            uint8_t *to, size_t nbytes);

#endif
