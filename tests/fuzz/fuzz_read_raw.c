/* SPDX-License-Identifier: MIT */
/*
 * Raw files with holes. The input is a recipe, a byte a page: 0 leaves a hole, 255 ends the file
 * within this page, anything else fills it; the first byte chooses the options and the magic.
 */
#include "fuzz_read_util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > 4096)
        return 0;
    struct ds_options options = {.as_raw = data[0] & 1, .holes_zero = data[0] & 2};
    int fd = fuzz_file(NULL, 0);
    off_t end = 0;
    uint64_t filled = 0;
    for (size_t i = 1; i < size; i++, end += DS_PAGE_SIZE) {
        uint8_t page[DS_PAGE_SIZE];
        if (data[i] == 255) {
            end += 255;
            break;
        }
        if (data[i] == 0)
            continue;
        memset(page, data[i], sizeof page);
        if (i == 1) /* the rest of the input as the head: a magic, perhaps */
            memcpy(page, data + 2, size - 2 < 64 ? size - 2 : 64);
        FUZZ_CHECK(pwrite(fd, page, sizeof page, end) == (ssize_t)sizeof page);
        filled++;
    }
    FUZZ_CHECK(ftruncate(fd, end) == 0);
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    struct ds_source *source;
    struct ds_error error;
    if (ds_source_open(path, &options, &source, &error)) {
        const struct ds_info *info = ds_source_info(source);
        uint64_t pages = (uint64_t)end / DS_PAGE_SIZE;
        if (strcmp(info->format, "raw") == 0) {
            FUZZ_CHECK(info->pages[DS_DATA] == filled);
            FUZZ_CHECK(info->pages[options.holes_zero ? DS_ZERO : DS_HOLE] == pages - filled);
        }
        ds_source_free(source);
    }
    fuzz_open(fd, &options);
    return 0;
}
