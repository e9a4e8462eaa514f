/* SPDX-License-Identifier: MIT */
/* Lists of SOURCEs in a file, as --files-from takes them. */
#ifndef MEASURE_FILE_LIST_H
#define MEASURE_FILE_LIST_H

#include "source.h"

/* Calls each(ctx, SOURCE) for what is in `path` ("-": standard input), each ended by the byte
 * `end`; empty ones are left out. False if a call returned false, which ends it, or if the list
 * cannot be read: only then there is one line in `error`. */
bool file_list_each(const char *path, char end, bool (*each)(void *ctx, const char *source),
                    void *ctx, struct ds_error *error);

#endif
