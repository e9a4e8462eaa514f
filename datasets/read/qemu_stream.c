/* SPDX-License-Identifier: MIT */
/*
 * Reads a QEMU migration stream of version 3 as far as its memory goes.
 *
 * Sections follow each other; that named "ram" comes in several parts, each a list of 8-byte words
 * that hold an address in a RAM block and flags, with a page, or one byte for a page of zeros,
 * behind them. What devices have to say comes last and cannot be skipped, as it does not say how
 * long it is: but then all memory was seen. Source: QEMU 7.2, migration/savevm.c and ram.c.
 */
#include "qemu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    VM_EOF = 0,
    VM_SECTION_START = 1,
    VM_SECTION_PART = 2,
    VM_SECTION_END = 3,
    VM_SECTION_FULL = 4,
    VM_SUBSECTION = 5,
    VM_CONFIGURATION = 7,
    VM_COMMAND = 8,
    VM_SECTION_FOOTER = 0x7e,
};
enum {
    RAM_ZERO = 0x02,
    RAM_MEM_SIZE = 0x04,
    RAM_PAGE = 0x08,
    RAM_EOS = 0x10,
    RAM_CONTINUE = 0x20,
    RAM_XBZRLE = 0x40,
    RAM_HOOK = 0x80,
    RAM_COMPRESSED = 0x100,
    RAM_MULTIFD_FLUSH = 0x200,
    RAM_FLAGS = 0xfff,
};

struct parser {
    struct ds_reading *reading;
    struct ds_source *source;
    struct ds_qemu_stream *stream;
    uint64_t offset;
    uint32_t page_nbytes;
    uint32_t ram_section;
    bool has_ram;
    bool ended;          /* all memory was seen, or the input is over and that is allowed */
    bool ignores_shared; /* blocks say where they lie */
    const struct ds_qemu_block *block; /* that the last page belongs to */
};

/* The next bytes; NULL at the end of the input, too. */
static const uint8_t *take(struct parser *p, size_t nbytes)
{
    const uint8_t *bytes;
    size_t got;
    if (!ds_input_at(&p->reading->input, p->offset, nbytes, &bytes, &got))
        return NULL;
    if (got == nbytes) {
        p->offset += nbytes;
        return bytes;
    }
    if (p->source->options.partial && p->stream->blocks > 0)
        p->stream->truncated = p->ended = true;
    else
        ds_fail_at(p->source, p->offset + got,
                   "truncated: expected the rest of a QEMU migration stream, found the end of the "
                   "file (--partial measures what is there)");
    return NULL;
}

static uint64_t number(const uint8_t *bytes, size_t nbytes)
{
    uint64_t value = 0;
    for (size_t i = 0; i < nbytes; i++)
        value = value << 8 | bytes[i];
    return value;
}

static bool take_number(struct parser *p, size_t nbytes, uint64_t *value)
{
    const uint8_t *bytes = take(p, nbytes);
    if (bytes)
        *value = number(bytes, nbytes);
    return bytes != NULL;
}

/* A length in one byte, and so many characters. */
static bool take_name(struct parser *p, char name[256])
{
    uint64_t length;
    const uint8_t *bytes;
    if (!take_number(p, 1, &length) || !(bytes = take(p, (size_t)length)))
        return false;
    memcpy(name, bytes, (size_t)length);
    name[length] = '\0';
    return true;
}

/* ------------------------------------------------------------------------------------ ram -- */

static bool add_block(struct parser *p, const char *name, uint64_t nbytes)
{
    struct ds_qemu_stream *stream = p->stream;
    uint64_t first = stream->blocks ? stream->block[stream->blocks - 1].end : 0;
    uint64_t pages = nbytes / DS_PAGE_SIZE + (nbytes % DS_PAGE_SIZE != 0);
    if (pages > DS_TO_END / 2 - first)
        return ds_fail_at(p->source, p->offset, "expected RAM blocks below 2^63 bytes, found more");
    if (stream->blocks == stream->block_capacity) {
        size_t capacity = stream->block_capacity ? 2 * stream->block_capacity : 8;
        struct ds_qemu_block *more = realloc(stream->block, capacity * sizeof *more);
        if (!more)
            return ds_fail(p->source, "out of memory for %zu RAM blocks", capacity);
        stream->block = more;
        stream->block_capacity = capacity;
    }
    struct ds_qemu_block *block = &stream->block[stream->blocks++];
    snprintf(block->name, sizeof block->name, "%s", name);
    block->first = first;
    block->end = first + pages;
    return true;
}

/* The list of RAM blocks: `total` bytes in all. */
static bool read_blocks(struct parser *p, uint64_t total_nbytes)
{
    if (p->stream->blocks > 0)
        return ds_fail_at(p->source, p->offset - 8, "expected one list of RAM blocks, found two");
    while (total_nbytes > 0) {
        char name[256];
        uint64_t nbytes, address;
        uint64_t at = p->offset;
        if (!take_name(p, name) || !take_number(p, 8, &nbytes) ||
            (p->ignores_shared && !take_number(p, 8, &address)))
            return false;
        if (nbytes == 0 || nbytes > total_nbytes)
            return ds_fail_at(p->source, at,
                              "expected a RAM block of 1 to %llu bytes, found %llu (%s)",
                              (unsigned long long)total_nbytes, (unsigned long long)nbytes, name);
        if (!add_block(p, name, nbytes))
            return false;
        total_nbytes -= nbytes;
    }
    return true;
}

