/* SPDX-License-Identifier: MIT */
/*
 * An exact count, made independently of pageshare: all pages of all sources are sorted by their
 * bytes, and each figure is counted from the runs of equal pages by its definition.
 *
 * Usage: exact [--isolate] [--freeze] [--holes-zero] SOURCE...
 * Prints the JSON keys of `pageshare measure --format json`, but for those that are about memory
 * and hashes (metadata_bytes, analysis_bytes, net_reclaimed_bytes, false_match_pages). Shares the
 * readers with pageshare, and no code beyond them. Holds all pages. Cost: O(pages log pages)
 * compares of pages, O(contents * sources^2) for the matrix, O(contents * holder sets * sources).
 */
#include "source.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MATRIX_MAX 64   /* sources; with more there is no matrix */
#define SETS_MAX   1000 /* holder sets that are listed */

struct page {
    const uint8_t *bytes;
    size_t source;
};

struct input {
    char *name;
    struct ds_source *source;
    const struct ds_info *info;
    uint8_t *bytes; /* of its pages; those that it knows to be zero are the last */
    uint64_t pages;
};

/* One distinct content: how many pages each source has of it. */
struct content {
    uint64_t *copies; /* by source */
    uint64_t total;
    bool zero;
};

struct count {
    struct input *input;
    size_t inputs;
    struct page *page;
    size_t pages;
    struct content *content;
    size_t contents;
};

static void *must_alloc(size_t count, size_t nbytes)
{
    void *memory = calloc(count ? count : 1, nbytes);
    if (!memory) {
        fprintf(stderr, "exact: out of memory\n");
        exit(1);
    }
    return memory;
}

/* ------------------------------------------------------------------------- pages to contents -- */

static void open_input(struct input *input, const char *argument, const struct ds_options *options)
{
    struct ds_error error;
    const char *equals = strchr(argument, '=');
    const char *slash = strchr(argument, '/');
    bool labelled = equals && equals > argument && !(slash && slash < equals);
    input->name = strdup(argument);
    if (labelled && input->name)
        input->name[equals - argument] = '\0';
    if (!ds_source_open(labelled ? equals + 1 : argument, options, &input->source, &error)) {
        fprintf(stderr, "exact: %s\n", error.text);
        exit(1);
    }
    input->info = ds_source_info(input->source);
}

static void add_bytes(struct input *input, const uint8_t *bytes, uint64_t pages)
{
    input->bytes = realloc(input->bytes, (input->pages + pages + 1) * DS_PAGE_SIZE);
    if (!input->bytes)
        exit(1);
    uint8_t *to = input->bytes + input->pages * DS_PAGE_SIZE;
    if (bytes)
        memcpy(to, bytes, pages * DS_PAGE_SIZE);
    else
        memset(to, 0, pages * DS_PAGE_SIZE);
    input->pages += pages;
}

static void read_pages(struct input *input)
{
    struct ds_error error;
    struct ds_run run = {0};
    struct ds_look *look = ds_look_new(input->source, &error);
    bool ok = look != NULL;
    do {
        ok = ok && ds_look_at(look, run.index + run.pages, 1 << 16, &run, &error);
        if (ok)
            add_bytes(input, run.bytes, run.pages);
    } while (ok && run.pages);
    ds_look_free(look);
    if (!ok) {
        fprintf(stderr, "exact: %s\n", error.text);
        exit(1);
    }
    add_bytes(input, NULL, input->info->pages[DS_ZERO]);
}

static void list_pages(struct count *count)
{
    size_t pages = 0;
    for (size_t s = 0; s < count->inputs; s++) {
        read_pages(&count->input[s]);
        pages += (size_t)count->input[s].pages;
    }
    count->page = must_alloc(pages, sizeof *count->page);
    for (size_t s = 0; s < count->inputs; s++)
        for (uint64_t p = 0; p < count->input[s].pages; p++)
            count->page[count->pages++] =
                (struct page){count->input[s].bytes + p * DS_PAGE_SIZE, s};
}

