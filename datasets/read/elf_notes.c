/* SPDX-License-Identifier: MIT */
/* Who wrote an ELF core, and of what machine it is, as far as its header and notes tell. */
#include "elf_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOTES_NBYTES                                                            \
    ((size_t)64 << 10) /* of a dump with hundreds of processors, the first ones \
                        */

static const char *machine_name(unsigned machine)
{
    static const struct {
        unsigned machine;
        const char *name;
    } names[] = {{EM_386, "i386"},        {EM_X86_64, "x86_64"}, {EM_ARM, "arm"},
                 {EM_AARCH64, "aarch64"}, {EM_RISCV, "riscv"},   {EM_PPC64, "ppc64"},
                 {EM_S390, "s390"},       {EM_MIPS, "mips"}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (names[i].machine == machine)
            return names[i].name;
    }
    return "";
}

/* A value of VMCOREINFO, lines of NAME=VALUE, cut to what there is room for; "" without such. */
static void take_value(const char *text, size_t nbytes, const char *key, char *value, size_t room)
{
    size_t key_nbytes = strlen(key), length = 0;
    const char *found = memmem(text, nbytes, key, key_nbytes);
    if (found) {
        const char *from = found + key_nbytes;
        size_t left = nbytes - (size_t)(from - text);
        const char *end = memchr(from, '\n', left);
        length = end ? (size_t)(end - from) : left;
        length = length < room ? length : room - 1;
        memcpy(value, from, length);
    }
    value[length] = '\0';
}

static void note_kernel(struct ds_source *source, const char *text, size_t nbytes)
{
    char release[49], page[16];
    take_value(text, nbytes, "OSRELEASE=", release, sizeof release);
    take_value(text, nbytes, "PAGESIZE=", page, sizeof page);
    snprintf(source->producer, sizeof source->producer, "Linux %s", release);
    source->info.page_nbytes = strtoull(page, NULL, 10);
}

static void note(struct ds_source *source, const char *name, const char *text, size_t nbytes)
{
    if (strcmp(name, "VMCOREINFO") == 0)
        note_kernel(source, text, nbytes);
    else if (*source->producer == '\0' && strcmp(name, "QEMU") == 0)
        snprintf(source->producer, sizeof source->producer, "QEMU");
}

/* Notes of one segment: a header, a name and a text each, the last two in whole words. */
static void read_notes(struct ds_source *source, const uint8_t *bytes, size_t nbytes)
{
    Elf64_Nhdr header;
    while (nbytes >= sizeof header) {
        memcpy(&header, bytes, sizeof header);
        size_t name_nbytes = ((size_t)header.n_namesz + 3) & ~(size_t)3;
        size_t text_nbytes = ((size_t)header.n_descsz + 3) & ~(size_t)3;
        size_t left = nbytes - sizeof header;
        if (name_nbytes > left || text_nbytes > left - name_nbytes)
            return;
        char name[16] = "";
        memcpy(name, bytes + sizeof header,
               header.n_namesz < sizeof name ? header.n_namesz : sizeof name - 1);
        note(source, name, (const char *)bytes + sizeof header + name_nbytes, header.n_descsz);
        bytes += sizeof header + name_nbytes + text_nbytes;
        nbytes = left - name_nbytes - text_nbytes;
    }
}

/* Only what is near the front, or in a file: a pipe must not be kept for its sake. */
void ds_elf_notes(struct ds_reading *reading, const struct ds_elf *elf)
{
    struct ds_source *source = reading->source;
    snprintf(source->machine, sizeof source->machine, "%s", machine_name(elf->machine));
    for (uint64_t i = 0; i < elf->segments && i < 16; i++) {
        Elf64_Phdr segment;
        const uint8_t *bytes;
        size_t got;
        if (!ds_elf_segment(reading, elf, i, &segment))
            return;
        if (segment.p_type != PT_NOTE ||
            (!reading->input.seekable && segment.p_offset > NOTES_NBYTES))
            continue;
        size_t nbytes = segment.p_filesz < NOTES_NBYTES ? (size_t)segment.p_filesz : NOTES_NBYTES;
        if (ds_input_at(&reading->input, segment.p_offset, nbytes, &bytes, &got))
            read_notes(source, bytes, got);
    }
}
