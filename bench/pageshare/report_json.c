/* SPDX-License-Identifier: MIT */
/* JSON. Keys are stable: others may be added, none renamed. */
#include "json_out.h"
#include "report.h"

static void put_info(struct json_out *out, const struct set_source *source)
{
    const struct ds_info *info = source->info;
    out_text(out, "name", source->name);
    out_text(out, "format", info->format);
    out_number(out, "pages", set_source_pages(source));
    out_number(out, "absent_pages", info->pages[DS_ABSENT]);
    out_number(out, "excluded_pages", info->pages[DS_EXCLUDED]);
    out_number(out, "hole_pages", info->pages[DS_HOLE]);
    out_number(out, "kernel_shared_pages", info->pages[DS_KERNEL_SHARED]);
    if (info->cut_pages)
        out_number(out, "cut_pages", info->cut_pages);
}

static void put_sources(struct json_out *out, const struct set *set, const struct figures *figures)
{
    out_open(out, "sources", '[');
    for (size_t s = 0; s < set->sources; s++) {
        const struct source_figures *source = &figures->source[s];
        out_open(out, NULL, '{');
        put_info(out, &set->source[s]);
        out_number(out, "zero_pages", source->zero_pages);
        out_number(out, "distinct_pages", source->distinct_pages);
        out_number(out, "shared_pages", source->shared_pages);
        out_number(out, "self_reclaimed_pages", source->self_reclaimed_pages);
        out_close(out, '}');
    }
    out_close(out, ']');
}

static void put_total(struct json_out *out, const struct figures *figures)
{
    out_open(out, "total", '{');
    out_number(out, "pages", figures->pages);
    out_number(out, "zero_pages", figures->zero_pages);
    out_number(out, "distinct_pages", figures->distinct_pages);
    out_number(out, "shared_pages", figures->shared_pages);
    out_number(out, "reclaimed_pages", figures->reclaimed_pages);
    out_number(out, "zero_reclaimed_pages", figures->zero_reclaimed_pages);
    out_number(out, "self_reclaimed_pages", figures->self_reclaimed_pages);
    out_number(out, "inter_reclaimed_pages", figures->inter_reclaimed_pages);
    out_number(out, "self_nonzero_reclaimed_pages", figures->self_nonzero_reclaimed_pages);
    out_number(out, "inter_nonzero_reclaimed_pages", figures->inter_nonzero_reclaimed_pages);
    out_number(out, "metadata_bytes", figures->metadata_bytes);
    out_number(out, "analysis_bytes", figures->analysis_bytes);
    out_signed(out, "net_reclaimed_bytes", figures->net_reclaimed_bytes);
    out_number(out, "false_match_pages", figures->false_match_pages);
    if (figures->isolated)
        out_number(out, "isolated_reclaimed_pages", figures->isolated_reclaimed_pages);
    if (figures->estimated) {
        out_word(out, "estimate", "true");
        out_real(out, "collision_bound", figures->collision_bound);
    }
    out_close(out, '}');
}

static void put_growth(struct json_out *out, const struct figures *figures)
{
    out_open(out, "growth", '[');
    for (size_t s = 0; s < figures->sources; s++) {
        out_open(out, NULL, '{');
        out_number(out, "sources", s + 1);
        out_number(out, "pages", figures->growth[s].pages);
        out_number(out, "shared_pages", figures->growth[s].shared_pages);
        out_number(out, "reclaimed_pages", figures->growth[s].reclaimed_pages);
        out_close(out, '}');
    }
    out_close(out, ']');
}

static void put_common(struct json_out *out, const struct figures *figures)
{
    if (!figures->common) {
        out_word(out, "common", "null");
        return;
    }
    out_open(out, "common", '[');
    for (size_t i = 0; i < figures->sources; i++) {
        out_open(out, NULL, '[');
        for (size_t j = 0; j < figures->sources; j++)
            out_number(out, NULL, figures->common[i * figures->sources + j]);
        out_close(out, ']');
    }
    out_close(out, ']');
}

