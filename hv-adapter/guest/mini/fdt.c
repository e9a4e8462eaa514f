/* SPDX-License-Identifier: MIT */
/* Reads the three things that matter from a flattened device tree (specification 0.4, chapter 5):
 * where memory ends, where the tree lies, and the kernel's command line. A tree that lies is none:
 * no byte outside it is read. */
#include "kernel.h"

enum { BEGIN_NODE = 1, END_NODE = 2, PROP = 3, NOP = 4, END = 9, MAGIC = (int)0xd00dfeed };
enum { HEADER_NBYTES = 40, AT_NBYTES = 4, AT_STRUCTURE = 8, AT_STRINGS = 12 }; /* in the header */

struct tree {
    const uint8_t *base;
    uint32_t nbytes;
    uint32_t at; /* next token */
};

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

/* The text at an offset; NULL if it does not end inside the tree. */
static const char *text_at(const struct tree *tree, uint64_t offset)
{
    for (uint64_t end = offset; end < tree->nbytes; end++)
        if (tree->base[end] == 0)
            return (const char *)tree->base + offset;
    return NULL;
}

/* The next nbytes, and what fills them up to a word; NULL if the tree is shorter. */
static const uint8_t *take(struct tree *tree, uint32_t nbytes)
{
    uint64_t filled = ((uint64_t)nbytes + 3) & ~UINT64_C(3);
    const uint8_t *from = tree->base + tree->at;
    if (tree->at > tree->nbytes || filled > tree->nbytes - tree->at)
        return NULL;
    tree->at += (uint32_t)filled;
    return from;
}

static uint64_t number_at(const uint8_t *at)
{
    return (uint64_t)big(at) << 32 | big(at + 4);
}

static void property(struct boot *boot, const char *node, const char *name, const uint8_t *value,
                     uint32_t nbytes)
{
    if (starts(node, "memory") && starts(name, "reg") && nbytes >= 16)
        boot->ram_end = number_at(value) + number_at(value + 8);
    if (starts(node, "chosen") && starts(name, "bootargs"))
        memcpy(boot->append, value, nbytes < sizeof boot->append ? nbytes : sizeof boot->append);
    boot->append[sizeof boot->append - 1] = 0;
}

/* What follows a PROP token; false if that is not all there. */
static bool read_property(struct tree *tree, const char *node, struct boot *to)
{
    const uint8_t *head = take(tree, 8);
    const uint8_t *value = head ? take(tree, big(head)) : NULL;
    const char *name =
        value ? text_at(tree, (uint64_t)big(tree->base + AT_STRINGS) + big(head + 4)) : NULL;
    if (name)
        property(to, node, name, value, big(head));
    return name != NULL;
}

bool boot_read(const void *fdt, uint32_t nbytes_max, struct boot *to)
{
    struct tree tree = {.base = fdt};
    const char *node = "";
    if (nbytes_max < HEADER_NBYTES || big(tree.base) != (uint32_t)MAGIC)
        return false;
    tree.nbytes = big(tree.base + AT_NBYTES);
    tree.at = big(tree.base + AT_STRUCTURE);
    if (tree.nbytes < HEADER_NBYTES || tree.nbytes > nbytes_max)
        return false;
    to->fdt = (uint64_t)fdt;
    for (;;) {
        const uint8_t *token = take(&tree, 4);
        uint32_t what = token ? big(token) : 0;
        if (what == BEGIN_NODE) {
            node = text_at(&tree, tree.at);
            if (!node || !take(&tree, (uint32_t)length(node) + 1))
                return false;
        } else if (what == PROP) {
            if (!read_property(&tree, node, to))
                return false;
        } else if (what != END_NODE && what != NOP) {
            return what == END && to->ram_end != 0;
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

static bool is_digit(char letter)
{
    return letter >= '0' && letter <= '9';
}

static uint64_t digits(const char **at)
{
    uint64_t value = 0;
    for (; is_digit(**at); ++*at)
        value = value * 10 + (uint64_t)(**at - '0');
    return value;
}

uint64_t boot_number(const struct boot *from, const char *name, uint64_t otherwise)
{
    const char *at = value_of(from, name);
    return at && is_digit(*at) ? digits(&at) : otherwise;
}

uint64_t boot_planned_kib(const struct boot *from, uint64_t ms, uint64_t otherwise)
{
    const char *at = value_of(from, "HV_PLAN");
    uint64_t kib = 0;
    if (!at)
        return otherwise;
    while (is_digit(*at)) {
        uint64_t begins = digits(&at);
        at += *at == ':';
        uint64_t value = digits(&at);
        kib = begins <= ms ? value : kib;
        at += *at == ',';
    }
    return kib;
}

bool boot_is(const struct boot *from, const char *name, const char *value)
{
    const char *at = value_of(from, name);
    return at && starts(at, value) && (at[length(value)] == 0 || at[length(value)] == ' ');
}
