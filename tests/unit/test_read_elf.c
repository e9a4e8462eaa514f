/* SPDX-License-Identifier: MIT */
/* ELF cores made by hand: what each segment layout means, and headers that lie. */
#include "test_read_util.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#define QEMU_DATA 0x498 /* where QEMU's memory starts: not aligned to anything */

/* A core of these segments and pages with contents 0, 1, ... from offset QEMU_DATA on. */
static const char *write_core(const char *name, const struct segment *segment, size_t segments,
                              uint64_t pages)
{
    struct bytes core = elf_core64(segment, segments);
    bytes_pad(&core, QEMU_DATA);
    for (uint64_t i = 0; i < pages; i++)
        put_page(&core, i);
    const char *path = write_file(name, core.at, core.size);
    bytes_free(&core);
    return path;
}

static uint64_t at_page(uint64_t page)
{
    return QEMU_DATA + page * PAGE;
}

/* As QEMU writes it: keyed by p_paddr, in any order, p_vaddr 0. */
static void test_physical(void **state)
{
    (void)state;
    const struct segment segments[] = {
        {0, 0x100000000, at_page(2), 3 * PAGE, 3 * PAGE},
        {0, 0, at_page(0), 2 * PAGE, 2 * PAGE},
    };
    struct ds_source *source = must_open(write_core("physical", segments, 2, 5), NULL);
    const struct ds_info *info = ds_source_info(source);
    assert_string_equal(info->format, "elf");
    assert_int_equal(info->pages[DS_DATA], 5);
    assert_int_equal(info->alias_pages, 0);
    assert_int_equal(info->extents, 2);
    assert_true(is_page(find_page(source, 1, NULL), 1));
    assert_true(is_page(find_page(source, 0x100002, NULL), 4));
    ds_source_free(source);
}

/* As gcore writes it: p_paddr all zero, keyed by p_vaddr; the address space's end is a key, too. */
static void test_virtual(void **state)
{
    (void)state;
    const struct segment segments[] = {
        {0x400000, 0, at_page(0), PAGE, PAGE},
        {0xffffffffff600000, 0, at_page(1), PAGE, PAGE},
        {0xfffffffffffff000, 0, at_page(2), PAGE, PAGE},
    };
    struct ds_source *source = must_open(write_core("virtual", segments, 3, 3), NULL);
    assert_true(is_page(find_page(source, 0x400, NULL), 0));
    assert_true(is_page(find_page(source, 0xffffffffff600, NULL), 1));
    assert_true(is_page(find_page(source, 0xfffffffffffff, NULL), 2));
    ds_source_free(source);
}

static void test_32_bit(void **state)
{
    (void)state;
    const struct segment segment = {0xfffff000, 0, 0x200, PAGE, PAGE};
    struct bytes core = elf_core32(&segment, 1);
    bytes_pad(&core, 0x200);
    put_page(&core, 7);
    struct ds_source *source = must_open(write_file("core32", core.at, core.size), NULL);
    assert_true(is_page(find_page(source, 0xfffff, NULL), 7));
    ds_source_free(source);
    bytes_free(&core);
}

/* p_filesz below p_memsz: left out by the dumper, whatever its offset says (QEMU's is -1). */
static void test_excluded(void **state)
{
    (void)state;
    const struct segment segments[] = {
        {0x10000, 0, at_page(0), PAGE, 4 * PAGE},
        {0x20000, 0, UINT64_MAX, 0, 2 * PAGE},
    };
    struct ds_source *source = must_open(write_core("excluded", segments, 2, 1), NULL);
    const struct ds_info *info = ds_source_info(source);
    assert_int_equal(info->pages[DS_DATA], 1);
    assert_int_equal(info->pages[DS_EXCLUDED], 5);
    enum ds_state found;
    find_page(source, 0x13, &found);
    assert_int_equal(found, DS_EXCLUDED);
    ds_source_free(source);
}

