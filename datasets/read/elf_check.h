/* SPDX-License-Identifier: MIT */
#ifndef DS_ELF_CHECK_H
#define DS_ELF_CHECK_H

#include "reader.h"

#include <elf.h>

/* What the header of a core says. */
struct ds_elf {
    bool wide; /* 64 bits */
    unsigned machine;
    uint64_t segments; /* program headers */
    uint64_t phoff, shoff;
    unsigned phentsize, shentsize, shnum, shstrndx;
};

/* True if the input is a little-endian ELF core; of a file, its program headers lie inside it. */
bool ds_elf_check(struct ds_reading *reading, struct ds_elf *elf);

/* Program header `index`. */
bool ds_elf_segment(struct ds_reading *reading, const struct ds_elf *elf, uint64_t index,
                    Elf64_Phdr *segment);
uint64_t ds_elf_segment_offset(const struct ds_elf *elf, uint64_t index);

/* Does the core have a section of this name, as Xen's do, which have no segments? */
bool ds_elf_has_section(struct ds_reading *reading, const struct ds_elf *elf, const char *name);

/* Sets the source's producer and machine. */
void ds_elf_notes(struct ds_reading *reading, const struct ds_elf *elf);

#endif
