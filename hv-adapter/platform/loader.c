/* SPDX-License-Identifier: MIT */
/*
 * Puts kernel, initramfs and device tree into a new guest's memory and points its hart at them.
 *
 * Kernels: a Linux Image ("RSC\x05" at 0x38), an ELF program by its physical addresses, or a flat
 * binary, which starts at the base of memory. The file is read once; every number in it is checked
 * against its length and against the guest's memory. Memory behind the loaded bytes (bss) is left
 * untouched: it reads as zero.
 *
 *     RAM base: kernel ...        ... initramfs | device tree : end of RAM
 */
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/board.h"
#include "platform/fdt.h"
#include "residence/guest_mem.h"
#include "vm/vm.h"

enum {
    REG_A0 = 10,
    REG_A1 = 11,
    IMAGE_HEADER = 64,
    FILE_MAX_MIB = 1024,
    SEGMENTS_MAX = 64, /* each may name the whole file: loading stays bounded */
};

struct file {
    const char *path;
    uint8_t *bytes; /* owned */
    size_t nbytes;
};

static bool read_all(FILE *stream, struct file *file)
{
    size_t room = 0;
    for (;;) {
        if (file->nbytes == room) {
            room = room ? 2 * room : 1 << 20;
            uint8_t *bytes = room <= (size_t)FILE_MAX_MIB << 20 ? realloc(file->bytes, room) : NULL;
            if (!bytes)
                return false;
            file->bytes = bytes;
        }
        size_t got = fread(file->bytes + file->nbytes, 1, room - file->nbytes, stream);
        file->nbytes += got;
        if (got == 0)
            return !ferror(stream);
    }
}

static bool open_file(struct file *file, const char *path, struct hv_error *error)
{
    *file = (struct file){.path = path};
    FILE *stream = fopen(path, "rb");
    bool read = stream && read_all(stream, file);
    if (!read)
        hv_error_set(error, "%s: cannot be read: %s", path, strerror(errno));
    else if (file->nbytes == 0)
        hv_error_set(error, "%s: is empty", path);
    if (stream)
        fclose(stream);
    return read && file->nbytes > 0;
}

static bool put(struct hv_vm *vm, uint64_t gpa, const uint8_t *bytes, uint64_t nbytes,
                uint64_t room, const char *path, struct hv_error *error)
{
    if (!hv_guest_has(vm, gpa, room < nbytes ? nbytes : room)) {
        hv_error_set(error,
                     "%s: needs %llu bytes at %#llx, the guest's memory is %llu MiB at %#llx", path,
                     (unsigned long long)room, (unsigned long long)gpa,
                     (unsigned long long)(hv_vm_pages(vm) >> 8), (unsigned long long)HV_RAM_BASE);
        return false;
    }
    if (hv_guest_write(vm, gpa, bytes, nbytes))
        return true;
    hv_error_set(error, "%s: the host has no machine memory left", path);
    return false;
}

/* Reads a Linux Image's header: its size in memory. 0: it is none. */
static uint64_t image_size(const struct file *file)
{
    uint64_t size;
    if (file->nbytes < IMAGE_HEADER || memcmp(file->bytes + 0x38, "RSC\x05", 4) != 0)
        return 0;
    memcpy(&size, file->bytes + 16, sizeof size);
    return size < file->nbytes ? file->nbytes : size;
}

static bool bad_elf(const struct file *file, const char *what, struct hv_error *error)
{
    hv_error_set(error, "%s: is no RISC-V ELF program that can be loaded: %s", file->path, what);
    return false;
}

static bool load_elf(struct hv_vm *vm, const struct file *file, uint64_t *entry, uint64_t *end,
                     struct hv_error *error)
{
    Elf64_Ehdr header;
    if (file->nbytes < sizeof header)
        return bad_elf(file, "shorter than its header", error);
    memcpy(&header, file->bytes, sizeof header);
    if (header.e_ident[EI_DATA] != ELFDATA2LSB)
        return bad_elf(file, "not little-endian", error);
    if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_machine != EM_RISCV)
        return bad_elf(file, "not 64-bit RISC-V", error);
    if (header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phoff > file->nbytes ||
        header.e_phnum > (file->nbytes - header.e_phoff) / sizeof(Elf64_Phdr))
        return bad_elf(file, "its program headers lie outside the file", error);
    if (header.e_phnum > SEGMENTS_MAX)
        return bad_elf(file, "more segments than any kernel has", error);
    *entry = header.e_entry;
    for (unsigned i = 0; i < header.e_phnum; i++) {
        Elf64_Phdr segment;
        memcpy(&segment, file->bytes + header.e_phoff + i * sizeof segment, sizeof segment);
        if (segment.p_type != PT_LOAD || segment.p_memsz == 0)
            continue;
        if (segment.p_offset > file->nbytes || segment.p_filesz > file->nbytes - segment.p_offset ||
            segment.p_filesz > segment.p_memsz)
            return bad_elf(file, "a segment lies outside the file", error);
        if (!put(vm, segment.p_paddr, file->bytes + segment.p_offset, segment.p_filesz,
                 segment.p_memsz, file->path, error))
            return false;
        if (header.e_entry - segment.p_vaddr < segment.p_memsz)
            *entry = header.e_entry - segment.p_vaddr + segment.p_paddr;
        if (segment.p_paddr + segment.p_memsz > *end)
            *end = segment.p_paddr + segment.p_memsz;
    }
    return *end > 0 || bad_elf(file, "no segment to load", error);
}