/* A page that one segment leaves out and another one has is data. */
static void test_excluded_elsewhere(void **state)
{
    (void)state;
    const struct segment segments[] = {
        {0x10000, 0, 0, 0, 10 * PAGE},
        {0x12000, 0, at_page(0), 2 * PAGE, 2 * PAGE},
        {0x18000, 0, 0, 0, 4 * PAGE},
        {0x17000, 0, at_page(2), PAGE, 2 * PAGE},
    };
    struct ds_source *source = must_open(write_core("elsewhere", segments, 4, 3), NULL);
    const struct ds_info *info = ds_source_info(source);
    assert_int_equal(info->pages[DS_DATA], 3);
    assert_int_equal(info->pages[DS_EXCLUDED], 9);
    assert_true(is_page(find_page(source, 0x13, NULL), 1));
    assert_true(is_page(find_page(source, 0x17, NULL), 2));
    ds_source_free(source);
}

/* Overlaps with the same file bytes, as dumps taken with paging have, count once. */
static void test_aliases(void **state)
{
    (void)state;
    const struct segment segments[] = {
        {0x10000, 0x10000, at_page(0), 4 * PAGE, 4 * PAGE},
        {0x90000, 0x10000, at_page(0), 4 * PAGE, 4 * PAGE},
        {0x50000, 0x12000, at_page(2), 4 * PAGE, 4 * PAGE},
        {0x70000, 0x11000, at_page(1), PAGE, PAGE},
    };
    struct ds_source *source = must_open(write_core("aliases", segments, 4, 6), NULL);
    const struct ds_info *info = ds_source_info(source);
    assert_int_equal(info->pages[DS_DATA], 6);
    assert_int_equal(info->alias_pages, 4 + 2 + 1);
    assert_int_equal(info->extents, 1);
    for (uint64_t i = 0; i < 6; i++)
        assert_true(is_page(find_page(source, 0x10 + i, NULL), i));
    ds_source_free(source);
}

/* The same bytes in two places of the file, as a kernel's text in /proc/vmcore. */
static void test_copies(void **state)
{
    (void)state;
    const struct segment segments[] = {
        {0, 0x10000, at_page(0), 3 * PAGE, 3 * PAGE},
        {0, 0x11000, at_page(3), 3 * PAGE, 3 * PAGE},
    };
    struct bytes core = elf_core64(segments, 2);
    bytes_pad(&core, QEMU_DATA);
    const uint64_t contents[] = {0, 1, 2, 1, 2, 5};
    for (size_t i = 0; i < 6; i++)
        put_page(&core, contents[i]);
    struct ds_source *source = must_open(write_file("copies", core.at, core.size), NULL);
    assert_int_equal(ds_source_info(source)->pages[DS_DATA], 4);
    assert_int_equal(ds_source_info(source)->alias_pages, 2);
    assert_true(is_page(find_page(source, 0x13, NULL), 5));
    ds_source_free(source);
    core.at[at_page(4) + 9] ^= 1;
    must_fail(write_file("differ", core.at, core.size), NULL, "at offset 0x4498", "0x2498",
              "page 0x12", NULL);
    bytes_free(&core);
}

/* Thousands of segments that overlap in memory and in the file must not cost their product. */
static void test_overlap_bomb(void **state)
{
    (void)state;
    enum { PAGES = 256, SEGMENTS = 4000 };
    struct segment *segments = calloc(SEGMENTS, sizeof *segments);
    assert_non_null(segments);
    for (size_t i = 0; i < SEGMENTS; i++)
        segments[i] = (struct segment){0, PAGE, 0x60000 + i, PAGES * PAGE, PAGES * PAGE};
    struct bytes core = elf_core64(segments, SEGMENTS);
    bytes_pad(&core, 0x60000 + (PAGES + 1) * PAGE);
    must_fail(write_file("bomb", core.at, core.size), NULL, "overlap", NULL);
    bytes_free(&core);
    free(segments);
}

