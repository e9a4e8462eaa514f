/* SPDX-License-Identifier: MIT */
/*
 * Which format is it? Told from a file's first bytes, never from its name.
 *
 * Formats that we know but cannot read are here too, so that they are refused by name: measured as
 * raw memory, a compressed or filtered dump would give figures that look right and mean nothing.
 */
#include "reader.h"

#include <string.h>

#define FOREIGN(magic, name)                      \
    {                                             \
        name, magic, sizeof magic - 1, NULL, NULL \
    }

/* Ours; a new format's line goes here. Raw has no magic: it is what matches nothing. */
static const struct ds_format *const readable[] = {&ds_format_elf, &ds_format_zstd};

/* A magic shorter than three bytes would be found in ordinary memory. */
static const struct ds_format foreign[] = {
    FOREIGN("KDUMP   ", "a kdump-compressed dump (makedumpfile)"),
    FOREIGN("DISKDUMP", "a diskdump dump"),
    FOREIGN("makedumpfile", "a flattened makedumpfile dump"),
    FOREIGN("EMiL", "a LiME dump"),
    FOREIGN("AVML", "an AVML dump"),
    FOREIGN("QEVM", "a QEMU migration stream (savevm)"),
    FOREIGN("LibvirtQemudSave", "a libvirt save image (virsh save)"),
    FOREIGN("LibvirtQemudPart", "a partial libvirt save image (virsh save)"),
    FOREIGN("LinuxGuestRecord", "a Xen save image"),
    FOREIGN("PAGEDU64", "a 64-bit Windows crash dump"),
    FOREIGN("PAGEDUMP", "a 32-bit Windows crash dump"),
    FOREIGN("MDMP", "a Windows minidump"),
    FOREIGN("\xd0\xbe\xd2\xbe", "a VMware .vmss or .vmsn state file"),
    FOREIGN("\xd1\xba\xd1\xba", "a VMware .vmss or .vmsn state file"),
    FOREIGN("\xd2\xbe\xd2\xbe", "a VMware .vmss or .vmsn state file"),
    FOREIGN("\xd3\xbe\xd3\xbe", "a VMware .vmss or .vmsn state file"),
    FOREIGN("\x7fVirtualBox SavedState", "a VirtualBox saved state"),
    FOREIGN("\x00\x00\x64\x86\x84\x19\x10\x07", "a Firecracker microVM state (not its memory)"),
    FOREIGN("\x19\x43\x56\x54", "a CRIU image"),
    FOREIGN("\x40\x59\x10\x55", "a CRIU service image"),
    FOREIGN("\x1f\x8b\x08", "gzip"),
    FOREIGN("\xfd\x37zXZ\x00", "xz"),
    FOREIGN("\x04\x22\x4d\x18", "lz4"),
    FOREIGN("BZh91AY&SY", "bzip2"),
    FOREIGN("\xff\x06\x00\x00sNaPpY", "a framed snappy stream"),
    FOREIGN("PK\x03\x04", "zip"),
    FOREIGN("QFI\xfb", "a qcow2 disk image"),
    FOREIGN("KDMV", "a VMware disk image"),
};

static bool matches(const struct ds_format *format, const uint8_t *head, size_t head_nbytes)
{
    return head_nbytes >= format->magic_nbytes &&
           memcmp(head, format->magic, format->magic_nbytes) == 0;
}

const struct ds_format *ds_format_find(const uint8_t *head, size_t head_nbytes)
{
    for (size_t i = 0; i < sizeof readable / sizeof readable[0]; i++) {
        if (matches(readable[i], head, head_nbytes))
            return readable[i];
    }
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++) {
        if (matches(&foreign[i], head, head_nbytes))
            return &foreign[i];
    }
    return &ds_format_raw;
}
