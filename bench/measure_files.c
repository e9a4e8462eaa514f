/* SPDX-License-Identifier: MIT */
/*
 * What does `pageshare measure` cost on files in the page cache, against hashing the same files?
 * They are memfds: files without a name, which end with this program.
 *
 * The base maps and populates the files, and hashes every page, all of it timed. The other side
 * runs the whole program as a process, with one thread as well.
 *
 * Includes an internal header, for the hash that the engine uses.
 */
#include "hash.h"
#include "pages.h"
#include "suite.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FILES = 2 };

struct files {
    const struct suite *suite;
    char path[FILES][64]; /* as other processes can open them */
    uint64_t pages, copies;
};

static struct files files;

static bool make_file(int i, const unsigned char *bytes, size_t pages)
{
    int fd = memfd_create("pages", MFD_CLOEXEC);
    snprintf(files.path[i], sizeof files.path[i], "/proc/%d/fd/%d", (int)getpid(), fd);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "wb"); /* open as long as the program runs */
    return file && fwrite(bytes, SHARE_PAGE_SIZE, pages, file) == pages && fflush(file) == 0;
}

/* Each file holds half of one page set, so that copies lie within and between files. */
static void make_files(void)
{
    uint64_t count = UINT64_C(1) << (files.suite->quick ? 16 : 18);
    struct pages *pages = pages_new(count, 50, 3);
    size_t each = count / FILES;
    for (int i = 0; i < FILES; i++)
        if (!make_file(i, pages->bytes + (size_t)i * each * SHARE_PAGE_SIZE, each)) {
            fprintf(stderr, "a file of pages: cannot write\n");
            exit(1);
        }
    files.pages = count;
    files.copies = pages->copies;
    pages_free(pages);
}

static double pass_hash(void *ctx)
{
    (void)ctx;
    if (!files.pages)
        make_files();
    struct share_secret secret;
    uint64_t sum = 0;
    share_secret_init(&secret, 0, 0, ~UINT64_C(0));
    size_t nbytes = files.pages / FILES * SHARE_PAGE_SIZE;
    double start = bench_now_s();
    for (int i = 0; i < FILES; i++) {
        int fd = open(files.path[i], O_RDONLY);
        unsigned char *bytes = mmap(NULL, nbytes, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
        if (bytes == MAP_FAILED)
            return -1;
        for (size_t at = 0; at < nbytes; at += SHARE_PAGE_SIZE)
            sum += secret.hash(bytes + at, secret.bytes);
        munmap(bytes, nbytes);
        close(fd);
    }
    return sum ? bench_now_s() - start : -1;
}

/* pageshare stands beside this program. */
static void pageshare_path(char *path, size_t nbytes)
{
    ssize_t length = readlink("/proc/self/exe", path, nbytes - 16);
    path[length < 0 ? 0 : length] = 0;
    char *slash = strrchr(path, '/');
    strcpy(slash ? slash + 1 : path, "pageshare");
}

static double pass_pageshare(void *ctx)
{
    (void)ctx;
    char path[4096], command[8192], expected[64], line[256];
    pageshare_path(path, sizeof path);
    snprintf(command, sizeof command, "'%s' measure --threads 1 --format csv %s %s", path,
             files.path[0], files.path[1]);
    snprintf(expected, sizeof expected, ",%lu,", (unsigned long)files.copies);
    bool right = false;
    double start = bench_now_s();
    FILE *out = popen(command, "r");
    while (out && fgets(line, sizeof line, out))
        right |= strncmp(line, "total,", 6) == 0 && strstr(line, expected);
    int status = out ? pclose(out) : -1;
    double seconds = bench_now_s() - start;
    return right && status == 0 ? seconds : -1;
}

void suite_measure(const struct suite *suite)
{
    static const struct bench_side other = {"pageshare", pass_pageshare};
    files.suite = suite;
    bench_pair("measure_files", (struct bench_side){"xxh3", pass_hash}, &other, 1, &files,
               suite->quick ? 7 : 15);
}
