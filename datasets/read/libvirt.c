/* SPDX-License-Identifier: MIT */
/*
 * A libvirt save image (virsh save, managedsave): a header, the domain's description, then QEMU's
 * migration stream, packed or not. From libvirt's src/qemu/qemu_saveimage.h.
 */
#include "qemu.h"

#include <stdio.h>
#include <string.h>

#define MAGIC_NBYTES 16
static const char magic[] = "LibvirtQemudSave";

/* In the byte order of the host that wrote it. */
struct header {
    char magic[MAGIC_NBYTES];
    uint32_t version;
    uint32_t data_nbytes; /* of the description */
    uint32_t was_running;
    uint32_t compressed;
    uint32_t cookie_offset;
    uint32_t unused[14];
};

static bool matches(const uint8_t *head, size_t nbytes)
{
    return nbytes >= MAGIC_NBYTES && memcmp(head, magic, MAGIC_NBYTES) == 0;
}

static const char *packing(uint32_t compressed)
{
    static const char *const names[] = {"raw", "gzip", "bzip2", "xz", "lzop", "zstd", "sparse"};
    return compressed < sizeof names / sizeof names[0] ? names[compressed] : "something newer";
}

static bool open_libvirt(struct ds_reading *reading)
{
    struct ds_source *source = reading->source;
    struct header header;
    if (!ds_input_copy(&reading->input, 0, &header, sizeof header, "a libvirt header"))
        return false;
    if (header.version < 1 || header.version > 3)
        return ds_fail_at(source, MAGIC_NBYTES,
                          "expected libvirt's version 1 to 3 in this host's byte order, found %u",
                          header.version);
    uint64_t stream = sizeof header + (uint64_t)header.data_nbytes;
    if (header.compressed == 0)
        return ds_qemu_open(reading, stream, "libvirt save");
    const char *name = packing(header.compressed);
    const struct ds_packing *found = ds_packing_named(name);
    if (!found)
        return ds_fail_at(source, 28,
                          "expected memory that is raw or packed in a way that this build unpacks, "
                          "found %s (save_image_format in libvirt's qemu.conf)",
                          name);
    snprintf(source->format, sizeof source->format, "libvirt+%s", name);
    return ds_input_unpack(&reading->input, stream, found) &&
           ds_qemu_open(reading, 0, "libvirt save");
}

const struct ds_format ds_format_libvirt = {.name = "libvirt",
                                            .matches = matches,
                                            .open = open_libvirt,
                                            .next = ds_qemu_next,
                                            .forget = ds_qemu_forget};
