/* SPDX-License-Identifier: MIT */
#ifndef DS_ELF_CHECK_H
#define DS_ELF_CHECK_H

#include "reader.h"

/* The program headers of a file, all inside it: `count` of `entry_nbytes` each. */
struct ds_elf_headers {
    size_t count;
    uint64_t offset;
    unsigned entry_nbytes;
};

/* True if source->bytes is a little-endian ELF core whose header tables lie inside the file. */
bool ds_elf_check(struct ds_source *source, struct ds_elf_headers *headers);

#endif
