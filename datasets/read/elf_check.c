/* SPDX-License-Identifier: MIT */
/*
 * Checks an ELF file's header and its two header tables against the file, before libelf sees them:
 * libelf allocates by the numbers that it finds there, and says less of what is wrong.
 */
#include "elf_check.h"

#include <gelf.h>
#include <stddef.h>
#include <string.h>

static bool check_ident(struct ds_source *source)
{
    const uint8_t *ident = source->bytes;
    if (source->nbytes < sizeof(Elf32_Ehdr) ||
        (ident[EI_CLASS] == ELFCLASS64 && source->nbytes < sizeof(Elf64_Ehdr)))
        return ds_fail_at(source, 0, "expected an ELF header, found the end of the file at 0x%llx",
                          (unsigned long long)source->nbytes);
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

/* A table of `count` entries lies inside the file. */
static bool check_table(struct ds_source *source, const char *what, uint64_t offset, uint64_t count,
                        uint64_t entry_nbytes)
{
    if (offset <= source->nbytes && count <= (source->nbytes - offset) / entry_nbytes)
        return true;
    return ds_fail_at(source, offset,
                      "expected %llu %s of %llu bytes, found the end of the file at 0x%llx",
                      (unsigned long long)count, what, (unsigned long long)entry_nbytes,
                      (unsigned long long)source->nbytes);
}

struct header {
    unsigned type;
    uint64_t phoff, shoff;
    unsigned phentsize, phnum, shentsize, shnum;
};

static struct header read_header(const struct ds_source *source)
{
    Elf64_Ehdr w;
    Elf32_Ehdr n;
    if (source->bytes[EI_CLASS] == ELFCLASS64) {
        memcpy(&w, source->bytes, sizeof w);
        return (struct header){w.e_type,  w.e_phoff,     w.e_shoff, w.e_phentsize,
                               w.e_phnum, w.e_shentsize, w.e_shnum};
    }
    memcpy(&n, source->bytes, sizeof n);
    return (struct header){n.e_type,  n.e_phoff,     n.e_shoff, n.e_phentsize,
                           n.e_phnum, n.e_shentsize, n.e_shnum};
}

/* The numbers that do not fit the ELF header are in section 0: sh_size and sh_info. Read without
 * libelf, because elf_memory would allocate by sh_size before anyone could check it. */
static void read_section_zero(const struct ds_source *source, uint64_t offset, uint64_t *size,
                              uint64_t *info)
{
    Elf64_Shdr wide;
    Elf32_Shdr narrow;
    if (source->bytes[EI_CLASS] == ELFCLASS64) {
        memcpy(&wide, source->bytes + offset, sizeof wide);
        *size = wide.sh_size;
        *info = wide.sh_info;
    } else {
        memcpy(&narrow, source->bytes + offset, sizeof narrow);
        *size = narrow.sh_size;
        *info = narrow.sh_info;
    }
}

/* Everything that libelf takes on trust about the two header tables. */
bool ds_elf_check(struct ds_source *source, struct ds_elf_headers *headers)
{
    if (!check_ident(source))
        return false;
    bool wide = source->bytes[EI_CLASS] == ELFCLASS64;
    unsigned phentsize = wide ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
    unsigned shentsize = wide ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr);
    struct header h = read_header(source);
    if (!check_type(source, h.type))
        return false;
    uint64_t phnum = h.phnum;
    uint64_t shnum = h.shnum;
    if (h.shoff != 0) {
        uint64_t size, info;
        if (!check_table(source, "section headers", h.shoff, shnum ? shnum : 1, shentsize))
            return false;
        read_section_zero(source, h.shoff, &size, &info);
        if (shnum == 0 && !check_table(source, "section headers", h.shoff, size, shentsize))
            return false;
        phnum = h.phnum == PN_XNUM ? info : phnum;
    } else if (h.phnum == PN_XNUM) {
        return ds_fail_at(source, 0,
                          "expected a section header that says how many program "
                          "headers there are, found none");
    }
    if (phnum > 0 && h.phentsize != phentsize)
        return ds_fail_at(source, 0, "expected program headers of %u bytes, found e_phentsize %u",
                          phentsize, h.phentsize);
    *headers = (struct ds_elf_headers){(size_t)phnum, h.phoff, phentsize};
    return check_table(source, "program headers", h.phoff, phnum, phentsize);
}
