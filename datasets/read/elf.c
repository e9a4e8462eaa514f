/* SPDX-License-Identifier: MIT */
/*
 * ELF core dumps, as QEMU's dump-guest-memory, virsh --memory-only, gcore and the kernel write
 * them.
 *
 * Each PT_LOAD segment says: these addresses have these bytes of the file, and where it has less
 * file than memory, whoever wrote the dump left the rest out. Pages are keyed by physical address
 * if any segment has one, else by virtual address. Segments come in any order and may name a page
 * twice (dumps taken with paging; a kernel's text in /proc/vmcore), so they are sorted by key, and
 * one sweep lays the new part of each behind what the earlier ones cover. Properties: a page counts
 * once; a page that any segment has bytes for is data; nothing is allocated but what the program
 * headers in the file account for. Cost: O(segments log segments), plus reading pages that lie in
 * the file twice.
 */
#include "elf_check.h"

#include <gelf.h>
#include <libelf.h>
#include <stdlib.h>
#include <string.h>

#define NO_OFFSET UINT64_MAX /* of pages that are not in the file */

/* A run of pages that a segment names. */
struct run {
    uint64_t key;
    uint64_t pages;  /* > 0 */
    uint64_t offset; /* of the first page's bytes in the file, or NO_OFFSET */
};

struct runs {
    struct run *run; /* owned */
    size_t count;
};

struct core {
    struct ds_source *source;
    Elf *elf;
    struct ds_elf_headers headers;
    bool physical;        /* keyed by p_paddr */
    struct runs data;     /* pages that have bytes */
    struct runs excluded; /* pages that have none */
    uint64_t compare_budget_nbytes;
};

static uint64_t run_end(const struct run *run)
{
    return run->key + run->pages;
}

static uint64_t header_offset(const struct core *core, size_t index)
{
    return core->headers.offset + index * core->headers.entry_nbytes;
}

static bool get_segment(const struct core *core, size_t index, GElf_Phdr *segment)
{
    if (!gelf_getphdr(core->elf, (int)index, segment))
        return ds_fail_at(core->source, header_offset(core, index),
                          "expected program header %zu, found: %s", index, elf_errmsg(-1));
    return true;
}

/* Counts what the segments may need, and tells how they are keyed. */
static bool survey(struct core *core, size_t *loads)
{
    *loads = 0;
    for (size_t i = 0; i < core->headers.count; i++) {
        GElf_Phdr segment;
        if (!get_segment(core, i, &segment))
            return false;
        if (segment.p_type != PT_LOAD || segment.p_memsz == 0)
            continue;
        *loads += 1;
        core->physical = core->physical || segment.p_paddr != 0;
    }
    if (*loads == 0)
        return ds_fail_at(core->source, 0,
                          "expected memory segments (PT_LOAD), found none in %zu program headers",
                          core->headers.count);
    return true;
}

static bool check_segment(const struct core *core, size_t index, const GElf_Phdr *s)
{
    struct ds_source *source = core->source;
    uint64_t at = header_offset(core, index);
    uint64_t address = core->physical ? s->p_paddr : s->p_vaddr;
    unsigned long long filesz = s->p_filesz, memsz = s->p_memsz, offset = s->p_offset;
    if ((address | s->p_memsz | s->p_filesz) % DS_PAGE_SIZE != 0)
        return ds_fail_at(source, at,
                          "expected segment %zu in whole pages of %d bytes, found address 0x%llx, "
                          "p_memsz 0x%llx, p_filesz 0x%llx",
                          index, DS_PAGE_SIZE, (unsigned long long)address, memsz, filesz);
    if (filesz > memsz)
        return ds_fail_at(source, at, "expected p_filesz of segment %zu up to 0x%llx, found 0x%llx",
                          index, memsz, filesz);
    if (s->p_memsz - 1 > UINT64_MAX - address)
        return ds_fail_at(source, at,
                          "expected segment %zu to end below 2^64, found address 0x%llx and "
                          "p_memsz 0x%llx",
                          index, (unsigned long long)address, memsz);
    if (filesz > 0 && (offset > source->nbytes || filesz > source->nbytes - offset))
        return ds_fail_at(source, at,
                          "expected segment %zu to have 0x%llx bytes at offset 0x%llx, found the "
                          "end of the file at 0x%llx",
                          index, filesz, offset, (unsigned long long)source->nbytes);
    return true;
}

