/* SPDX-License-Identifier: MIT */
/*
 * ELF core dumps, as QEMU's dump-guest-memory, virsh --memory-only, gcore and the kernel write
 * them.
 *
 * Each PT_LOAD segment says: these addresses have these bytes of the file, and where it has less
 * file than memory, whoever wrote the dump left the rest out. Of a page that a segment has in part
 * (a PC's memory ends at 0x9fbff), the rest is not known: it is excluded. Pages are keyed by
 * physical address if any segment has one, else by virtual address, and so are the segments that
 * have none among others that do. Segments come in any order and may name a page
 * twice (dumps taken with paging; a kernel's text in /proc/vmcore), so they are sorted by key, and
 * one sweep lays the new part of each behind what the earlier ones cover. Properties: a page counts
 * once; a page that any segment has bytes for is data; nothing is allocated but what the program
 * headers in the input account for. Cost: O(segments log segments), plus reading pages that lie in
 * the file twice.
 */
#include "elf_check.h"

#include <stdlib.h>
#include <string.h>

#define NO_ADDRESS UINT64_MAX /* p_paddr of what has no physical address */

/* A run of pages that a segment names. */
struct run {
    uint64_t key;
    uint64_t pages;  /* > 0 */
    uint64_t offset; /* of the first page's bytes in the input, if it has any */
};

struct runs {
    struct run *run; /* owned */
    size_t count, capacity;
};

struct core {
    struct ds_reading *reading;
    struct ds_source *source;
    struct ds_elf elf;
    bool physical;        /* keyed by p_paddr */
    struct runs data;     /* pages that have bytes */
    struct runs excluded; /* pages that have none */
    struct runs left_out; /* those of `excluded` that no other segment has */
    uint64_t compare_budget_nbytes;
};

static uint64_t run_end(const struct run *run)
{
    return run->key + run->pages;
}

static bool push(struct core *core, struct runs *runs, struct run run)
{
    if (run.pages == 0)
        return true;
    if (runs->count == runs->capacity) {
        size_t capacity = runs->capacity ? 2 * runs->capacity : 8;
        struct run *more = realloc(runs->run, capacity * sizeof *more);
        if (!more)
            return ds_fail(core->source, "out of memory for %zu segments", capacity);
        runs->run = more;
        runs->capacity = capacity;
    }
    runs->run[runs->count++] = run;
    return true;
}

static bool is_memory(const Elf64_Phdr *segment)
{
    return segment->p_type == PT_LOAD && segment->p_memsz > 0;
}

static bool fail_empty(struct core *core)
{
    if (ds_elf_has_section(core->reading, &core->elf, ".xen_pages"))
        return ds_fail_at(core->source, 0,
                          "expected memory segments, found a Xen core (xl dump-core), which has "
                          "its memory in sections (not supported)");
    return ds_fail_at(core->source, 0,
                      "expected memory segments (PT_LOAD), found none in %llu program headers",
                      (unsigned long long)core->elf.segments);
}

/* Tells how the segments are keyed. */
static bool survey(struct core *core)
{
    bool any = false;
    for (uint64_t i = 0; i < core->elf.segments; i++) {
        Elf64_Phdr segment;
        if (!ds_elf_segment(core->reading, &core->elf, i, &segment))
            return false;
        if (!is_memory(&segment))
            continue;
        any = true;
        core->physical |= segment.p_paddr != 0 && segment.p_paddr != NO_ADDRESS;
    }
    return any || fail_empty(core);
}

static uint64_t address_of(const struct core *core, const Elf64_Phdr *segment)
{
    bool physical = core->physical && segment->p_paddr != NO_ADDRESS;
    return physical ? segment->p_paddr : segment->p_vaddr;
}

static bool check_segment(const struct core *core, uint64_t index, const Elf64_Phdr *s)
{
    struct ds_source *source = core->source;
    uint64_t at = ds_elf_segment_offset(&core->elf, index);
    unsigned long long i = index, address = address_of(core, s);
    unsigned long long filesz = s->p_filesz, memsz = s->p_memsz, offset = s->p_offset;
    if (filesz > memsz)
        return ds_fail_at(source, at,
                          "expected p_filesz of segment %llu up to 0x%llx, found 0x%llx", i, memsz,
                          filesz);
    if (memsz - 1 > UINT64_MAX - address)
        return ds_fail_at(source, at,
                          "expected segment %llu to end below 2^64, found address 0x%llx and "
                          "p_memsz 0x%llx",
                          i, address, memsz);
    if (filesz > 0 && offset > INT64_MAX - filesz)
        return ds_fail_at(source, at,
                          "expected the bytes of segment %llu to end below 2^63, found p_offset "
                          "0x%llx and p_filesz 0x%llx",
                          i, offset, filesz);
    return true;
}