static bool find_block(struct parser *p, uint64_t at)
{
    char name[256];
    if (!take_name(p, name))
        return false;
    for (size_t i = 0; i < p->stream->blocks; i++) {
        p->block = &p->stream->block[i];
        if (strcmp(p->block->name, name) == 0)
            return true;
    }
    p->block = NULL;
    return ds_fail_at(p->source, at, "expected a page of a RAM block, found one of \"%s\"", name);
}

static bool add_run(struct parser *p, struct ds_qemu_run run)
{
    struct ds_qemu_stream *stream = p->stream;
    struct ds_qemu_run *last = stream->runs ? &stream->run[stream->runs - 1] : NULL;
    bool follows = last && last->key + last->pages == run.key;
    if (follows && run.offset == DS_QEMU_ZERO && last->offset == DS_QEMU_ZERO) {
        last->pages += run.pages;
        return true;
    }
    /* The distance of the first two pages is that of all. */
    if (follows && run.offset != DS_QEMU_ZERO && last->offset != DS_QEMU_ZERO && run.pages == 1) {
        uint64_t distance = run.offset - last->offset;
        if (last->pages == 1 && distance < 2 * DS_PAGE_SIZE)
            last->stride = (uint32_t)distance;
        if (distance == last->pages * last->stride) {
            last->pages++;
            return true;
        }
    }
    if (stream->runs == stream->run_capacity) {
        size_t capacity = stream->run_capacity ? 2 * stream->run_capacity : 64;
        struct ds_qemu_run *more = realloc(stream->run, capacity * sizeof *more);
        if (!more)
            return ds_fail(p->source, "out of memory for %zu runs of pages", capacity);
        stream->run = more;
        stream->run_capacity = capacity;
    }
    run.order = stream->runs;
    stream->run[stream->runs++] = run;
    return true;
}

/* A page at `address` of its block: of zeros, or with bytes. */
static bool read_page(struct parser *p, uint64_t address, unsigned flags, uint64_t at)
{
    uint64_t fill = 0, pages = p->page_nbytes / DS_PAGE_SIZE;
    if (!(flags & RAM_CONTINUE) && !find_block(p, at))
        return false;
    if (!p->block)
        return ds_fail_at(p->source, at, "expected the name of a RAM block, found a page");
    uint64_t first = address / DS_PAGE_SIZE;
    if (address % p->page_nbytes != 0 || first >= p->block->end - p->block->first ||
        pages > p->block->end - p->block->first - first)
        return ds_fail_at(p->source, at, "expected a page of %u bytes inside of %s, found 0x%llx",
                          p->page_nbytes, p->block->name, (unsigned long long)address);
    struct ds_qemu_run run = {p->block->first + first, pages, DS_QEMU_ZERO, DS_PAGE_SIZE, 0};
    if (flags & RAM_ZERO) {
        if (!take_number(p, 1, &fill))
            return false;
        return fill == 0 ? add_run(p, run)
                         : ds_fail_at(p->source, p->offset - 1,
                                      "expected 0 of a zero page, found %u", (unsigned)fill);
    }
    run.offset = p->offset;
    return take(p, p->page_nbytes) && add_run(p, run);
}

static bool refuse(struct parser *p, unsigned flags, uint64_t at)
{
    const char *what = flags & RAM_XBZRLE       ? "differences (capability xbzrle)"
                       : flags & RAM_HOOK       ? "pages that went by RDMA"
                       : flags & RAM_COMPRESSED ? "packed pages (capability compress)"
                                                : "unknown flags";
    return ds_fail_at(p->source, at, "expected pages, found %s (0x%x)", what, flags);
}

/* One part of the section "ram". */
static bool read_ram(struct parser *p)
{
    for (;;) {
        uint64_t word, at = p->offset;
        if (!take_number(p, 8, &word))
            return false;
        unsigned flags = (unsigned)(word & RAM_FLAGS);
        uint64_t address = word & ~(uint64_t)RAM_FLAGS;
        switch (flags & ~(unsigned)RAM_CONTINUE) {
        case RAM_EOS:
            return true;
        case RAM_MULTIFD_FLUSH:
            break;
        case RAM_MEM_SIZE:
            if (!read_blocks(p, address))
                return false;
            break;
        case RAM_ZERO:
        case RAM_PAGE:
            if (!read_page(p, address, flags, at))
                return false;
            break;
        default:
            return refuse(p, flags, at);
        }
    }
}

/* ------------------------------------------------------------------------------- sections -- */