static bool collect(struct core *core, size_t loads)
{
    core->data.run = calloc(loads, sizeof *core->data.run);
    core->excluded.run = calloc(loads, sizeof *core->excluded.run);
    if (!core->data.run || !core->excluded.run)
        return ds_fail(core->source, "out of memory for %zu segments", loads);
    for (size_t i = 0; i < core->headers.count; i++) {
        GElf_Phdr s;
        if (!get_segment(core, i, &s))
            return false;
        if (s.p_type != PT_LOAD || s.p_memsz == 0)
            continue;
        if (!check_segment(core, i, &s))
            return false;
        uint64_t key = (core->physical ? s.p_paddr : s.p_vaddr) / DS_PAGE_SIZE;
        uint64_t with_bytes = s.p_filesz / DS_PAGE_SIZE;
        uint64_t without = s.p_memsz / DS_PAGE_SIZE - with_bytes;
        if (with_bytes > 0)
            core->data.run[core->data.count++] = (struct run){key, with_bytes, s.p_offset};
        if (without > 0)
            core->excluded.run[core->excluded.count++] =
                (struct run){key + with_bytes, without, NO_OFFSET};
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

static void sort(struct runs *runs)
{
    if (runs->count > 1)
        qsort(runs->run, runs->count, sizeof *runs->run, by_key);
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
    uint64_t nbytes = pages * DS_PAGE_SIZE;
    core->source->info.alias_pages += pages;
    if (offset_a == offset_b)
        return true;
    if (nbytes > core->compare_budget_nbytes)
        return ds_fail_at(core->source, offset_b,
                          "expected each byte of the file in one segment, found segments that "
                          "overlap in memory and again in the file");
    core->compare_budget_nbytes -= nbytes;
    const uint8_t *bytes = core->source->bytes;
    for (uint64_t done = 0; done < nbytes; done += DS_PAGE_SIZE) {
        if (memcmp(bytes + offset_a + done, bytes + offset_b + done, DS_PAGE_SIZE) != 0)
            return ds_fail_at(core->source, offset_b + done,
                              "expected page 0x%llx to have the bytes that it has at offset "
                              "0x%llx, found others (overlapping segments)",
                              (unsigned long long)(key + done / DS_PAGE_SIZE),
                              (unsigned long long)(offset_a + done));
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
static bool emit_excluded(struct core *core, size_t *index, uint64_t *key, uint64_t end)
{
    for (; *index < core->excluded.count; *index += 1) {
        const struct run *run = &core->excluded.run[*index];
        uint64_t from = run->key > *key ? run->key : *key;
        uint64_t to = run_end(run) < end ? run_end(run) : end;
        if (from < to && !ds_extent_add(core->source, (struct ds_extent){.key = from,
                                                                         .pages = to - from,
                                                                         .state = DS_EXCLUDED}))
            return false;
        if (run_end(run) > end)
            break;
    }
    *key = end;
    return true;
}

static bool emit(struct core *core)
{
    size_t excluded = 0;
    uint64_t key = 0;
    for (size_t i = 0; i < core->data.count; i++) {
        const struct run *run = &core->data.run[i];
        if (!emit_excluded(core, &excluded, &key, run->key) ||
            !ds_extent_add_file(core->source, run->key, run->offset, run->pages))
            return false;
        key = run_end(run);
    }
    return emit_excluded(core, &excluded, &key, UINT64_MAX);
}

static bool read_segments(struct core *core)
{
    size_t loads;
    if (!survey(core, &loads) || !collect(core, loads))
        return false;
    sort(&core->data);
    sort(&core->excluded);
    merge_excluded(&core->excluded);
    return merge_data(core) && emit(core);
}

static bool read_elf(struct ds_source *source)
{
    struct core core = {.source = source, .compare_budget_nbytes = source->nbytes};
    if (!ds_elf_check(source, &core.headers))
        return false;
    elf_version(EV_CURRENT);
    /* libelf wants a char *, and does not write to what it only reads. */
    core.elf = elf_memory((char *)source->bytes, (size_t)source->nbytes);
    bool ok = core.elf ? read_segments(&core)
                       : ds_fail_at(source, 0, "expected an ELF core, found: %s", elf_errmsg(-1));
    free(core.data.run);
    free(core.excluded.run);
    elf_end(core.elf);
    return ok;
}

const struct ds_format ds_format_elf = {"elf", ELFMAG, SELFMAG, read_elf, NULL};
