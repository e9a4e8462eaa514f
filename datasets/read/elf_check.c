/* SPDX-License-Identifier: MIT */
/* An ELF core's header and header tables, checked against the input before anyone goes by them. */
#include "elf_check.h"

#include <stddef.h>
#include <string.h>

static bool check_ident(struct ds_source *source, const uint8_t *ident)
{
    if (ident[EI_CLASS] != ELFCLASS32 && ident[EI_CLASS] != ELFCLASS64)
        return ds_fail_at(source, EI_CLASS, "expected ELF class 1 or 2, found %u", ident[EI_CLASS]);
    if (ident[EI_DATA] == ELFDATA2MSB)
        return ds_fail_at(source, EI_DATA,
                          "expected a little-endian ELF core, found a big-endian one");
    if (ident[EI_DATA] != ELFDATA2LSB)
        return ds_fail_at(source, EI_DATA, "expected ELF data encoding 1, found %u",
                          ident[EI_DATA]);
    return true;
}

static bool check_type(struct ds_source *source, unsigned type)
{
    if (type == ET_CORE)
        return true;
    const char *found = type == ET_EXEC  ? "a program"
                        : type == ET_DYN ? "a program or shared library"
                        : type == ET_REL ? "an object file"
                                         : "another type of ELF";
    return ds_fail_at(source, offsetof(Elf64_Ehdr, e_type),
                      "expected an ELF core dump, found %s (e_type %u)", found, type);
}

/* The numbers that do not fit the ELF header are in section 0: here, of segments. */
static bool read_section_zero(struct ds_reading *reading, struct ds_elf *elf)
{
    Elf64_Shdr wide;
    Elf32_Shdr narrow;
    if (elf->shoff == 0)
        return ds_fail_at(reading->source, 0,
                          "expected a section header that says how many program "
                          "headers there are, found none");
    if (!ds_input_copy(&reading->input, elf->shoff, elf->wide ? (void *)&wide : &narrow,
                       elf->wide ? sizeof wide : sizeof narrow, "a section header"))
        return false;
    elf->segments = elf->wide ? wide.sh_info : narrow.sh_info;
    return true;
}

static bool read_header(struct ds_reading *reading, struct ds_elf *elf)
{
    Elf64_Ehdr w;
    Elf32_Ehdr n;
    uint8_t ident[EI_NIDENT];
    const char *what = "an ELF header";
    if (!ds_input_copy(&reading->input, 0, ident, sizeof ident, what) ||
        !check_ident(reading->source, ident))
        return false;
    elf->wide = ident[EI_CLASS] == ELFCLASS64;
    if (!ds_input_copy(&reading->input, 0, elf->wide ? (void *)&w : &n,
                       elf->wide ? sizeof w : sizeof n, what))
        return false;
    if (elf->wide)
        *elf = (struct ds_elf){true,          w.e_machine,   w.e_phnum, w.e_phoff,   w.e_shoff,
                               w.e_phentsize, w.e_shentsize, w.e_shnum, w.e_shstrndx};
    else
        *elf = (struct ds_elf){false,         n.e_machine,   n.e_phnum, n.e_phoff,   n.e_shoff,
                               n.e_phentsize, n.e_shentsize, n.e_shnum, n.e_shstrndx};
    return check_type(reading->source, elf->wide ? w.e_type : n.e_type);
}

/* A table of a file lies inside it; of a stream, reading it tells. */
static bool check_table(struct ds_reading *reading, const struct ds_elf *elf)
{
    uint64_t nbytes = reading->input.nbytes;
    bool fits = elf->phoff <= UINT64_MAX - elf->segments * elf->phentsize;
    if (fits && !reading->input.seekable)
        return true;
    if ((elf->phoff <= nbytes && elf->segments <= (nbytes - elf->phoff) / elf->phentsize))
        return true;
    return ds_fail_at(reading->source, elf->phoff,
                      "expected %llu program headers of %u bytes, found the end of the file before",
                      (unsigned long long)elf->segments, elf->phentsize);
}

bool ds_elf_check(struct ds_reading *reading, struct ds_elf *elf)
{
    if (!read_header(reading, elf))
        return false;
    if (elf->segments == PN_XNUM && !read_section_zero(reading, elf))
        return false;
    unsigned phentsize = elf->wide ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
    if (elf->segments > 0 && elf->phentsize != phentsize)
        return ds_fail_at(reading->source, 0,
                          "expected program headers of %u bytes, found e_phentsize %u", phentsize,
                          elf->phentsize);
    return elf->segments == 0 || check_table(reading, elf);
}

uint64_t ds_elf_segment_offset(const struct ds_elf *elf, uint64_t index)
{
    return elf->phoff + index * elf->phentsize;
}

bool ds_elf_segment(struct ds_reading *reading, const struct ds_elf *elf, uint64_t index,
                    Elf64_Phdr *segment)
{
    uint64_t at = ds_elf_segment_offset(elf, index);
    if (elf->wide)
        return ds_input_copy(&reading->input, at, segment, sizeof *segment, "a program header");
    Elf32_Phdr n;
    if (!ds_input_copy(&reading->input, at, &n, sizeof n, "a program header"))
        return false;
    *segment = (Elf64_Phdr){.p_type = n.p_type,
                            .p_offset = n.p_offset,
                            .p_vaddr = n.p_vaddr,
                            .p_paddr = n.p_paddr == UINT32_MAX ? UINT64_MAX : n.p_paddr,
                            .p_filesz = n.p_filesz,
                            .p_memsz = n.p_memsz};
    return true;
}

bool ds_elf_has_section(struct ds_reading *reading, const struct ds_elf *elf, const char *name)
{
    struct ds_input *input = &reading->input;
    const uint8_t *bytes;
    size_t got;
    Elf64_Shdr names;
    if (!elf->wide || !input->seekable || elf->shentsize != sizeof names ||
        elf->shstrndx >= elf->shnum || elf->shoff > input->nbytes)
        return false;
    if (!ds_input_at(input, elf->shoff + elf->shstrndx * sizeof names, sizeof names, &bytes,
                     &got) ||
        got < sizeof names)
        return false;
    memcpy(&names, bytes, sizeof names);
    if (names.sh_offset > input->nbytes ||
        !ds_input_at(input, names.sh_offset, DS_PAGE_SIZE, &bytes, &got))
        return false;
    size_t nbytes = names.sh_size < got ? (size_t)names.sh_size : got;
    return memmem(bytes, nbytes, name, strlen(name) + 1) != NULL;
}