/* The pages of one segment: those whose bytes are all there, and the others. */
static bool add_segment(struct core *core, const Elf64_Phdr *s)
{
    uint64_t address = address_of(core, s);
    uint64_t begin = address / DS_PAGE_SIZE;
    uint64_t end = (address + (s->p_memsz - 1)) / DS_PAGE_SIZE + 1;
    uint64_t skipped = -address % DS_PAGE_SIZE; /* to the first whole page */
    uint64_t pages = s->p_filesz > skipped ? (s->p_filesz - skipped) / DS_PAGE_SIZE : 0;
    uint64_t first = pages > 0 ? begin + (skipped != 0) : begin;
    if (s->p_filesz > 0 && s->p_offset + s->p_filesz > core->reading->expected_nbytes)
        core->reading->expected_nbytes = s->p_offset + s->p_filesz;
    return push(core, &core->data, (struct run){first, pages, s->p_offset + skipped}) &&
           push(core, &core->excluded, (struct run){begin, first - begin, 0}) &&
           push(core, &core->excluded, (struct run){first + pages, end - first - pages, 0});
}

static bool collect(struct core *core)
{
    for (uint64_t i = 0; i < core->elf.segments; i++) {
        Elf64_Phdr segment;
        if (!ds_elf_segment(core->reading, &core->elf, i, &segment))
            return false;
        if (is_memory(&segment) &&
            (!check_segment(core, i, &segment) || !add_segment(core, &segment)))
            return false;
    }
    return true;
}