/* More program headers than e_phnum can hold: the number is in section 0. */
static void test_many_headers(void **state)
{
    (void)state;
    enum { SEGMENTS = 70000 };
    struct segment *segments = calloc(SEGMENTS, sizeof *segments);
    assert_non_null(segments);
    uint64_t data = sizeof(Elf64_Ehdr) + sizeof(Elf64_Shdr) + SEGMENTS * sizeof(Elf64_Phdr);
    for (uint64_t i = 0; i < SEGMENTS; i++)
        segments[i] = (struct segment){(SEGMENTS - i) * 2 * PAGE, 0, data, PAGE, PAGE};
    struct bytes core = elf_core64(segments, SEGMENTS);
    put_page(&core, 3);
    struct ds_source *source = must_open(write_file("many", core.at, core.size), NULL);
    assert_int_equal(ds_source_info(source)->pages[DS_DATA], SEGMENTS);
    assert_true(is_page(find_page(source, 2 * SEGMENTS, NULL), 3));
    ds_source_free(source);
    Elf64_Shdr section = {.sh_info = SEGMENTS * 2};
    memcpy(core.at + sizeof(Elf64_Ehdr), &section, sizeof section);
    must_fail(write_file("many", core.at, core.size), NULL, "program headers", "end of the file",
              NULL);
    bytes_free(&core);
    free(segments);
}

static void test_holes(void **state)
{
    (void)state;
    const struct segment segment = {0, 0x10000, QEMU_DATA, 64 * PAGE, 64 * PAGE};
    const char *path = write_core("holes", &segment, 1, 64);
    int fd = open(path, O_RDWR);
    int punched = fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 16 * PAGE, 16 * PAGE);
    close(fd);
    if (punched != 0)
        skip();
    struct ds_source *source = must_open(path, NULL);
    /* The pages are not aligned in the file: the one at each edge of the hole has bytes. What lies
     * inside is zero: a segment says that it has these bytes. */
    assert_int_equal(ds_source_info(source)->pages[DS_ZERO], 15);
    assert_int_equal(ds_source_info(source)->pages[DS_DATA], 49);
    enum ds_state found;
    find_page(source, 0x10 + 15, &found);
    assert_int_equal(found, DS_DATA);
    find_page(source, 0x10 + 16, &found);
    assert_int_equal(found, DS_ZERO);
    assert_true(is_page(find_page(source, 0x10 + 32, NULL), 32));
    ds_source_free(source);
}

