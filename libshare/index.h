/* SPDX-License-Identifier: MIT */
/*
 * Frames that were declared, not found: how the scanner takes them into the table.
 */
#ifndef SHARE_INDEX_H
#define SHARE_INDEX_H

#include "run.h"

/* A page on a frame has been come to. If its frame is outside the table, that is hashed and put
 * there; or if one of the same content stands there already, the page goes over to that one:
 * JOINED. Else ALREADY; BUSY or an error of an op: another time. */
enum share_outcome share_index_page(struct share_run *run, const struct share_page_ref *page);

#endif
