/* SPDX-License-Identifier: MIT */
/* What this build can read, for those who wonder why it does not. */
#include "source.h"

#ifdef DS_WITH_ZLIB
#define ZLIB true
#else
#define ZLIB false
#endif
#ifdef DS_WITH_LIBLZMA
#define LIBLZMA true
#else
#define LIBLZMA false
#endif
#ifdef DS_WITH_LIBLZ4
#define LIBLZ4 true
#else
#define LIBLZ4 false
#endif
#ifdef DS_WITH_LIBBZ2
#define LIBBZ2 true
#else
#define LIBBZ2 false
#endif
#ifdef DS_WITH_SNAPPY
#define LIBSNAPPY true
#else
#define LIBSNAPPY false
#endif
#ifdef DS_WITH_LIBMAGIC
#define LIBMAGIC true
#else
#define LIBMAGIC false
#endif

static const struct ds_reader readers[] = {
    {"raw", "", true},
    {"elf", "", true},
    {"qemu", "", true},
    {"libvirt", "", true},
    {"lime", "", true},
    {"avml", "libsnappy", LIBSNAPPY},
    {"kdump", "", true},
    {"kdump pages packed by zlib", "zlib", ZLIB},
    {"kdump pages packed by snappy", "libsnappy", LIBSNAPPY},
    {"pid", "", true},
    {"diff", "", true},
    {"split", "", true},
    {"zstd", "libzstd", true},
    {"gzip", "zlib", ZLIB},
    {"xz", "liblzma", LIBLZMA},
    {"lz4", "liblz4", LIBLZ4},
    {"bzip2", "libbz2", LIBBZ2},
    {"names of foreign files", "libmagic", LIBMAGIC},
};

const struct ds_reader *ds_readers(size_t *count)
{
    *count = sizeof readers / sizeof readers[0];
    return readers;
}