static void test_bad_segments(void **state)
{
    (void)state;
    const struct {
        struct segment segment;
        const char *said;
    } bad[] = {
        {{0, 0, UINT64_MAX - 10, PAGE, PAGE}, "below 2^63"},
        {{0, 0, at_page(0), 2 * PAGE, PAGE}, "up to 0x1000, found 0x2000"},
        {{0xfffffffffffff000, 0, at_page(0), PAGE, 2 * PAGE}, "below 2^64"},
        {{0x2000, 0, 0, 0, UINT64_MAX - PAGE + 1}, "below 2^64"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const char *path = write_core("bad", &bad[i].segment, 1, 1);
        must_fail(path, NULL, "at offset 0x40", "segment 0", bad[i].said, NULL);
    }
}

static void test_no_memory(void **state)
{
    (void)state;
    must_fail(write_core("none", NULL, 0, 1), NULL, "PT_LOAD", NULL);
    const struct segment nothing = {0, 0, 0, 0, 0};
    must_fail(write_core("none", &nothing, 1, 1), NULL, "PT_LOAD", NULL);
}

static void fail_with(struct bytes *core, size_t offset, uint64_t value, size_t nbytes,
                      const char *said)
{
    struct bytes lie = {0};
    bytes_put(&lie, core->at, core->size);
    memcpy(lie.at + offset, &value, nbytes);
    must_fail(write_file("lie", lie.at, lie.size), NULL, said, NULL);
    bytes_free(&lie);
}

static void test_bad_headers(void **state)
{
    (void)state;
    const struct segment segment = {0, 0, QEMU_DATA, PAGE, PAGE};
    struct bytes core = elf_core64(&segment, 1);
    bytes_pad(&core, QEMU_DATA);
    put_page(&core, 0);
#define LIE(field, value, said) \
    fail_with(&core, offsetof(Elf64_Ehdr, field), value, sizeof((Elf64_Ehdr){0}.field), said)
    LIE(e_type, ET_EXEC, "found a program");
    LIE(e_type, ET_DYN, "a program or shared library");
    LIE(e_type, ET_REL, "an object file");
    LIE(e_type, 0xfe00, "another type");
    LIE(e_phoff, 0x100000, "end of the file");
    LIE(e_phoff, UINT64_MAX, "end of the file");
    LIE(e_phnum, 0xfffe, "end of the file");
    LIE(e_phnum, PN_XNUM, "how many program headers");
    LIE(e_phentsize, 0, "e_phentsize 0");
    LIE(e_ident[EI_DATA], ELFDATA2MSB, "big-endian");
    LIE(e_ident[EI_DATA], 7, "data encoding 1, found 7");
    LIE(e_ident[EI_CLASS], 9, "class 1 or 2, found 9");
#undef LIE
    bytes_free(&core);
}

/* Sections, which gcore writes behind the memory, do not matter: a core whose end is cut away may
 * still have all its memory. */
static void test_no_sections(void **state)
{
    (void)state;
    const struct segment segment = {0, 0, QEMU_DATA, PAGE, PAGE};
    struct bytes core = elf_core64(&segment, 1);
    Elf64_Off offset = QEMU_DATA + 3 * PAGE;
    Elf64_Half count = 5;
    memcpy(core.at + offsetof(Elf64_Ehdr, e_shoff), &offset, sizeof offset);
    memcpy(core.at + offsetof(Elf64_Ehdr, e_shnum), &count, sizeof count);
    bytes_pad(&core, QEMU_DATA);
    put_page(&core, 0);
    struct ds_source *source = must_open(write_file("sections", core.at, core.size), NULL);
    assert_int_equal(ds_source_info(source)->pages[DS_DATA], 1);
    ds_source_free(source);
    bytes_free(&core);
}

/* A PC's memory ends at 0x9fbff: of the page that a segment ends (or begins) in, part is known. */
static void test_parts_of_pages(void **state)
{
    (void)state;
    const struct segment segments[] = {
        {0, 0x1000, at_page(0), 2 * PAGE + 0xc00, 2 * PAGE + 0xc00}, /* as /proc/vmcore */
        {0, 0x5000, at_page(3), PAGE, PAGE + 0x400},                 /* as makedumpfile -E */
        {0, 0x8c00, at_page(4), PAGE + 0x400, PAGE + 0x400},
        {0, 0x20100, at_page(5), 0x200, 0x200},
    };
    struct ds_source *source = must_open(write_core("parts", segments, 4, 6), NULL);
    const struct ds_info *info = ds_source_info(source);
    assert_int_equal(info->pages[DS_DATA], 4);
    assert_int_equal(info->pages[DS_EXCLUDED], 4);
    assert_true(is_page(find_page(source, 1, NULL), 0));
    assert_true(is_page(find_page(source, 2, NULL), 1));
    assert_true(is_page(find_page(source, 5, NULL), 3));
    enum ds_state found;
    for (const uint64_t *key = (const uint64_t[]){3, 6, 8, 0x20, 0}; *key; key++) {
        find_page(source, *key, &found);
        assert_int_equal(found, DS_EXCLUDED);
    }
    find_page(source, 9, &found);
    assert_int_equal(found, DS_DATA);
    ds_source_free(source);
}

/* A physical address of -1 is none: of one segment among others, or of all. */
static void test_no_address(void **state)
{
    (void)state;
    const struct segment segments[] = {
        {0xffff800000000000, UINT64_MAX, at_page(0), PAGE, PAGE},
        {0xffff800000100000, 0x100000, at_page(1), PAGE, PAGE},
    };
    struct ds_source *source = must_open(write_core("minus", segments, 2, 2), NULL);
    assert_true(is_page(find_page(source, 0xffff800000000, NULL), 0));
    assert_true(is_page(find_page(source, 0x100, NULL), 1));
    ds_source_free(source);
    source = must_open(write_core("minus", segments, 1, 1), NULL);
    assert_true(is_page(find_page(source, 0xffff800000000, NULL), 0));
    ds_source_free(source);
}

/* --partial: what lies behind the end of the file is excluded, and said to be cut away. */
static void test_partial(void **state)
{
    (void)state;
    const struct segment segments[] = {
        {0, 0x10000, at_page(0), 4 * PAGE, 4 * PAGE},
        {0, 0x20000, at_page(4), 4 * PAGE, 5 * PAGE},
        {0, 0x30000, at_page(8), 2 * PAGE, 2 * PAGE},
    };
    struct ds_options options = {.partial = true};
    const char *path = write_core("partial", segments, 3, 10);
    assert_int_equal(truncate(path, (off_t)at_page(6) + 9), 0);
    must_fail(path, NULL, "truncated", "--partial", NULL);
    struct ds_source *source = must_open(path, &options);
    const struct ds_info *info = ds_source_info(source);
    assert_int_equal(info->pages[DS_DATA], 6);
    assert_int_equal(info->pages[DS_EXCLUDED], 5);
    assert_int_equal(info->cut_pages, 4);
    assert_true(is_page(find_page(source, 0x21, NULL), 5));
    ds_source_free(source);
}

/* Who wrote it, of what kernel: from the notes, which may lie. */
static void test_notes(void **state)
{
    (void)state;
    static const char vmcoreinfo[] = "OSRELEASE=6.1.0-test\nPAGESIZE=4096\n\0";
    struct bytes notes = {0};
    Elf64_Nhdr header = {.n_namesz = 11, .n_descsz = sizeof vmcoreinfo - 2};
    bytes_put(&notes, &header, sizeof header);
    bytes_put(&notes, "VMCOREINFO\0\0", 12);
    bytes_put(&notes, vmcoreinfo, sizeof vmcoreinfo);
    bytes_pad(&notes, 64 + sizeof header);
    const struct segment segments[] = {{0, 0, 0x200, notes.size, notes.size},
                                       {0, 0x10000, 0x800, PAGE, PAGE}};
    struct bytes core = elf_core64(segments, 2);
    Elf64_Word type = PT_NOTE;
    memcpy(core.at + sizeof(Elf64_Ehdr), &type, sizeof type);
    bytes_pad(&core, 0x200);
    bytes_put(&core, notes.at, notes.size);
    bytes_pad(&core, 0x800);
    put_page(&core, 0);
    struct ds_source *source = must_open(write_file("notes", core.at, core.size), NULL);
    assert_string_equal(ds_source_info(source)->producer, "Linux 6.1.0-test");
    assert_string_equal(ds_source_info(source)->machine, "x86_64");
    assert_int_equal(ds_source_info(source)->page_nbytes, 4096);
    assert_int_equal(ds_source_info(source)->pages[DS_DATA], 1);
    ds_source_free(source);
    for (size_t at = 0x200; at < 0x20c; at++) {
        core.at[at] = 0xff;
        ds_source_free(must_open(write_file("notes", core.at, core.size), NULL));
    }
    bytes_free(&core);
    bytes_free(&notes);
}

/* Segments whose order by address is not that in the file: the index follows the file. */
static void test_index(void **state)
{
    (void)state;
    const struct segment segments[] = {
        {0, 0x30000, at_page(0), PAGE, PAGE},
        {0, 0x10000, at_page(1), 2 * PAGE, 2 * PAGE},
    };
    struct ds_source *source = must_open(write_core("order", segments, 2, 3), NULL);
    const struct ds_info *info = ds_source_info(source);
    assert_int_equal(info->extents, 2);
    assert_int_equal(info->extent[0].index, 1);
    assert_int_equal(info->extent[1].index, 0);
    ds_source_free(source);
}

/* Cut anywhere, a core is an error: each byte of this one is accounted for. */
static void test_truncated(void **state)
{
    (void)state;
    const struct segment segments[] = {{0x1000, 0, 0x100, PAGE, PAGE},
                                       {0x5000, 0, 0x100 + PAGE, PAGE, PAGE}};
    struct bytes core = elf_core64(segments, 2);
    bytes_pad(&core, 0x100);
    put_page(&core, 0);
    put_page(&core, 1);
    ds_source_free(must_open(write_file("whole", core.at, core.size), NULL));
    for (size_t size = 4; size < core.size; size += size < 0x200 ? 1 : 61)
        must_fail(write_file("cut", core.at, size), NULL, "at offset 0x", NULL);
    must_fail(write_file("cut", core.at, core.size - 1), NULL, "truncated: 8447 of 8448 bytes",
              "--partial", NULL);
    bytes_free(&core);
}

static void test_program(void **state)
{
    (void)state;
    must_fail("/proc/self/exe", NULL, "expected an ELF core dump", "program", NULL);
}

static void *open_often(void *path)
{
    for (int i = 0; i < 20; i++) {
        struct ds_source *source;
        struct ds_error error;
        if (!ds_source_open(path, NULL, &source, &error))
            return path;
        ds_source_free(source);
    }
    return NULL;
}

/* Sources are opened by several threads at once. */
static void test_threads(void **state)
{
    (void)state;
    const struct segment segment = {0, 0x10000, QEMU_DATA, 8 * PAGE, 8 * PAGE};
    const char *path = write_core("threads", &segment, 1, 8);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, open_often, (void *)(uintptr_t)path), 0);
    for (int i = 0; i < 4; i++) {
        void *failed;
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
}