static int by_key(const void *a, const void *b)
{
    const struct run *x = a, *y = b;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

static int by_offset(const void *a, const void *b)
{
    const struct run *x = a, *y = b;
    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    return (x->key > y->key) - (x->key < y->key);
}

static void sort(struct runs *runs, int (*order)(const void *, const void *))
{
    if (runs->count > 1)
        qsort(runs->run, runs->count, sizeof *runs->run, order);
}

/* The first of `count` disjoint ascending runs that ends behind `key`. */
static size_t first_ending_behind(const struct run *run, size_t count, uint64_t key)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (run_end(&run[middle]) > key)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/*
 * Both runs hold the pages [key, key + pages); they must agree. An honest dump has no file bytes in
 * two segments at different keys, so all such comparing together reads the file at most once; the
 * budget keeps headers that lie from costing more.
 */
static bool check_same(struct core *core, const struct run *a, const struct run *b, uint64_t key,
                       uint64_t pages)
{
    uint64_t offset_a = a->offset + (key - a->key) * DS_PAGE_SIZE;
    uint64_t offset_b = b->offset + (key - b->key) * DS_PAGE_SIZE;
    core->reading->alias_pages += pages;
    if (offset_a == offset_b)
        return true;
    if (!core->reading->input.seekable)
        return ds_input_needs_file(&core->reading->input);
    if (pages > core->compare_budget_nbytes / DS_PAGE_SIZE)
        return ds_fail_at(core->source, offset_b,
                          "expected each byte of the file in one segment, found segments that "
                          "overlap in memory and again in the file");
    core->compare_budget_nbytes -= pages * DS_PAGE_SIZE;
    for (uint64_t i = 0; i < pages; i++) {
        uint8_t page[2][DS_PAGE_SIZE];
        uint64_t at_a = offset_a + i * DS_PAGE_SIZE, at_b = offset_b + i * DS_PAGE_SIZE;
        if (!ds_input_copy(&core->reading->input, at_a, page[0], DS_PAGE_SIZE, "a page") ||
            !ds_input_copy(&core->reading->input, at_b, page[1], DS_PAGE_SIZE, "a page"))
            return false;
        if (memcmp(page[0], page[1], DS_PAGE_SIZE) != 0)
            return ds_fail_at(core->source, at_b,
                              "expected page 0x%llx to have the bytes that it has at offset "
                              "0x%llx, found others (overlapping segments)",
                              (unsigned long long)(key + i), (unsigned long long)at_a);
    }
    return true;
}

/*
 * Makes sorted data runs disjoint, in place. The earlier ones all start at or before this one's
 * key, so what they cover from there on is one piece up to `covered_end`: only what lies behind is
 * new.
 */
static bool merge_data(struct core *core)
{
    struct run *run = core->data.run;
    size_t kept = 0;
    for (size_t i = 0; i < core->data.count; i++) {
        struct run next = run[i];
        uint64_t next_end = run_end(&next);
        for (size_t j = first_ending_behind(run, kept, next.key); j < kept && run[j].key < next_end;
             j++) {
            uint64_t from = run[j].key > next.key ? run[j].key : next.key;
            uint64_t to = run_end(&run[j]) < next_end ? run_end(&run[j]) : next_end;
            if (!check_same(core, &run[j], &next, from, to - from))
                return false;
        }
        uint64_t covered_end = kept > 0 ? run_end(&run[kept - 1]) : 0;
        if (covered_end >= next_end)
            continue;
        uint64_t skip = covered_end > next.key ? covered_end - next.key : 0;
        run[kept++] =
            (struct run){next.key + skip, next.pages - skip, next.offset + skip * DS_PAGE_SIZE};
    }
    core->data.count = kept;
    return true;
}

static void merge_excluded(struct runs *runs)
{
    size_t kept = 0;
    for (size_t i = 0; i < runs->count; i++) {
        struct run next = runs->run[i];
        struct run *last = kept > 0 ? &runs->run[kept - 1] : NULL;
        if (!last || run_end(last) < next.key)
            runs->run[kept++] = next;
        else if (run_end(last) < run_end(&next))
            last->pages = run_end(&next) - last->key;
    }
    runs->count = kept;
}

/* The excluded pages before `end` of which no segment has bytes; *key is where they start. */
static bool leave_out(struct core *core, size_t *index, uint64_t *key, uint64_t end)
{
    for (; *index < core->excluded.count; *index += 1) {
        const struct run *run = &core->excluded.run[*index];
        uint64_t from = run->key > *key ? run->key : *key;
        uint64_t to = run_end(run) < end ? run_end(run) : end;
        if (from < to && !push(core, &core->left_out, (struct run){from, to - from, 0}))
            return false;
        if (run_end(run) > end)
            break;
    }
    *key = end;
    return true;
}

static bool leave_out_all(struct core *core)
{
    size_t excluded = 0;
    uint64_t key = 0;
    for (size_t i = 0; i < core->data.count; i++) {
        const struct run *run = &core->data.run[i];
        if (!leave_out(core, &excluded, &key, run->key))
            return false;
        key = run_end(run);
    }
    return leave_out(core, &excluded, &key, UINT64_MAX);
}

/* A stream gives each byte once. */
static bool check_stream(struct core *core)
{
    const struct run *run = core->data.run;
    for (size_t i = 1; i < core->data.count; i++) {
        if (run[i].offset < run[i - 1].offset + run[i - 1].pages * DS_PAGE_SIZE)
            return core->reading->input.seekable || ds_input_needs_file(&core->reading->input);
    }
    return true;
}

static bool read_segments(struct core *core)
{
    if (!survey(core) || !collect(core))
        return false;
    sort(&core->data, by_key);
    sort(&core->excluded, by_key);
    merge_excluded(&core->excluded);
    if (!merge_data(core) || !leave_out_all(core))
        return false;
    sort(&core->data, by_offset);
    return check_stream(core);
}

static bool open_elf(struct ds_reading *reading)
{
    struct core *core = calloc(1, sizeof *core);
    if (!core)
        return ds_fail(reading->source, "out of memory");
    reading->state = core;
    core->reading = reading;
    core->source = reading->source;
    core->compare_budget_nbytes = reading->input.nbytes;
    if (!ds_elf_check(reading, &core->elf))
        return false;
    if (!core->source->info.complete) /* a later look knows */
        ds_elf_notes(reading, &core->elf);
    return read_segments(core);
}

static bool next(struct ds_reading *reading, struct ds_piece *piece)
{
    const struct core *core = reading->state;
    uint64_t n = reading->pieces;
    bool data = n >= core->left_out.count;
    const struct runs *runs = data ? &core->data : &core->left_out;
    n -= data ? core->left_out.count : 0;
    if (n < runs->count)
        *piece = (struct ds_piece){.key = runs->run[n].key,
                                   .pages = runs->run[n].pages,
                                   .state = data ? DS_DATA : DS_EXCLUDED,
                                   .offset = runs->run[n].offset};
    return true;
}

static void close_elf(struct ds_reading *reading)
{
    struct core *core = reading->state;
    if (!core)
        return;
    free(core->data.run);
    free(core->excluded.run);
    free(core->left_out.run);
    free(core);
}

static bool matches(const uint8_t *head, size_t nbytes)
{
    return nbytes >= SELFMAG && memcmp(head, ELFMAG, SELFMAG) == 0;
}

const struct ds_format ds_format_elf = {
    .name = "elf", .matches = matches, .open = open_elf, .next = next, .close = close_elf};
