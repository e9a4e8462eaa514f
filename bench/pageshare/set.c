/* SPDX-License-Identifier: MIT */
/* Sources as immutable VMs: from page numbers to bytes. */
#include "set.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BLOCK_PAGES UINT64_C(512)
#define FAULT_PAGES 16 /* a fault maps at least so many of a file in the page cache */

/* A file that has '=' in its name, and nothing that is labelled. */
static bool is_file_name(const char *argument, const char *source)
{
    bool special = strcmp(source, "-") == 0 || strncmp(source, "pid:", 4) == 0 ||
                   strncmp(source, "diff:", 5) == 0;
    return !special && access(source, F_OK) != 0 && access(argument, F_OK) == 0;
}

/* "name=source", where the left side has no '/'; else the argument names itself. */
static const char *split(const char *argument, char **name)
{
    const char *equals = strchr(argument, '=');
    const char *slash = strchr(argument, '/');
    if (equals && equals != argument && (!slash || slash > equals) &&
        !is_file_name(argument, equals + 1)) {
        *name = strndup(argument, (size_t)(equals - argument));
        return equals + 1;
    }
    *name = strdup(argument);
    return argument;
}

static void *grown(void *array, size_t count, size_t item_nbytes)
{
    void *larger = realloc(array, (count + 1) * item_nbytes);
    if (!larger)
        abort(); /* a few bytes per argument */
    return larger;
}

static bool number_pages(struct set_source *source)
{
    const struct ds_info *info = source->info;
    source->first_page = malloc((info->extents + 1) * sizeof *source->first_page);
    if (!source->first_page)
        return false;
    for (size_t i = 0; i < info->extents; i++) {
        source->first_page[i] = source->pages;
        if (info->extent[i].state == DS_DATA)
            source->pages += info->extent[i].pages;
    }
    source->first_page[info->extents] = source->pages;
    return true;
}

static void add_failure(struct set *set, char *name, const struct ds_error *error)
{
    set->failure = grown(set->failure, set->failures, sizeof *set->failure);
    set->failure[set->failures++] = (struct set_failure){name, *error};
}

bool set_open(struct set *set, const char *argument, const struct ds_options *options)
{
    struct set_source source = {0};
    struct ds_error error;
    const char *spec = split(argument, &source.name);
    if (!ds_source_open(spec, options, &source.source, &error)) {
        add_failure(set, source.name, &error);
        return false;
    }
    if (!load_pages(&source.loaded, source.source, &error)) {
        ds_source_free(source.source);
        add_failure(set, source.name, &error);
        return false;
    }
    source.info = &source.loaded.info;
    if (!number_pages(&source)) {
        load_free(&source.loaded);
        ds_source_free(source.source);
        strcpy(error.text, "out of memory");
        add_failure(set, source.name, &error);
        return false;
    }
    set->source = grown(set->source, set->sources, sizeof *set->source);
    set->source[set->sources++] = source;
    for (size_t s = 0; s < set->sources; s++)
        set->source[s].info = &set->source[s].loaded.info; /* the array may have moved */
    set->pages += source.pages;
    return true;
}

static uint64_t blocks_of(const struct set_source *source)
{
    return (source->pages + BLOCK_PAGES - 1) / BLOCK_PAGES;
}

bool set_finish(struct set *set)
{
    for (size_t s = 0; s < set->sources; s++) {
        set->source[s].first_block = set->blocks;
        set->blocks += blocks_of(&set->source[s]);
    }
    set->block = malloc((set->blocks + 1) * sizeof *set->block);
    if (!set->block)
        return false;
    for (size_t s = 0; s < set->sources; s++) {
        const struct set_source *source = &set->source[s];
        uint32_t extent = 0;
        for (uint64_t b = 0; b < blocks_of(source); b++) {
            while (source->first_page[extent + 1] <= b * BLOCK_PAGES)
                extent++;
            set->block[source->first_block + b] = (struct set_block){(uint32_t)s, extent};
        }
    }
    return true;
}

bool set_discard(struct set *set, uint64_t piece)
{
    for (size_t s = 0; s < set->sources; s++) {
        struct ds_source *source = set->source[s].source;
        uint64_t pieces = ds_source_pieces(source);
        if (piece < pieces) {
            ds_source_discard(source, piece);
            return true;
        }
        piece -= pieces;
    }
    return false;
}

void set_free(struct set *set)
{
    for (size_t s = 0; s < set->sources; s++) {
        ds_source_free(set->source[s].source);
        load_free(&set->source[s].loaded);
        free(set->source[s].first_page);
        free(set->source[s].name);
    }
    for (size_t f = 0; f < set->failures; f++)
        free(set->failure[f].name);
    free(set->source);
    free(set->failure);
    free(set->block);
    *set = (struct set){0};
}

uint64_t set_bytes(const struct set *set)
{
    uint64_t bytes = set->blocks * sizeof *set->block;
    for (size_t s = 0; s < set->sources; s++)
        bytes += set->source[s].info->extents *
                 (sizeof(struct ds_extent) + sizeof *set->source[s].first_page);
    return bytes;
}

static share_mpn mpn_of(const struct set_source *source, uint64_t page)
{
    return (share_mpn){source->first_block * BLOCK_PAGES + page};
}

static const uint8_t *bytes_at(const struct set *set, share_mpn mpn)
{
    const struct set_block *block = &set->block[mpn.n / BLOCK_PAGES];
    const struct set_source *source = &set->source[block->source];
    uint64_t page = mpn.n - source->first_block * BLOCK_PAGES;
    size_t extent = block->extent;
    while (source->first_page[extent + 1] <= page)
        extent++;
    return source->info->extent[extent].bytes + (page - source->first_page[extent]) * DS_PAGE_SIZE;
}

void set_touch(const struct set *set, const struct set_source *source, uint64_t first,
               uint64_t count)
{
    for (uint64_t page = first; page < first + count; page += FAULT_PAGES)
        (void)*(const volatile uint8_t *)bytes_at(set, mpn_of(source, page));
}

/* ------------------------------------------------------------------------------------ ops -- */

/* VM numbers follow the order of sources: an engine for a set is made for it alone. */
static bool resolve(void *ctx, struct share_vm_ref vm, share_ppn ppn, share_mpn *mpn)
{
    const struct set_source *source = vm.owner;
    (void)ctx;
    *mpn = mpn_of(source, ppn.n);
    return ppn.n < source->pages;
}

static bool next_present(void *ctx, struct share_vm_ref vm, share_ppn from, share_ppn *found)
{
    (void)ctx;
    *found = from;
    return from.n < ((const struct set_source *)vm.owner)->pages;
}

static const void *peek(void *ctx, share_mpn mpn)
{
    return bytes_at(ctx, mpn);
}

static uint64_t now_ns(void *ctx)
{
    struct timespec now;
    (void)ctx;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

const struct share_ops set_ops = {
    .struct_size = sizeof(struct share_ops),
    .resolve = resolve,
    .next_present = next_present,
    .peek = peek,
    .now_ns = now_ns,
};