static void put_refs(struct json_out *out, const struct figures *figures)
{
    out_open(out, "refs", '[');
    for (size_t i = 0; i < figures->refs_counts; i++) {
        out_open(out, NULL, '[');
        out_number(out, NULL, figures->refs[i].count);
        out_number(out, NULL, figures->refs[i].contents);
        out_close(out, ']');
    }
    out_close(out, ']');
}

static void put_saved(struct json_out *out, uint64_t contents, uint64_t pages)
{
    out_number(out, "contents", contents);
    out_number(out, "pages", pages);
    out_number(out, "reclaimed_pages", pages - contents);
}

static void put_holders(struct json_out *out, const struct holders *holders)
{
    out_open(out, "holder_sets", '[');
    for (size_t i = 0; i < holders->sets; i++) {
        const struct holder_set *set = &holders->set[i];
        out_open(out, NULL, '{');
        out_open(out, "sources", '[');
        for (size_t k = 0; k < set->listed; k++)
            out_number(out, NULL, set->source[k]);
        out_close(out, ']');
        out_number(out, "holders", set->holders);
        put_saved(out, set->contents, set->pages);
        out_close(out, '}');
    }
    out_close(out, ']');
    out_open(out, "holder_sets_rest", '{');
    out_number(out, "sets", holders->rest.sets);
    put_saved(out, holders->rest.contents, holders->rest.pages);
    out_close(out, '}');
    bool exact = holders->left_out.contents == 0;
    out_word(out, "holder_sets_exact", exact ? "true" : "false");
    if (exact)
        return;
    out_open(out, "holder_sets_left_out", '{');
    put_saved(out, holders->left_out.contents, holders->left_out.pages);
    out_close(out, '}');
}

static void put_failed(struct json_out *out, const struct set *set)
{
    if (!set->failures)
        return;
    out_open(out, "failed", '[');
    for (size_t f = 0; f < set->failures; f++) {
        out_open(out, NULL, '{');
        out_text(out, "name", set->failure[f].name);
        out_text(out, "error", set->failure[f].error.text);
        out_close(out, '}');
    }
    out_close(out, ']');
}

/* Spaces would be half of a long list. */
static struct json_out start(const struct set *set)
{
    struct json_out out = {.compact = set->sources > FIGURES_MATRIX_SOURCES};
    out_open(&out, NULL, '{');
    out_number(&out, "page_size", DS_PAGE_SIZE);
    return out;
}

static bool finish(struct json_out *out, const struct set *set)
{
    put_failed(out, set);
    out_close(out, '}');
    return out_end(out);
}

bool report_json(const struct set *set, const struct figures *figures)
{
    struct json_out out = start(set);
    put_sources(&out, set, figures);
    put_total(&out, figures);
    put_growth(&out, figures);
    put_common(&out, figures);
    put_refs(&out, figures);
    put_holders(&out, &figures->holders);
    return finish(&out, set);
}

static void put_extents(struct json_out *out, const struct ds_info *info)
{
    out_open(out, "extents", '[');
    for (size_t e = 0; e < info->extents; e++) {
        out_open(out, NULL, '{');
        out_number(out, "key", info->extent[e].key);
        out_number(out, "pages", info->extent[e].pages);
        out_text(out, "state", ds_state_name(info->extent[e].state));
        out_close(out, '}');
    }
    out_close(out, ']');
}

bool report_info_json(const struct set *set)
{
    struct json_out out = start(set);
    out_open(&out, "sources", '[');
    for (size_t s = 0; s < set->sources; s++) {
        out_open(&out, NULL, '{');
        put_info(&out, &set->source[s]);
        out_number(&out, "alias_pages", set->source[s].info->alias_pages);
        out_text(&out, "producer", set->source[s].info->producer);
        out_text(&out, "machine", set->source[s].info->machine);
        out_number(&out, "page_bytes", set->source[s].info->page_nbytes);
        put_extents(&out, set->source[s].info);
        out_close(&out, '}');
    }
    out_close(&out, ']');
    return finish(&out, set);
}
