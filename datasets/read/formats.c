/* SPDX-License-Identifier: MIT */
/*
 * Which format is it? Told from a file's first bytes, never from its name.
 *
 * Formats that we know but cannot read (some: in this build) are here too, so that they are refused
 * by name: measured as raw memory, a compressed or filtered dump would give figures that look right
 * and mean nothing. What this table does not know, libmagic may (foreign.c).
 */
#include "reader.h"

#include <stdlib.h>
#include <string.h>

#define FOREIGN(magic, name)          \
    {                                 \
        name, magic, sizeof magic - 1 \
    }

/* Ours; a new format's line goes here. Raw is what matches nothing. */
/* clang-format off */
static const struct ds_format *const readable[] = {
    &ds_format_elf,
    &ds_format_qemu,
    &ds_format_libvirt,
    &ds_format_lime,
    &ds_format_flattened,
    &ds_format_kdump,
#ifdef DS_WITH_SNAPPY
    &ds_format_avml,
#endif
};
/* clang-format on */

/* A magic shorter than three bytes would be found in ordinary memory. */
static const struct {
    const char *name;
    const char *magic;
    size_t nbytes;
} foreign[] = {
    FOREIGN("DISKDUMP", "a diskdump dump"),
    FOREIGN("EMiL", "a LiME dump of another version than 1"),
    FOREIGN("AVML\x02\x00\x00\x00", "an AVML dump, built without libsnappy"),
    FOREIGN("AVML", "an AVML dump of another version than 2"),
    FOREIGN("LibvirtQemudPart", "a partial libvirt save image (virsh save)"),
    FOREIGN("LinuxGuestRecord", "a Xen save image (xm save)"),
    FOREIGN("Xen saved domain", "a Xen save image (xl save)"),
    FOREIGN("PAGEDU64", "a 64-bit Windows crash dump"),
    FOREIGN("PAGEDUMP", "a 32-bit Windows crash dump"),
    FOREIGN("MDMP", "a Windows minidump"),
    FOREIGN("hibr", "a Windows hibernation file, whose memory is compressed"),
    FOREIGN("HIBR", "a Windows hibernation file, whose memory is compressed"),
    FOREIGN("wake", "a Windows hibernation file, whose memory is compressed"),
    FOREIGN("WAKE", "a Windows hibernation file, whose memory is compressed"),
    FOREIGN("rstr", "a Windows hibernation file, whose memory is compressed"),
    FOREIGN("RSTR", "a Windows hibernation file, whose memory is compressed"),
    FOREIGN("\xd0\xbe\xd2\xbe", "a VMware .vmss or .vmsn state file"),
    FOREIGN("\xd1\xba\xd1\xba", "a VMware .vmss or .vmsn state file"),
    FOREIGN("\xd2\xbe\xd2\xbe", "a VMware .vmss or .vmsn state file"),
    FOREIGN("\xd3\xbe\xd3\xbe", "a VMware .vmss or .vmsn state file"),
    FOREIGN("\x7fVirtualBox SavedState", "a VirtualBox saved state"),
    FOREIGN("\x00\x00\x64\x86\x84\x19\x10\x07", "a Firecracker microVM state (not its memory)"),
    FOREIGN("\x19\x43\x56\x54", "a CRIU image"),
    FOREIGN("\x40\x59\x10\x55", "a CRIU service image"),
    FOREIGN("\xfe\xed\xfa\xcf", "a Mach-O file"),
    FOREIGN("\xcf\xfa\xed\xfe", "a Mach-O file"),
    FOREIGN("\xce\xfa\xed\xfe", "a Mach-O file"),
    FOREIGN("EVF\x09\x0d\x0a\xff\x00", "an EWF image (EnCase)"),
    FOREIGN("EVF2\x0d\x0a\x81\x00", "an EWF image (EnCase)"),
    FOREIGN("LVF\x09\x0d\x0a\xff\x00", "an EWF image (EnCase)"),
    FOREIGN("\x1f\x8b\x08", "gzip, built without zlib"),
    FOREIGN("\xfd\x37zXZ\x00", "xz, built without liblzma"),
    FOREIGN("\x04\x22\x4d\x18", "lz4, built without liblz4"),
    FOREIGN("BZh91AY&SY", "bzip2, built without libbz2"),
    FOREIGN("\x89LZO\x00\x0d\x0a\x1a\x0a", "lzop"),
    FOREIGN("LZIP\x01", "lzip"),
    FOREIGN("7z\xbc\xaf\x27\x1c", "a 7z archive"),
    FOREIGN("\xff\x06\x00\x00sNaPpY", "a framed snappy stream"),
    FOREIGN("PK\x03\x04", "a zip archive"),
    FOREIGN("Rar!\x1a\x07", "a rar archive"),
    FOREIGN("QFI\xfb", "a qcow2 disk image"),
    FOREIGN("KDMV", "a VMware disk image"),
    FOREIGN("conectix", "a VHD disk image"),
    FOREIGN("vhdxfile", "a VHDX disk image"),
};

enum { ISO_MAGIC = 0x8001 };

/* The sum of a tar header's bytes, its own field taken as blanks, stands in it in octal. */
static bool is_tar(const uint8_t *head, size_t nbytes)
{
    enum { HEADER = 512, SUM = 148, SUM_NBYTES = 8 };
    char field[SUM_NBYTES + 1] = {0}, *end;
    unsigned long sum = 0;
    if (nbytes < HEADER || head[0] == 0)
        return false;
    memcpy(field, head + SUM, SUM_NBYTES);
    unsigned long said = strtoul(field, &end, 8);
    if (end == field)
        return false;
    for (size_t i = 0; i < HEADER; i++)
        sum += i >= SUM && i < SUM + SUM_NBYTES ? ' ' : head[i];
    return sum == said;
}

static const char *refuse(const uint8_t *head, size_t nbytes)
{
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++) {
        if (nbytes >= foreign[i].nbytes && memcmp(head, foreign[i].magic, foreign[i].nbytes) == 0)
            return foreign[i].name;
    }
    if (is_tar(head, nbytes))
        return "a tar archive";
    if (nbytes >= ISO_MAGIC + 5 && memcmp(head + ISO_MAGIC, "CD001", 5) == 0)
        return "an ISO 9660 image";
    return ds_foreign_name(head, nbytes);
}

const struct ds_format *ds_format_find(const uint8_t *head, size_t nbytes, const char **refused)
{
    for (size_t i = 0; i < sizeof readable / sizeof readable[0]; i++) {
        if (readable[i]->matches(head, nbytes))
            return readable[i];
    }
    *refused = refuse(head, nbytes);
    return *refused ? NULL : &ds_format_raw;
}
