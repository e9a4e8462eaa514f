/* SPDX-License-Identifier: MIT */
#include "test_read_util.h"

#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char test_dir[64];

void bytes_put(struct bytes *bytes, const void *from, size_t nbytes)
{
    if (bytes->size + nbytes + 1 > bytes->capacity) {
        bytes->capacity = 2 * (bytes->size + nbytes + 1);
        bytes->at = realloc(bytes->at, bytes->capacity);
        assert_non_null(bytes->at);
    }
    if (from)
        memcpy(bytes->at + bytes->size, from, nbytes);
    else
        memset(bytes->at + bytes->size, 0, nbytes);
    bytes->size += nbytes;
}

void bytes_pad(struct bytes *bytes, size_t size)
{
    assert_true(size >= bytes->size);
    bytes_put(bytes, NULL, size - bytes->size);
}

void bytes_free(struct bytes *bytes)
{
    free(bytes->at);
    *bytes = (struct bytes){0};
}

void fill_page(uint8_t *page, uint64_t seed)
{
    for (size_t i = 0; i < PAGE; i += sizeof seed) {
        uint64_t word = (seed + 1) * 0x9e3779b97f4a7c15u + i;
        memcpy(page + i, &word, sizeof word);
    }
}

bool is_page(const uint8_t *page, uint64_t seed)
{
    uint8_t expected[PAGE];
    fill_page(expected, seed);
    return page && memcmp(page, expected, PAGE) == 0;
}

void put_page(struct bytes *bytes, uint64_t seed)
{
    uint8_t page[PAGE];
    fill_page(page, seed);
    bytes_put(bytes, page, PAGE);
}

const char *test_path(const char *name)
{
    static char paths[8][sizeof test_dir + 260];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", test_dir, name);
    return path;
}

const char *write_file(const char *name, const void *bytes, size_t nbytes)
{
    const char *path = test_path(name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, nbytes, file), nbytes);
    assert_int_equal(fclose(file), 0);
    return path;
}

int make_test_dir(void **state)
{
    (void)state;
    snprintf(test_dir, sizeof test_dir, "/tmp/libshare-test.XXXXXX");
    return mkdtemp(test_dir) ? 0 : -1;
}

int remove_test_dir(void **state)
{
    (void)state;
    DIR *dir = opendir(test_dir);
    if (!dir)
        return -1;
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (entry->d_name[0] != '.')
            remove(test_path(entry->d_name));
    }
    closedir(dir);
    return rmdir(test_dir);
}

struct bytes elf_core64(const struct segment *segment, size_t segments)
{
    struct bytes core = {0};
    bool many = segments >= PN_XNUM;
    Elf64_Ehdr header = {
        .e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
        .e_type = ET_CORE,
        .e_machine = EM_X86_64,
        .e_version = EV_CURRENT,
        .e_phoff = sizeof header + (many ? sizeof(Elf64_Shdr) : 0),
        .e_ehsize = sizeof header,
        .e_phentsize = sizeof(Elf64_Phdr),
        .e_phnum = (Elf64_Half)(many ? PN_XNUM : segments),
        .e_shentsize = sizeof(Elf64_Shdr),
        .e_shoff = many ? sizeof header : 0,
        .e_shnum = many ? 1 : 0,
    };
    bytes_put(&core, &header, sizeof header);
    if (many) {
        Elf64_Shdr section = {.sh_info = (Elf64_Word)segments};
        bytes_put(&core, &section, sizeof section);
    }
    for (size_t i = 0; i < segments; i++) {
        Elf64_Phdr load = {.p_type = PT_LOAD,
                           .p_offset = segment[i].offset,
                           .p_vaddr = segment[i].vaddr,
                           .p_paddr = segment[i].paddr,
                           .p_filesz = segment[i].filesz,
                           .p_memsz = segment[i].memsz};
        bytes_put(&core, &load, sizeof load);
    }
    return core;
}

struct bytes elf_core32(const struct segment *segment, size_t segments)
{
    struct bytes core = {0};
    Elf32_Ehdr header = {
        .e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS32, ELFDATA2LSB, EV_CURRENT},
        .e_type = ET_CORE,
        .e_machine = EM_386,
        .e_version = EV_CURRENT,
        .e_phoff = sizeof header,
        .e_ehsize = sizeof header,
        .e_phentsize = sizeof(Elf32_Phdr),
        .e_phnum = (Elf32_Half)segments,
    };
    bytes_put(&core, &header, sizeof header);
    for (size_t i = 0; i < segments; i++) {
        Elf32_Phdr load = {.p_type = PT_LOAD,
                           .p_offset = (Elf32_Off)segment[i].offset,
                           .p_vaddr = (Elf32_Addr)segment[i].vaddr,
                           .p_paddr = (Elf32_Addr)segment[i].paddr,
                           .p_filesz = (Elf32_Word)segment[i].filesz,
                           .p_memsz = (Elf32_Word)segment[i].memsz};
        bytes_put(&core, &load, sizeof load);
    }
    return core;
}

struct ds_source *must_open(const char *spec, const struct ds_options *options)
{
    struct ds_source *source = NULL;
    struct ds_error error;
    if (!ds_source_open(spec, options, &source, &error))
        fail_msg("%s", error.text);
    assert_non_null(source);
    assert_string_equal(ds_source_info(source)->spec, spec);
    check_source(source);
    return source;
}

void must_fail(const char *spec, const struct ds_options *options, ...)
{
    struct ds_source *source = NULL;
    struct ds_error error;
    if (ds_source_open(spec, options, &source, &error))
        fail_msg("%s: opened, expected an error", spec);
    assert_null(source);
    assert_null(strchr(error.text, '\n'));
    if (!strstr(error.text, spec))
        fail_msg("\"%s\" does not name %s", error.text, spec);
    va_list args;
    va_start(args, options);
    for (const char *text; (text = va_arg(args, const char *));) {
        if (!strstr(error.text, text))
            fail_msg("\"%s\" does not say \"%s\"", error.text, text);
    }
    va_end(args);
}

void check_source(const struct ds_source *source)
{
    const struct ds_info *info = ds_source_info(source);
    uint64_t pages[DS_STATES] = {0};
    uint64_t end = 0;
    volatile uint8_t sink = 0;
    for (size_t i = 0; i < info->extents; i++) {
        const struct ds_extent *e = &info->extent[i];
        assert_true(e->pages > 0);
        assert_true(i == 0 || e->key >= end);
        assert_true(e->key + e->pages > e->key);
        assert_true((e->bytes != NULL) == (e->state == DS_DATA));
        end = e->key + e->pages;
        pages[e->state] += e->pages;
        for (uint64_t p = 0; e->bytes && p < e->pages; p++)
            sink = (uint8_t)(sink + e->bytes[p * PAGE] + e->bytes[p * PAGE + PAGE - 1]);
    }
    for (int state = 0; state < DS_STATES; state++)
        assert_int_equal(pages[state], info->pages[state]);
}

const uint8_t *find_page(const struct ds_source *source, uint64_t key, enum ds_state *state)
{
    const struct ds_info *info = ds_source_info(source);
    for (size_t i = 0; i < info->extents; i++) {
        const struct ds_extent *e = &info->extent[i];
        if (key < e->key || key - e->key >= e->pages)
            continue;
        if (state)
            *state = e->state;
        return e->bytes ? e->bytes + (key - e->key) * PAGE : NULL;
    }
    if (state)
        *state = DS_STATES;
    return NULL;
}

pid_t start_child(void (*child)(void *ctx), void *ctx)
{
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        child(ctx);
        _exit(0);
    }
    return pid;
}

void stop_child(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}