static int by_bytes(const void *a, const void *b)
{
    const struct page *x = a, *y = b;
    return memcmp(x->bytes, y->bytes, DS_PAGE_SIZE);
}

static bool is_zero(const uint8_t *bytes)
{
    for (size_t i = 0; i < DS_PAGE_SIZE; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

static void find_contents(struct count *count)
{
    qsort(count->page, count->pages, sizeof *count->page, by_bytes);
    count->content = must_alloc(count->pages, sizeof *count->content);
    for (size_t i = 0; i < count->pages; i++) {
        if (i == 0 || by_bytes(&count->page[i - 1], &count->page[i]) != 0) {
            struct content *new = &count->content[count->contents++];
            new->copies = must_alloc(count->inputs, sizeof *new->copies);
            new->zero = is_zero(count->page[i].bytes);
        }
        struct content *content = &count->content[count->contents - 1];
        content->copies[count->page[i].source]++;
        content->total++;
    }
}

/* ------------------------------------------------------------------------ contents to figures --
 */

static void put(json_t *object, const char *key, uint64_t value)
{
    json_object_set_new(object, key, json_integer((json_int_t)value));
}

struct sums {
    uint64_t pages, distinct, zero, shared;
};

/* Over the sources [begin, end) alone, but for `shared`: that is of the whole set. */
static struct sums sum(const struct count *count, size_t begin, size_t end)
{
    struct sums sums = {0};
    for (size_t c = 0; c < count->contents; c++) {
        uint64_t here = 0;
        for (size_t s = begin; s < end; s++)
            here += count->content[c].copies[s];
        sums.pages += here;
        sums.distinct += here > 0;
        sums.zero += count->content[c].zero ? here : 0;
        sums.shared += count->content[c].total >= 2 ? here : 0;
    }
    return sums;
}

static json_t *sources(const struct count *count)
{
    json_t *array = json_array();
    for (size_t s = 0; s < count->inputs; s++) {
        const struct ds_info *info = count->input[s].info;
        struct sums sums = sum(count, s, s + 1);
        json_t *object = json_object();
        json_object_set_new(object, "name", json_string(count->input[s].name));
        json_object_set_new(object, "format", json_string(info->format));
        put(object, "pages", sums.pages);
        put(object, "absent_pages", info->pages[DS_ABSENT]);
        put(object, "excluded_pages", info->pages[DS_EXCLUDED]);
        put(object, "hole_pages", info->pages[DS_HOLE]);
        put(object, "kernel_shared_pages", info->pages[DS_KERNEL_SHARED]);
        put(object, "zero_pages", sums.zero);
        put(object, "distinct_pages", sums.distinct);
        put(object, "shared_pages", sums.shared);
        put(object, "self_reclaimed_pages", sums.pages - sums.distinct);
        json_array_append_new(array, object);
    }
    return array;
}

static json_t *total(const struct count *count, bool isolate)
{
    struct sums all = sum(count, 0, count->inputs);
    uint64_t reclaimed = all.pages - all.distinct, self = 0, self_nonzero = 0;
    for (size_t s = 0; s < count->inputs; s++) {
        struct sums one = sum(count, s, s + 1);
        self += one.pages - one.distinct;
        self_nonzero += (one.pages - one.zero) - (one.distinct - (one.zero > 0));
    }
    uint64_t zero = all.zero > 1 ? all.zero - 1 : 0;
    json_t *object = json_object();
    put(object, "pages", all.pages);
    put(object, "zero_pages", all.zero);
    put(object, "distinct_pages", all.distinct);
    put(object, "shared_pages", all.shared);
    put(object, "reclaimed_pages", reclaimed);
    put(object, "zero_reclaimed_pages", zero);
    put(object, "self_reclaimed_pages", self);
    put(object, "inter_reclaimed_pages", reclaimed - self);
    put(object, "self_nonzero_reclaimed_pages", self_nonzero);
    put(object, "inter_nonzero_reclaimed_pages", reclaimed - zero - self_nonzero);
    if (isolate) /* nobody shares with another: what each has twice itself is all there is */
        put(object, "isolated_reclaimed_pages", self);
    return object;
}

/* With the first n sources, as if there were no others. */
static json_t *growth_at(const struct count *count, size_t n)
{
    uint64_t pages = 0, shared = 0, distinct = 0;
    for (size_t c = 0; c < count->contents; c++) {
        uint64_t here = 0;
        for (size_t s = 0; s < n; s++)
            here += count->content[c].copies[s];
        pages += here;
        distinct += here > 0;
        shared += here >= 2 ? here : 0;
    }
    json_t *object = json_object();
    put(object, "sources", n);
    put(object, "pages", pages);
    put(object, "shared_pages", shared);
    put(object, "reclaimed_pages", pages - distinct);
    return object;
}

static json_t *growth(const struct count *count)
{
    json_t *array = json_array();
    for (size_t n = 1; n <= count->inputs; n++)
        json_array_append_new(array, growth_at(count, n));
    return array;
}

static json_t *common(const struct count *count)
{
    size_t n = count->inputs;
    if (n > MATRIX_MAX)
        return json_null();
    uint64_t *matrix = must_alloc(n * n, sizeof *matrix);
    for (size_t c = 0; c < count->contents; c++) {
        const struct content *content = &count->content[c];
        for (size_t i = 0; i < n * n && !content->zero; i++)
            matrix[i] += content->copies[i / n] > 0 && content->copies[i % n] > 0;
    }
    json_t *rows = json_array();
    for (size_t i = 0; i < n; i++) {
        json_t *row = json_array();
        for (size_t j = 0; j < n; j++)
            json_array_append_new(row, json_integer((json_int_t)matrix[i * n + j]));
        json_array_append_new(rows, row);
    }
    free(matrix);
    return rows;
}

/* ----------------------------------------------------------------------------- holder sets -- */

/* A set is one of the contents that it holds; `contents` and `pages` of all. */
struct holder_set {
    const struct content *content;
    size_t inputs;
    uint64_t contents, pages;
};

static bool same_holders(const struct content *a, const struct content *b, size_t inputs)
{
    for (size_t s = 0; s < inputs; s++)
        if ((a->copies[s] > 0) != (b->copies[s] > 0))
            return false;
    return true;
}

/* The first that is in one of them alone decides, unless the other one has no more. */
static int by_holders(const struct holder_set *a, const struct holder_set *b)
{
    size_t i = 0, j = 0;
    for (;; i++, j++) {
        while (i < a->inputs && !a->content->copies[i])
            i++;
        while (j < b->inputs && !b->content->copies[j])
            j++;
        if (i == a->inputs || j == b->inputs)
            return (i != a->inputs) - (j != b->inputs);
        if (i != j)
            return i < j ? -1 : 1;
    }
}

static int by_saved(const void *a, const void *b)
{
    const struct holder_set *x = a, *y = b;
    uint64_t saved_x = x->pages - x->contents, saved_y = y->pages - y->contents;
    return saved_x == saved_y ? by_holders(x, y) : saved_x > saved_y ? -1 : 1;
}

static size_t find_sets(const struct count *count, struct holder_set *sets)
{
    size_t found = 0;
    for (size_t c = 0; c < count->contents; c++) {
        const struct content *content = &count->content[c];
        if (content->zero || content->total < 2)
            continue;
        size_t at = 0;
        while (at < found && !same_holders(sets[at].content, content, count->inputs))
            at++;
        if (at == found)
            sets[found++] = (struct holder_set){content, count->inputs, 0, 0};
        sets[at].contents++;
        sets[at].pages += content->total;
    }
    qsort(sets, found, sizeof *sets, by_saved);
    return found;
}

static json_t *holder_set(const struct holder_set *set)
{
    json_t *object = json_object(), *sources = json_array();
    for (size_t s = 0; s < set->inputs; s++)
        if (set->content->copies[s])
            json_array_append_new(sources, json_integer((json_int_t)s));
    put(object, "holders", json_array_size(sources));
    json_object_set_new(object, "sources", sources);
    put(object, "contents", set->contents);
    put(object, "pages", set->pages);
    put(object, "reclaimed_pages", set->pages - set->contents);
    return object;
}

static void put_holder_sets(json_t *root, const struct count *count)
{
    struct holder_set *sets = must_alloc(count->contents, sizeof *sets), rest = {0};
    size_t found = find_sets(count, sets);
    json_t *array = json_array(), *object = json_object();
    for (size_t i = 0; i < found && i < SETS_MAX; i++)
        json_array_append_new(array, holder_set(&sets[i]));
    for (size_t i = SETS_MAX; i < found; i++) {
        rest.contents += sets[i].contents;
        rest.pages += sets[i].pages;
    }
    put(object, "sets", found > SETS_MAX ? found - SETS_MAX : 0);
    put(object, "contents", rest.contents);
    put(object, "pages", rest.pages);
    put(object, "reclaimed_pages", rest.pages - rest.contents);
    json_object_set_new(root, "holder_sets", array);
    json_object_set_new(root, "holder_sets_rest", object);
    json_object_set_new(root, "holder_sets_exact", json_true());
    free(sets);
}

/* --------------------------------------------------------------------------------------------- */

static int by_total(const void *a, const void *b)
{
    const struct content *x = a, *y = b;
    return (x->total > y->total) - (x->total < y->total);
}

/* Sorts the contents, so it comes last. */
static json_t *refs(struct count *count)
{
    json_t *array = json_array();
    qsort(count->content, count->contents, sizeof *count->content, by_total);
    for (size_t c = 0, end; c < count->contents; c = end) {
        for (end = c; end < count->contents; end++)
            if (count->content[end].total != count->content[c].total)
                break;
        json_array_append_new(
            array, json_pack("[I, I]", (json_int_t)count->content[c].total, (json_int_t)(end - c)));
    }
    return array;
}

static bool print(struct count *count, bool isolate)
{
    json_t *root = json_object();
    put(root, "page_size", DS_PAGE_SIZE);
    json_object_set_new(root, "sources", sources(count));
    json_object_set_new(root, "total", total(count, isolate));
    json_object_set_new(root, "growth", growth(count));
    json_object_set_new(root, "common", common(count));
    put_holder_sets(root, count);
    json_object_set_new(root, "refs", refs(count));
    bool ok = json_dumpf(root, stdout, JSON_INDENT(2)) == 0 && putchar('\n') != EOF &&
              fflush(stdout) == 0;
    json_decref(root);
    return ok;
}

static void fini(struct count *count)
{
    for (size_t c = 0; c < count->contents; c++)
        free(count->content[c].copies);
    for (size_t s = 0; s < count->inputs; s++) {
        ds_source_free(count->input[s].source);
        free(count->input[s].name);
        free(count->input[s].bytes);
    }
    free(count->content);
    free(count->page);
    free(count->input);
}

int main(int argc, char **argv)
{
    struct ds_options options = {0};
    bool isolate = false;
    int first = 1;
    for (; first < argc && strncmp(argv[first], "--", 2) == 0; first++) {
        isolate |= strcmp(argv[first], "--isolate") == 0;
        options.freeze |= strcmp(argv[first], "--freeze") == 0;
        options.holes_zero |= strcmp(argv[first], "--holes-zero") == 0;
    }
    if (first == argc) {
        fprintf(stderr, "usage: exact [--isolate] [--freeze] [--holes-zero] SOURCE...\n");
        return 2;
    }
    struct count count = {.inputs = (size_t)(argc - first)};
    count.input = must_alloc(count.inputs, sizeof *count.input);
    for (size_t s = 0; s < count.inputs; s++)
        open_input(&count.input[s], argv[first + (int)s], &options);
    list_pages(&count);
    find_contents(&count);
    bool ok = print(&count, isolate);
    fini(&count);
    return ok ? 0 : 1;
}
