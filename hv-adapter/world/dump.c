/* SPDX-License-Identifier: MIT */
/*
 * A VM's memory as an ELF core file: one PT_LOAD for each run of touched pages, p_paddr its
 * guest-physical address. Untouched pages are left out: they are absent, not zero.
 * Source: System V ABI, gABI 4.1, program headers.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "residence/guest_mem.h"
#include "vm/vm.h"

/* Pages that the VMM paged out have content, too. */
static bool is_touched(const struct hv_vm *vm, hv_ppn ppn)
{
    const struct hv_physmap_entry *page = hv_physmap_at(&vm->map, ppn);
    return hv_physmap_is_present(page) || (page->state & HV_PAGE_SWAPPED);
}

/* The run of touched pages at or after `from`; false if there is none. */
static bool next_run(const struct hv_vm *vm, hv_ppn from, hv_ppn *begin, hv_ppn *end)
{
    for (*begin = from; begin->n < vm->map.end.n && !is_touched(vm, *begin); begin->n++)
        ;
    for (*end = *begin; end->n < vm->map.end.n && is_touched(vm, *end); end->n++)
        ;
    return begin->n < end->n;
}

static uint64_t count_runs(const struct hv_vm *vm)
{
    uint64_t count = 0;
    hv_ppn begin, end = vm->map.begin;
    while (next_run(vm, end, &begin, &end))
        count++;
    return count;
}

static bool write_headers(const struct hv_vm *vm, uint64_t runs, FILE *stream)
{
    Elf64_Ehdr header = {
        .e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
        .e_type = ET_CORE,
        .e_machine = EM_RISCV,
        .e_version = EV_CURRENT,
        .e_phoff = sizeof header,
        .e_ehsize = sizeof header,
        .e_phentsize = sizeof(Elf64_Phdr),
        .e_phnum = runs < PN_XNUM ? (Elf64_Half)runs : PN_XNUM,
        .e_shentsize = sizeof(Elf64_Shdr),
    };
    uint64_t offset = sizeof header + runs * sizeof(Elf64_Phdr);
    Elf64_Shdr count = {.sh_info = (Elf64_Word)runs}; /* where the count is too large for phnum */
    if (runs >= PN_XNUM) {
        header.e_shoff = offset;
        header.e_shnum = 1;
        offset += sizeof count;
    }
    offset = (offset + HV_PAGE_BYTES - 1) & ~(HV_PAGE_BYTES - 1);
    bool written = fwrite(&header, sizeof header, 1, stream) == 1;
    hv_ppn begin, end = vm->map.begin;
    while (written && next_run(vm, end, &begin, &end)) {
        uint64_t nbytes = (end.n - begin.n) << HV_PAGE_SHIFT;
        Elf64_Phdr segment = {
            .p_type = PT_LOAD,
            .p_flags = PF_R | PF_W | PF_X,
            .p_offset = offset,
            .p_paddr = begin.n << HV_PAGE_SHIFT,
            .p_filesz = nbytes,
            .p_memsz = nbytes,
            .p_align = HV_PAGE_BYTES,
        };
        written = fwrite(&segment, sizeof segment, 1, stream) == 1;
        offset += nbytes;
    }
    if (runs >= PN_XNUM)
        written = written && fwrite(&count, sizeof count, 1, stream) == 1;
    long at = ftell(stream);
    static const char zeros[HV_PAGE_BYTES];
    size_t pad = (HV_PAGE_BYTES - ((uint64_t)at & (HV_PAGE_BYTES - 1))) & (HV_PAGE_BYTES - 1);
    return written && at >= 0 && fwrite(zeros, 1, pad, stream) == pad;
}

static bool write_pages(struct hv_vm *vm, FILE *stream)
{
    uint8_t page[HV_PAGE_BYTES];
    for (hv_ppn ppn = vm->map.begin; ppn.n < vm->map.end.n; ppn.n++)
        if (is_touched(vm, ppn) && (!hv_guest_read(vm, ppn.n << HV_PAGE_SHIFT, page, sizeof page) ||
                                    fwrite(page, sizeof page, 1, stream) != 1))
            return false;
    return true;
}

static bool fail(struct hv_error *error, const char *path, int why)
{
    hv_error_set(error, "%s: cannot be written: %s", path, strerror(why));
    return false;
}

/* What is there already must be a file, if anything: a FIFO would keep the VMs waiting. */
static bool may_replace(const char *path, struct hv_error *error)
{
    struct stat found;
    if (stat(path, &found) != 0 || S_ISREG(found.st_mode))
        return true;
    hv_error_set(error, "%s: cannot be written: it is there, and no regular file", path);
    return false;
}

/* To a file of another name first: the old one stays as it is until the new one is whole. */
static bool write_beside(struct hv_vm *vm, const char *path, const char *temporary, int fd,
                         struct hv_error *error)
{
    FILE *stream = fdopen(fd, "wb");
    if (!stream) {
        close(fd);
        return fail(error, path, errno);
    }
    errno = EIO; /* a page that cannot be read */
    bool written = write_headers(vm, count_runs(vm), stream) && write_pages(vm, stream);
    int why = errno;
    if (fclose(stream) != 0 && written) {
        written = false;
        why = errno;
    }
    if (written && rename(temporary, path) != 0) {
        written = false;
        why = errno;
    }
    return written || fail(error, path, why);
}

bool hv_vm_dump(struct hv_vm *vm, const char *path, struct hv_error *error)
{
    char temporary[4096];
    if (!hv_vm_has_memory(vm)) {
        hv_error_set(error, "VM %u has ended: it has no memory any more", vm->index);
        return false;
    }
    if (!may_replace(path, error))
        return false;
    if ((size_t)snprintf(temporary, sizeof temporary, "%s.XXXXXX", path) >= sizeof temporary)
        return fail(error, path, ENAMETOOLONG);
    int fd = mkostemp(temporary, O_CLOEXEC); /* for its owner alone: it is a guest's memory */
    if (fd < 0)
        return fail(error, path, errno);
    bool written = write_beside(vm, path, temporary, fd, error);
    if (!written)
        (void)unlink(temporary);
    return written;
}
