/* SPDX-License-Identifier: MIT */
/* Reads the three things that matter from a flattened device tree (specification 0.4, chapter 5):
 * where memory ends, where the tree lies, and the kernel's command line. */
#include "kernel.h"

enum { BEGIN_NODE = 1, END_NODE = 2, PROP = 3, NOP = 4, MAGIC = (int)0xd00dfeed };

static uint32_t big(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static bool starts(const char *text, const char *with)
{
    while (*with)
        if (*text++ != *with++)
            return false;
    return true;
}

static size_t length(const char *text)
{
    size_t nbytes = 0;
    while (text[nbytes])
        nbytes++;
    return nbytes;
}

static void property(struct boot *boot, const char *node, const char *name, const uint8_t *value,
                     uint32_t nbytes)
{
    if (starts(node, "memory") && starts(name, "reg") && nbytes >= 16)
        boot->ram_end = ((uint64_t)big(value) << 32 | big(value + 4)) +
                        ((uint64_t)big(value + 8) << 32 | big(value + 12));
    if (starts(node, "chosen") && starts(name, "bootargs"))
        memcpy(boot->append, value, nbytes < sizeof boot->append ? nbytes : sizeof boot->append);
    boot->append[sizeof boot->append - 1] = 0;
}

bool boot_read(const void *fdt, struct boot *to)
{
    const uint8_t *base = fdt, *at = base + big(base + 8);
    const char *names = (const char *)base + big(base + 12), *node = "";
    if (big(base) != (uint32_t)MAGIC)
        return false;
    to->fdt = (uint64_t)fdt;
    for (;;) {
        uint32_t token = big(at);
        at += 4;
        if (token == BEGIN_NODE) {
            node = (const char *)at;
            at += (length(node) + 4) & ~(size_t)3;
        } else if (token == PROP) {
            uint32_t nbytes = big(at);
            property(to, node, names + big(at + 4), at + 8, nbytes);
            at += 8 + ((nbytes + 3) & ~3u);
        } else if (token != END_NODE && token != NOP) {
            return to->ram_end != 0;
        }
    }
}

static const char *value_of(const struct boot *from, const char *name)
{
    size_t nbytes = length(name);
    for (const char *at = from->append; *at; at++)
        if ((at == from->append || at[-1] == ' ') && starts(at, name) && at[nbytes] == '=')
            return at + nbytes + 1;
    return NULL;
}

uint64_t boot_number(const struct boot *from, const char *name, uint64_t otherwise)
{
    const char *at = value_of(from, name);
    uint64_t value = 0;
    if (!at || *at < '0' || *at > '9')
        return otherwise;
    for (; *at >= '0' && *at <= '9'; at++)
        value = value * 10 + (uint64_t)(*at - '0');
    return value;
}

bool boot_is(const struct boot *from, const char *name, const char *value)
{
    const char *at = value_of(from, name);
    return at && starts(at, value) && (at[length(value)] == 0 || at[length(value)] == ' ');
}
