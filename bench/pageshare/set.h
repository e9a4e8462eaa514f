/* SPDX-License-Identifier: MIT */
/*
 * The set of sources that is measured: opened dumps, seen by the engine as immutable VMs.
 *
 * A source's data pages are numbered from 0 without gaps: that is the PPN. Machine page numbers run
 * over all sources in blocks of 512 pages; a block knows its source and its first extent, so an MPN
 * leads to its bytes in constant time.
 */
#ifndef MEASURE_SET_H
#define MEASURE_SET_H

#include "load.h"
#include "share.h"
#include "source.h"

struct set_source {
    char *name;
    struct ds_source *source;
    struct load loaded;
    const struct ds_info *info; /* of what was loaded */
    uint64_t *first_page;       /* of each extent: its first data page's number in the source */
    uint64_t pages;             /* data pages */
    uint64_t first_block;
    share_vm vm; /* in the engine that measures the set */
};

struct set_block {
    uint32_t source;
    uint32_t extent; /* where the block's first page lies */
};

struct set_failure {
    char *name;
    struct ds_error error;
};

struct set {
    struct set_source *source;
    size_t sources;
    struct set_failure *failure;
    size_t failures;
    struct set_block *block;
    uint64_t blocks;
    uint64_t pages; /* data pages of all sources */
};

/* Opens `argument` ("name=source" or "source") into the set. On failure, notes it in set->failure
 * and returns false. */
bool set_open(struct set *set, const char *argument, const struct ds_options *options);

/* Lays out blocks after the last source was opened. False: no memory. */
bool set_finish(struct set *set);

/* Has pages from `first` on mapped before they are offered: a prefetch of what is not mapped yet
 * does nothing. */
void set_touch(const struct set *set, const struct set_source *source, uint64_t first,
               uint64_t count);

/* Gives a piece of all bytes back, numbered from 0; false if there is no such piece. Once it has
 * begun, the ops below may not run any more. Any thread, a piece once. */
bool set_discard(struct set *set, uint64_t piece);

void set_free(struct set *set);

/* The engine's ops over a set (ops_ctx: the set); set_source.vm must be set before they run. */
extern const struct share_ops set_ops;

/* Memory held to find pages: analysis memory. */
uint64_t set_bytes(const struct set *set);

#endif
