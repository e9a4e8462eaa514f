/* SPDX-License-Identifier: MIT */
#ifndef DS_LOOK_H
#define DS_LOOK_H

#include "reader.h"

struct ds_look {
    struct ds_source *source;
    int fd;           /* of a sequential source: owned; -1: the source's own */
    size_t unchecked; /* single pages since it was asked whether the file is the same */
    size_t last;      /* extent or span that held the last run: the next one is most often there */

    bool shares; /* the maps of the source */

    /* Of a sequential source. */
    uint8_t *buffer;            /* owned, DS_INPUT_NBYTES */
    struct ds_reading *reading; /* owned */
    struct ds_piece piece;      /* what is left of the current one */
    uint64_t index;             /* of its first page, if it is data */
    bool recording;             /* the first look: it finds out what the source is */
    bool ended;
    int spool_fd; /* owned: where the pages of a pipe are written; or -1 */
};

int ds_look_fd(const struct ds_look *look);

/* Opens the source's file again. -1 with the error written. */
int ds_look_open(const struct ds_source *source, const char *path, size_t part,
                 struct ds_error *error);

/* Pages of files or a spool, by their spans. All looks share the maps. */
bool ds_look_enter(struct ds_look *look, struct ds_error *error);
void ds_look_leave(struct ds_look *look);
bool ds_look_at_spans(struct ds_look *look, uint64_t index, size_t pages, struct ds_run *run,
                      struct ds_error *error);
/* Pages as they come. */
bool ds_look_begin_pieces(struct ds_look *look);
bool ds_look_at_pieces(struct ds_look *look, uint64_t index, size_t pages, struct ds_run *run);

#endif
