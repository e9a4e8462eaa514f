/* SPDX-License-Identifier: MIT */
/* A page of a kdump-compressed dump: each library that packs them, where it is there. */
#include "kdump_page.h"
#include "lzo.h"

#include <string.h>
#include <zstd.h>
#ifdef DS_WITH_ZLIB
#include <zlib.h>
#endif
#ifdef DS_WITH_SNAPPY
#include <snappy-c.h>
#endif

/* DUMP_DH_COMPRESSED_* of makedumpfile's diskdump_mod.h. */
enum { PLAIN = 0, ZLIB = 1, LZO = 2, SNAPPY = 4, ZSTD = 0x20 };

static const char corrupt[] = "a page that is corrupt";

static const char *unpack_zlib(const uint8_t *packed, size_t packed_nbytes, uint8_t *to,
                               size_t nbytes)
{
#ifdef DS_WITH_ZLIB
    uLongf got = nbytes;
    int result = uncompress(to, &got, packed, packed_nbytes);
    return result == Z_OK && got == nbytes ? NULL : corrupt;
#else
    (void)packed, (void)packed_nbytes, (void)to, (void)nbytes;
    return "one packed by zlib, built without zlib";
#endif
}

static const char *unpack_snappy(const uint8_t *packed, size_t packed_nbytes, uint8_t *to,
                                 size_t nbytes)
{
#ifdef DS_WITH_SNAPPY
    size_t got = nbytes;
    snappy_status result = snappy_uncompress((const char *)packed, packed_nbytes, (char *)to, &got);
    return result == SNAPPY_OK && got == nbytes ? NULL : corrupt;
#else
    (void)packed, (void)packed_nbytes, (void)to, (void)nbytes;
    return "one packed by snappy, built without libsnappy";
#endif
}

const char *ds_kdump_unpack(uint32_t flags, const uint8_t *packed, size_t packed_nbytes,
                            uint8_t *to, size_t nbytes)
{
    switch (flags) {
    case PLAIN:
        if (packed_nbytes != nbytes)
            return "one of another size";
        memcpy(to, packed, nbytes);
        return NULL;
    case ZLIB:
        return unpack_zlib(packed, packed_nbytes, to, nbytes);
    case LZO:
        return ds_lzo_unpack(packed, packed_nbytes, to, nbytes) ? NULL : corrupt;
    case SNAPPY:
        return unpack_snappy(packed, packed_nbytes, to, nbytes);
    case ZSTD:
        return ZSTD_decompress(to, nbytes, packed, packed_nbytes) == nbytes ? NULL : corrupt;
    default:
        return "one packed in an unknown way";
    }
}
