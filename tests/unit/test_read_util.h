/* SPDX-License-Identifier: MIT */
/* What the tests of the dump readers share: inputs made on the fly, and what opening them gives. */
#ifndef TEST_READ_UTIL_H
#define TEST_READ_UTIL_H

#include "source.h"

#include <elf.h>
#include <sys/types.h>

#define PAGE DS_PAGE_SIZE

/* A growing byte string, owned by the test. */
struct bytes {
    uint8_t *at;
    size_t size;
    size_t capacity;
};
void bytes_put(struct bytes *bytes, const void *from, size_t nbytes); /* from NULL: zeros */
void bytes_pad(struct bytes *bytes, size_t size);                     /* zeros up to `size` */
void bytes_free(struct bytes *bytes);

/* Fills one page with a content that is different for each seed, never zero. */
void fill_page(uint8_t *page, uint64_t seed);
bool is_page(const uint8_t *page, uint64_t seed);
void put_page(struct bytes *bytes, uint64_t seed);

/* A file in a directory of this test program's own; the path is valid until the next 8 calls. */
const char *write_file(const char *name, const void *bytes, size_t nbytes);
const char *test_path(const char *name);
/* cmocka group setup and teardown: the directory. */
int make_test_dir(void **state);
int remove_test_dir(void **state);

/* An ELF core in memory; offsets and sizes of segments are as given, true or not. */
struct segment {
    uint64_t vaddr, paddr, offset, filesz, memsz;
};
struct bytes elf_core64(const struct segment *segment, size_t segments);
struct bytes elf_core32(const struct segment *segment, size_t segments);

/* Does this build have it? By its name in ds_readers. */
bool has_reader(const char *name);
/* Opens, or fails the test with the reader's error. */
struct ds_source *must_open(const char *spec, const struct ds_options *options);
/* Fails the test unless opening fails with one line that names the spec and holds all the texts
 * (up to NULL). */
void must_fail(const char *spec, const struct ds_options *options, ...);
/* Keeps its pages for find_page, as must_open does. */
void load_source(struct ds_source *source);
/* Looks at all of it. Extents ascend, do not overlap, sum to the counts, and their indexes are
 * those of the data pages. Each look gives the same bytes. */
void check_source(struct ds_source *source);
/* The bytes of a page of data by its key, and of those that lie behind it in the input, or NULL;
 * *state (may be NULL) is what it is, DS_STATES if in no extent. Valid until 8 more sources were
 * opened by must_open or loaded. */
const uint8_t *find_page(const struct ds_source *source, uint64_t key, enum ds_state *state);
/* A look to the end fails with one line that holds all the texts (up to NULL). */
void look_must_fail(struct ds_source *source, ...);

/* Runs `child` in a forked process that is killed if the test dies. */
pid_t start_child(void (*child)(void *ctx), void *ctx);
void stop_child(pid_t pid);

#endif