/* What the machine is, and what may follow about it. */
static bool read_configuration(struct parser *p)
{
    uint64_t length;
    const uint8_t *bytes;
    if (!take_number(p, 4, &length))
        return false;
    if (length >= DS_PAGE_SIZE)
        return ds_fail_at(p->source, p->offset - 4, "expected a machine's name, found %llu bytes",
                          (unsigned long long)length);
    if (!(bytes = take(p, (size_t)length)))
        return false;
    snprintf(p->stream->machine, sizeof p->stream->machine, "%.*s", (int)length, (char *)bytes);
    return true;
}

static bool read_capabilities(struct parser *p)
{
    uint64_t count;
    char name[256];
    if (!take_number(p, 4, &count))
        return false;
    while (count-- > 0) {
        if (!take_name(p, name))
            return false;
        if (strcmp(name, "x-ignore-shared") == 0)
            p->ignores_shared = true;
        else if (strcmp(name, "multifd") == 0 || strcmp(name, "mapped-ram") == 0)
            return ds_fail_at(p->source, p->offset,
                              "expected all pages in this stream, found the capability %s", name);
    }
    return true;
}

static bool read_subsection(struct parser *p)
{
    char name[256];
    uint64_t version, bits, at = p->offset;
    if (!take_name(p, name) || !take_number(p, 4, &version))
        return false;
    if (strcmp(name, "configuration/target-page-bits") == 0) {
        if (!take_number(p, 4, &bits))
            return false;
        if (bits < 12 || bits > 16)
            return ds_fail_at(p->source, p->offset - 4,
                              "expected pages of 2^12 to 2^16 bytes, found 2^%llu",
                              (unsigned long long)bits);
        p->page_nbytes = UINT32_C(1) << bits;
        p->source->info.page_nbytes = p->page_nbytes;
        return true;
    }
    if (strcmp(name, "configuration/capabilities") == 0)
        return read_capabilities(p);
    if (strcmp(name, "configuration/uuid") == 0)
        return take(p, 16) != NULL;
    return ds_fail_at(p->source, at, "expected a section of memory, found \"%s\"", name);
}

static bool read_start(struct parser *p, uint64_t at)
{
    char name[256];
    uint64_t id, instance, version;
    if (!take_number(p, 4, &id) || !take_name(p, name) || !take_number(p, 4, &instance) ||
        !take_number(p, 4, &version))
        return false;
    if (strcmp(name, "ram") != 0)
        return ds_fail_at(p->source, at,
                          "expected the section \"ram\", found \"%s\", whose length is not known",
                          name);
    if (version != 4)
        return ds_fail_at(p->source, p->offset - 4,
                          "expected version 4 of the section \"ram\", found %llu",
                          (unsigned long long)version);
    p->ram_section = (uint32_t)id;
    p->has_ram = true;
    return read_ram(p);
}

static bool read_part(struct parser *p, uint64_t at, bool last)
{
    uint64_t id;
    if (!take_number(p, 4, &id))
        return false;
    if (!p->has_ram || id != p->ram_section)
        return ds_fail_at(p->source, at, "expected a part of the section \"ram\", found section %u",
                          (unsigned)id);
    if (!read_ram(p))
        return false;
    p->ended = last;
    return true;
}

/* A request of postcopy, say. */
static bool skip_command(struct parser *p)
{
    uint64_t command, nbytes;
    return take_number(p, 2, &command) && take_number(p, 2, &nbytes) &&
           take(p, (size_t)nbytes) != NULL;
}

static bool read_section(struct parser *p)
{
    uint64_t type, id, at = p->offset;
    if (!take_number(p, 1, &type))
        return false;
    switch (type) {
    case VM_CONFIGURATION:
        return read_configuration(p);
    case VM_SUBSECTION:
        return read_subsection(p);
    case VM_SECTION_START:
    case VM_SECTION_FULL:
        return read_start(p, at);
    case VM_SECTION_PART:
    case VM_SECTION_END:
        return read_part(p, at, type == VM_SECTION_END);
    case VM_SECTION_FOOTER:
        return take_number(p, 4, &id);
    case VM_COMMAND:
        return skip_command(p);
    default:
        return ds_fail_at(p->source, at, "expected a section with memory, found %s (0x%02x)",
                          type == VM_EOF ? "the end of the stream" : "another type",
                          (unsigned)type);
    }
}

bool ds_qemu_read(struct ds_reading *reading, uint64_t offset, struct ds_qemu_stream *stream)
{
    struct parser p = {.reading = reading,
                       .source = reading->source,
                       .stream = stream,
                       .offset = offset,
                       .page_nbytes = DS_PAGE_SIZE};
    const uint8_t *head = take(&p, 8);
    if (!head)
        return false;
    if (number(head, 4) != 0x5145564d)
        return ds_fail_at(p.source, offset, "expected a QEMU migration stream, found other bytes");
    if (number(head + 4, 4) != 3)
        return ds_fail_at(p.source, offset + 4,
                          "expected a QEMU migration stream of version 3, found version %llu",
                          (unsigned long long)number(head + 4, 4));
    while (!p.ended) {
        if (!read_section(&p) && !p.ended)
            return false;
    }
    return true;
}

void ds_qemu_stream_fini(struct ds_qemu_stream *stream)
{
    free(stream->run);
    free(stream->block);
}
