/* SPDX-License-Identifier: MIT */
#ifndef DS_LZO_H
#define DS_LZO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Unpacks one LZO1X stream that is all of `packed`. False: it is corrupt, or does not give exactly
 * `nbytes`; `to` is worth nothing then. */
bool ds_lzo_unpack(const uint8_t *packed, size_t packed_nbytes, uint8_t *to, size_t nbytes);

#endif
