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

/* Pages that looks gave: of the last sources that were opened. */
static struct loaded {
    const struct ds_source *source;
    struct bytes bytes;
} loaded[8];

/* All data pages, by a look of runs of up to `pages`. */
static bool load(struct ds_source *source, size_t pages, struct bytes *bytes,
                 struct ds_error *error)
{
    struct ds_look *look = ds_look_new(source, error);
    struct ds_run run = {0};
    bool ok = look != NULL;
    while (ok) {
        uint64_t next = run.index + run.pages;
        ok = ds_look_at(look, next, pages, &run, error);
        if (!ok || run.pages == 0)
            break;
        assert_int_equal(run.index, next);
        assert_true(run.pages <= pages);
        bytes_put(bytes, run.bytes, run.pages * PAGE);
    }
    ds_look_free(look);
    return ok;
}

void load_source(struct ds_source *source)
{
    static size_t next;
    struct ds_error error;
    struct loaded *slot = &loaded[next++ % (sizeof loaded / sizeof loaded[0])];
    for (size_t i = 0; i < sizeof loaded / sizeof loaded[0]; i++) {
        if (loaded[i].source == source)
            loaded[i].source = NULL; /* another one that lay there */
    }
    bytes_free(&slot->bytes);
    if (!load(source, 1000, &slot->bytes, &error))
        fail_msg("%s", error.text);
    slot->source = source;
}

bool has_reader(const char *name)
{
    size_t count;
    const struct ds_reader *reader = ds_readers(&count);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(reader[i].name, name) == 0)
            return reader[i].built_in;
    }
    fail_msg("no reader \"%s\"", name);
    return false;
}

struct ds_source *must_open(const char *spec, const struct ds_options *options)
{
    struct ds_source *source = NULL;
    struct ds_error error;
    if (!ds_source_open(spec, options, &source, &error))
        fail_msg("%s", error.text);
    assert_non_null(source);
    assert_string_equal(ds_source_info(source)->spec, spec);
    load_source(source);
    check_source(source);
    return source;
}

static void check_texts(const struct ds_error *error, va_list args)
{
    assert_null(strchr(error->text, '\n'));
    for (const char *text; (text = va_arg(args, const char *));) {
        if (!strstr(error->text, text))
            fail_msg("\"%s\" does not say \"%s\"", error->text, text);
    }
}

void look_must_fail(struct ds_source *source, ...)
{
    struct bytes bytes = {0};
    struct ds_error error;
    if (load(source, 100, &bytes, &error))
        fail_msg("%s: read, expected an error", ds_source_info(source)->spec);
    bytes_free(&bytes);
    va_list args;
    va_start(args, source);
    check_texts(&error, args);
    va_end(args);
}

/* Where the error comes does not matter: opening, or in a look to the end. */
void must_fail(const char *spec, const struct ds_options *options, ...)
{
    struct ds_source *source = NULL;
    struct ds_error error;
    struct bytes bytes = {0};
    if (ds_source_open(spec, options, &source, &error)) {
        if (load(source, 100, &bytes, &error))
            fail_msg("%s: read, expected an error", spec);
        bytes_free(&bytes);
        ds_source_free(source);
    } else {
        assert_null(source);
    }
    if (!strstr(error.text, spec))
        fail_msg("\"%s\" does not name %s", error.text, spec);
    va_list args;
    va_start(args, options);
    check_texts(&error, args);
    va_end(args);
}

static void check_extents(const struct ds_info *info)
{
    uint64_t pages[DS_STATES] = {0};
    uint64_t end = 0;
    for (size_t i = 0; i < info->extents; i++) {
        const struct ds_extent *e = &info->extent[i];
        assert_true(e->pages > 0);
        assert_true(i == 0 || e->key >= end);
        assert_true(e->key + e->pages > e->key);
        assert_true(e->state != DS_DATA || e->index + e->pages <= info->data_pages);
        end = e->key + e->pages;
        pages[e->state] += e->pages;
    }
    for (int state = 0; state < DS_STATES; state++)
        assert_int_equal(pages[state], info->pages[state]);
    assert_int_equal(info->data_pages, info->pages[DS_DATA]);
}

void check_source(struct ds_source *source)
{
    struct bytes first = {0}, second = {0};
    struct ds_error error;
    if (!load(source, 1000, &first, &error) || !load(source, 3, &second, &error))
        fail_msg("%s", error.text);
    const struct ds_info *info = ds_source_info(source);
    assert_true(info->complete);
    assert_int_equal(first.size, info->data_pages * PAGE);
    assert_int_equal(second.size, first.size);
    assert_true(first.size == 0 || memcmp(first.at, second.at, first.size) == 0);
    bytes_free(&first);
    bytes_free(&second);
    check_extents(info);
}

const uint8_t *find_page(const struct ds_source *source, uint64_t key, enum ds_state *state)
{
    const struct ds_info *info = ds_source_info(source);
    enum ds_state ignored;
    state = state ? state : &ignored;
    *state = DS_STATES;
    for (size_t i = 0; i < info->extents; i++) {
        const struct ds_extent *e = &info->extent[i];
        if (key < e->key || key - e->key >= e->pages)
            continue;
        *state = e->state;
        for (size_t s = 0; s < 8 && e->state == DS_DATA; s++) {
            if (loaded[s].source == source)
                return loaded[s].bytes.at + (e->index + key - e->key) * PAGE;
        }
        return NULL;
    }
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
