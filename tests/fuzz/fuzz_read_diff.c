/* SPDX-License-Identifier: MIT */
/* A base and two diffs: the input is a byte a page, of which two bits for each file say whether it
 * has a hole there. What a page is in the end is known. */
#include "fuzz_read_util.h"

static void put(int fd, uint64_t page, uint8_t content)
{
    uint8_t bytes[DS_PAGE_SIZE];
    memset(bytes, content, sizeof bytes);
    FUZZ_CHECK(pwrite(fd, bytes, sizeof bytes, (off_t)(page * DS_PAGE_SIZE)) ==
               (ssize_t)sizeof bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fd[3];
    char spec[128];
    uint64_t expected = 0;
    if (size == 0 || size > 512)
        return 0;
    for (int file = 0; file < 3; file++) {
        fd[file] = fuzz_file(NULL, 0);
        FUZZ_CHECK(ftruncate(fd[file], (off_t)(size * DS_PAGE_SIZE)) == 0);
        for (size_t i = 0; i < size; i++) {
            if (data[i] >> 2 * file & 3)
                put(fd[file], i, (uint8_t)(1 + file));
        }
    }
    for (size_t i = 0; i < size; i++)
        expected += (data[i] & 63) != 0;
    snprintf(spec, sizeof spec, "diff:/proc/self/fd/%d+/proc/self/fd/%d+/proc/self/fd/%d", fd[0],
             fd[1], fd[2]);
    struct ds_source *source;
    struct ds_error error;
    FUZZ_CHECK(ds_source_open(spec, NULL, &source, &error));
    FUZZ_CHECK(ds_source_info(source)->pages[DS_DATA] == expected);
    FUZZ_CHECK(ds_source_info(source)->pages[DS_HOLE] == size - expected);
    fuzz_source(source);
    ds_source_free(source);
    for (int file = 0; file < 3; file++)
        close(fd[file]);
    return 0;
}
