/* SPDX-License-Identifier: MIT */
/* Lines of /proc/N/maps. The input is copied to exact size, so that an overread shows. */
#include "fuzz_read_util.h"
#include "pid.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *line = malloc(size ? size : 1);
    struct ds_vma vma;
    FUZZ_CHECK(line);
    memcpy(line, data, size);
    if (ds_maps_parse_line(line, size, &vma)) {
        FUZZ_CHECK(vma.first < vma.end && vma.end <= UINT64_MAX / DS_PAGE_SIZE);
        FUZZ_CHECK(vma.kind >= DS_VMA_NONE && vma.kind <= DS_VMA_READ_ONLY);
        FUZZ_CHECK(memchr(line, '-', size) && size >= 8);
    }
    free(line);
    return 0;
}