static bool load_kernel(struct hv_vm *vm, const struct file *file, uint64_t *entry, uint64_t *end,
                        struct hv_error *error)
{
    *entry = HV_RAM_BASE;
    *end = 0;
    if (file->nbytes >= 4 && memcmp(file->bytes, ELFMAG, SELFMAG) == 0)
        return load_elf(vm, file, entry, end, error);
    uint64_t size = image_size(file);
    *end = HV_RAM_BASE + (size ? size : file->nbytes);
    return put(vm, HV_RAM_BASE, file->bytes, file->nbytes, size, file->path, error);
}

static bool load_initrd(struct hv_vm *vm, const char *path, uint64_t kernel_end,
                        struct hv_fdt *what, uint64_t top, struct hv_error *error)
{
    struct file file;
    bool loaded = open_file(&file, path, error);
    if (loaded &&
        (file.nbytes > top - HV_RAM_BASE || ((top - file.nbytes) & ~UINT64_C(4095)) < kernel_end)) {
        hv_error_set(error, "%s: %zu bytes do not fit behind the kernel", path, file.nbytes);
        loaded = false;
    }
    if (loaded) {
        what->initrd_begin = (top - file.nbytes) & ~UINT64_C(4095);
        what->initrd_end = what->initrd_begin + file.nbytes;
        loaded = put(vm, what->initrd_begin, file.bytes, file.nbytes, 0, path, error);
    }
    free(file.bytes);
    return loaded;
}

static void random_bytes(uint64_t *state, uint8_t *bytes, size_t nbytes)
{
    for (size_t i = 0; i < nbytes; i++) {
        *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        bytes[i] = (uint8_t)(*state >> 56);
    }
}

bool hv_platform_load(struct hv_vm *vm, const struct hv_vm_config *config, struct hv_error *error)
{
    uint64_t entry = HV_RAM_BASE, kernel_end = HV_RAM_BASE;
    uint64_t fdt_gpa = ((vm->map.end.n << HV_PAGE_SHIFT) - HV_FDT_MAX) & ~UINT64_C(4095);
    uint8_t seed[32], *blob = calloc(1, HV_FDT_MAX);
    struct hv_fdt what = {.ram_base = HV_RAM_BASE,
                          .ram_nbytes = config->memory_bytes,
                          .append = config->append ? config->append : "",
                          .isa = config->no_fp ? "rv64imac" : "rv64imafdc",
                          .rng_seed = seed};
    struct file kernel = {.bytes = NULL};
    random_bytes(&vm->board->random, seed, sizeof seed);
    bool loaded = blob && open_file(&kernel, config->kernel, error) &&
                  load_kernel(vm, &kernel, &entry, &kernel_end, error);
    if (loaded && kernel_end > fdt_gpa) {
        hv_error_set(error, "%s: leaves no room for a device tree in %llu MiB", config->kernel,
                     (unsigned long long)(config->memory_bytes >> 20));
        loaded = false;
    }
    if (loaded && config->initrd)
        loaded = load_initrd(vm, config->initrd, kernel_end, &what, fdt_gpa, error);
    if (loaded && hv_fdt_build(&what, blob) != 0) {
        hv_error_set(error, "the kernel command line is too long");
        loaded = false;
    }
    loaded = loaded && put(vm, fdt_gpa, blob, HV_FDT_MAX, 0, "device tree", error);
    hv_hart_set_pc(vm->hart, entry);
    hv_hart_set_reg(vm->hart, REG_A0, 0);
    hv_hart_set_reg(vm->hart, REG_A1, fdt_gpa);
    free(kernel.bytes);
    free(blob);
    return loaded;
}
