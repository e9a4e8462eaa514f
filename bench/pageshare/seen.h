/* SPDX-License-Identifier: MIT */
/* Which files are sources already, by device and inode: a file counts once, by whatever path. */
#ifndef MEASURE_SEEN_H
#define MEASURE_SEEN_H

#include "source.h"

struct seen;

struct seen *seen_new(void);
void seen_free(struct seen *seen); /* NULL is allowed */

/* NULL, and the file is remembered, unless a source of the same one was added before: then its
 * spec. A source that is no file is never the same. `info` stays until seen_free. */
const char *seen_add(struct seen *seen, const struct ds_info *info);

#endif
