/* SPDX-License-Identifier: MIT */
/* JSON, by jansson. Keys are stable: others may be added, none renamed. */
#include "report.h"
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

static void put(json_t *object, const char *key, uint64_t value)
{
    json_object_set_new(object, key, json_integer((json_int_t)value));
}

/* Names that are no UTF-8 are written with their bytes as Latin-1. */
static json_t *text(const char *bytes)
{
    json_t *string = json_string(bytes);
    if (string)
        return string;
    char utf8[4096];
    size_t at = 0;
    for (; *bytes && at + 3 < sizeof utf8; bytes++) {
        unsigned char c = (unsigned char)*bytes;
        if (c >= 0x80)
            utf8[at++] = (char)(0xc0 | c >> 6);
        utf8[at++] = (char)(c >= 0x80 ? 0x80 | (c & 0x3f) : c);
    }
    utf8[at] = 0;
    return json_string(utf8);
}

static json_t *info_object(const struct set_source *source)
{
    json_t *object = json_object();
    const struct ds_info *info = source->info;
    json_object_set_new(object, "name", text(source->name));
    json_object_set_new(object, "format", text(info->format));
    put(object, "pages", info->pages[DS_DATA]);
    put(object, "absent_pages", info->pages[DS_ABSENT]);
    put(object, "excluded_pages", info->pages[DS_EXCLUDED]);
    put(object, "hole_pages", info->pages[DS_HOLE]);
    put(object, "kernel_shared_pages", info->pages[DS_KERNEL_SHARED]);
    if (info->cut_pages)
        put(object, "cut_pages", info->cut_pages);
    return object;
}

static json_t *sources_array(const struct set *set, const struct figures *figures)
{
    json_t *array = json_array();
    for (size_t s = 0; s < set->sources; s++) {
        const struct source_figures *source = &figures->source[s];
        json_t *object = info_object(&set->source[s]);
        put(object, "zero_pages", source->zero_pages);
        put(object, "distinct_pages", source->distinct_pages);
        put(object, "shared_pages", source->shared_pages);
        put(object, "self_reclaimed_pages", source->self_reclaimed_pages);
        json_array_append_new(array, object);
    }
    return array;
}

static json_t *total_object(const struct figures *figures)
{
    json_t *object = json_object();
    put(object, "pages", figures->pages);
    put(object, "zero_pages", figures->zero_pages);
    put(object, "distinct_pages", figures->distinct_pages);
    put(object, "shared_pages", figures->shared_pages);
    put(object, "reclaimed_pages", figures->reclaimed_pages);
    put(object, "zero_reclaimed_pages", figures->zero_reclaimed_pages);
    put(object, "self_reclaimed_pages", figures->self_reclaimed_pages);
    put(object, "inter_reclaimed_pages", figures->inter_reclaimed_pages);
    put(object, "self_nonzero_reclaimed_pages", figures->self_nonzero_reclaimed_pages);
    put(object, "inter_nonzero_reclaimed_pages", figures->inter_nonzero_reclaimed_pages);
    put(object, "metadata_bytes", figures->metadata_bytes);
    put(object, "analysis_bytes", figures->analysis_bytes);
    json_object_set_new(object, "net_reclaimed_bytes", json_integer(figures->net_reclaimed_bytes));
    put(object, "false_match_pages", figures->false_match_pages);
    if (figures->isolated)
        put(object, "isolated_reclaimed_pages", figures->isolated_reclaimed_pages);
    return object;
}

static json_t *growth_array(const struct figures *figures)
{
    json_t *array = json_array();
    for (size_t s = 0; s < figures->sources; s++) {
        json_t *object = json_object();
        put(object, "sources", s + 1);
        put(object, "pages", figures->growth[s].pages);
        put(object, "shared_pages", figures->growth[s].shared_pages);
        put(object, "reclaimed_pages", figures->growth[s].reclaimed_pages);
        json_array_append_new(array, object);
    }
    return array;
}

static json_t *common_array(const struct figures *figures)
{
    json_t *array = json_array();
    for (size_t i = 0; i < figures->sources; i++) {
        json_t *row = json_array();
        for (size_t j = 0; j < figures->sources; j++)
            json_array_append_new(
                row, json_integer((json_int_t)figures->common[i * figures->sources + j]));
        json_array_append_new(array, row);
    }
    return array;
}

static json_t *refs_array(const struct figures *figures)
{
    json_t *array = json_array();
    for (size_t i = 0; i < figures->refs_counts; i++)
        json_array_append_new(array, json_pack("[I, I]", (json_int_t)figures->refs[i].count,
                                               (json_int_t)figures->refs[i].contents));
    return array;
}

static json_t *failed_array(const struct set *set)
{
    json_t *array = json_array();
    for (size_t f = 0; f < set->failures; f++) {
        json_t *object = json_object();
        json_object_set_new(object, "name", text(set->failure[f].name));
        json_object_set_new(object, "error", text(set->failure[f].error.text));
        json_array_append_new(array, object);
    }
    return array;
}

static bool print(json_t *root)
{
    char *printed = json_dumps(root, JSON_INDENT(2));
    bool ok = printed && puts(printed) >= 0;
    free(printed);
    json_decref(root);
    return ok;
}

bool report_json(const struct set *set, const struct figures *figures)
{
    json_t *root = json_object();
    put(root, "page_size", SHARE_PAGE_SIZE);
    json_object_set_new(root, "sources", sources_array(set, figures));
    json_object_set_new(root, "total", total_object(figures));
    json_object_set_new(root, "growth", growth_array(figures));
    json_object_set_new(root, "common", common_array(figures));
    json_object_set_new(root, "refs", refs_array(figures));
    if (set->failures)
        json_object_set_new(root, "failed", failed_array(set));
    return print(root);
}

bool report_info_json(const struct set *set)
{
    json_t *root = json_object(), *sources = json_array();
    for (size_t s = 0; s < set->sources; s++) {
        const struct ds_info *info = set->source[s].info;
        json_t *object = info_object(&set->source[s]), *extents = json_array();
        put(object, "alias_pages", info->alias_pages);
        json_object_set_new(object, "producer", text(info->producer));
        json_object_set_new(object, "machine", text(info->machine));
        for (size_t e = 0; e < info->extents; e++) {
            json_t *extent = json_object();
            put(extent, "key", info->extent[e].key);
            put(extent, "pages", info->extent[e].pages);
            json_object_set_new(extent, "state", json_string(ds_state_name(info->extent[e].state)));
            json_array_append_new(extents, extent);
        }
        json_object_set_new(object, "extents", extents);
        json_array_append_new(sources, object);
    }
    put(root, "page_size", DS_PAGE_SIZE);
    json_object_set_new(root, "sources", sources);
    if (set->failures)
        json_object_set_new(root, "failed", failed_array(set));
    return print(root);
}