/* An exabyte that the dump leaves out costs nothing. */
static void test_lying_size(void **state)
{
    (void)state;
    struct rusage before, after;
    const struct segment segment = {0, 0x1000, 0, 0, (uint64_t)1 << 60};
    const char *path = write_core("exabyte", &segment, 1, 0);
    getrusage(RUSAGE_SELF, &before);
    struct ds_source *source = must_open(path, NULL);
    getrusage(RUSAGE_SELF, &after);
    assert_int_equal(ds_source_info(source)->pages[DS_EXCLUDED], (uint64_t)1 << 48);
    assert_true(after.ru_maxrss - before.ru_maxrss < 8192); /* KiB */
    ds_source_free(source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_physical),
        cmocka_unit_test(test_virtual),
        cmocka_unit_test(test_32_bit),
        cmocka_unit_test(test_excluded),
        cmocka_unit_test(test_excluded_elsewhere),
        cmocka_unit_test(test_aliases),
        cmocka_unit_test(test_copies),
        cmocka_unit_test(test_overlap_bomb),
        cmocka_unit_test(test_many_headers),
        cmocka_unit_test(test_holes),
        cmocka_unit_test(test_bad_segments),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_bad_headers),
        cmocka_unit_test(test_no_sections),
        cmocka_unit_test(test_parts_of_pages),
        cmocka_unit_test(test_no_address),
        cmocka_unit_test(test_partial),
        cmocka_unit_test(test_index),
        cmocka_unit_test(test_notes),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_program),
        cmocka_unit_test(test_lying_size),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, make_test_dir, remove_test_dir);
}
