/* SPDX-License-Identifier: MIT */
/*
 * What libmagic takes an input for, where that is surely no memory.
 *
 * libmagic knows thousands of formats, and guesses: the memory of a real machine is to it a boot
 * sector, text, a font, data. So it is believed only where it names one of the formats below, all
 * of which have a strong magic number, and hold something packed, or laid out other than memory.
 * (Its tar has none: a page of a UEFI guest was one. formats.c adds up the checksum.)
 */
#include "reader.h"

#ifdef DS_WITH_LIBMAGIC
#include <magic.h>
#include <pthread.h>
#include <string.h>

static const struct {
    const char *mime;
    const char *name;
} believed[] = {
    {"application/gzip", "gzip"},
    {"application/java-archive", "a Java archive"},
    {"application/pdf", "a PDF document"},
    {"application/vnd.debian.binary-package", "a Debian package"},
    {"application/vnd.ms-cab-compressed", "a cabinet archive"},
    {"application/vnd.rar", "a rar archive"},
    {"application/x-7z-compressed", "a 7z archive"},
    {"application/x-archive", "an ar archive"},
    {"application/x-bzip2", "bzip2"},
    {"application/x-cpio", "a cpio archive"},
    {"application/x-ewf", "an EWF image (EnCase)"},
    {"application/x-iso9660-image", "an ISO 9660 image"},
    {"application/x-lrzip", "lrzip"},
    {"application/x-lz4", "lz4"},
    {"application/x-lzip", "lzip"},
    {"application/x-lzop", "lzop"},
    {"application/x-mach-binary", "a Mach-O file"},
    {"application/x-ms-wim", "a WIM image"},
    {"application/x-qemu-disk", "a qcow disk image"},
    {"application/x-rar", "a rar archive"},
    {"application/x-rpm", "an RPM package"},
    {"application/x-snappy-framed", "a framed snappy stream"},
    {"application/x-sqlite3", "an SQLite database"},
    {"application/x-vhd", "a VHD disk image"},
    {"application/x-virtualbox-vdi", "a VirtualBox disk image"},
    {"application/x-xar", "a xar archive"},
    {"application/x-xz", "xz"},
    {"application/zip", "a zip archive"},
    {"application/zstd", "zstd"},
    {"image/gif", "a GIF picture"},
    {"image/jpeg", "a JPEG picture"},
    {"image/png", "a PNG picture"},
    {"video/mp4", "an MP4 video"},
    {"video/x-matroska", "a Matroska video"},
};

/* Only magic numbers: texts, and what is inside of archives, do not matter. */
#define FLAGS                                                                               \
    (MAGIC_MIME_TYPE | MAGIC_NO_CHECK_COMPRESS | MAGIC_NO_CHECK_ELF | MAGIC_NO_CHECK_TEXT | \
     MAGIC_NO_CHECK_CDF | MAGIC_NO_CHECK_TOKENS | MAGIC_NO_CHECK_ENCODING |                 \
     MAGIC_NO_CHECK_APPTYPE | MAGIC_NO_CHECK_TAR | MAGIC_NO_CHECK_JSON | MAGIC_NO_CHECK_CSV)

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* libmagic keeps what it found */
static magic_t cookie; /* under the mutex; loaded once, which takes milliseconds */

static const char *mime_of(const uint8_t *head, size_t nbytes)
{
    if (!cookie) {
        cookie = magic_open(FLAGS);
        if (cookie && magic_load(cookie, NULL) != 0) {
            magic_close(cookie);
            cookie = NULL;
        }
    }
    const char *mime = cookie ? magic_buffer(cookie, head, nbytes) : NULL;
    return mime ? mime : "";
}

/* As most memory does; and asking libmagic costs more than all else about a small file. */
static bool begins_with_zeros(const uint8_t *head, size_t nbytes)
{
    static const uint8_t zeros[512];
    return memcmp(head, zeros, nbytes < sizeof zeros ? nbytes : sizeof zeros) == 0;
}

static const char *name_of(const char *mime)
{
    for (size_t i = 0; i < sizeof believed / sizeof believed[0]; i++) {
        if (strcmp(mime, believed[i].mime) == 0)
            return believed[i].name;
    }
    return NULL;
}

/* Sources of one set often begin alike: what was asked last is not asked again. */
const char *ds_foreign_name(const uint8_t *head, size_t nbytes)
{
    static uint8_t asked[DS_PAGE_SIZE];
    static size_t asked_nbytes;
    static const char *name;
    if (begins_with_zeros(head, nbytes))
        return NULL;
    size_t page_nbytes = nbytes < sizeof asked ? nbytes : sizeof asked;
    pthread_mutex_lock(&mutex);
    if (page_nbytes != asked_nbytes || memcmp(head, asked, page_nbytes) != 0) {
        name = name_of(mime_of(head, nbytes));
        memcpy(asked, head, page_nbytes);
        asked_nbytes = page_nbytes;
    }
    const char *found = name;
    pthread_mutex_unlock(&mutex);
    return found;
}
#else
const char *ds_foreign_name(const uint8_t *head, size_t nbytes)
{
    (void)head;
    (void)nbytes;
    return NULL;
}
#endif
