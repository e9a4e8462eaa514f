/* SPDX-License-Identifier: MIT */
#ifndef DS_LOOK_H
#define DS_LOOK_H

#include "reader.h"

/* A file that is mapped while a look is at it. */
struct ds_map {
    uint8_t *bytes;
    uint64_t nbytes;
};

struct ds_look {
    struct ds_source *source;
    int fd;           /* owned, or -1: the source's own is read */
    int *part_fd;     /* owned: of a source of several files; else NULL */
    size_t unchecked; /* single pages since it was asked whether the file is the same */
    size_t last;      /* extent or span that held the last run: the next one is most often there */

    struct ds_map *map; /* owned: a part each; NULL: there is nothing to map */

    /* Of a sequential source. */
    uint8_t *buffer;            /* owned, DS_INPUT_NBYTES */
    struct ds_reading *reading; /* owned */
    struct ds_piece piece;      /* what is left of the current one */
    uint64_t index;             /* of its first page, if it is data */
    bool recording;             /* the first look: it finds out what the source is */
    bool ended;
    int spool_fd; /* owned: where the pages of a pipe are written; or -1 */
};

int ds_look_fd(const struct ds_look *look, size_t part);

/* Pages of files or a spool, by their spans. */
bool ds_look_map(struct ds_look *look, struct ds_error *error);
void ds_look_unmap(struct ds_look *look);
bool ds_look_at_spans(struct ds_look *look, uint64_t index, size_t pages, struct ds_run *run,
                      struct ds_error *error);
/* Pages as they come. */
bool ds_look_begin_pieces(struct ds_look *look);
bool ds_look_at_pieces(struct ds_look *look, uint64_t index, size_t pages, struct ds_run *run);

#endif
