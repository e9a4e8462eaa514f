/* SPDX-License-Identifier: MIT */
/* The mappings of a process, from /proc/N/maps: "first-end perms offset device inode path". */
#include "pid.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What is left of a line. */
struct text {
    const char *at, *end;
};

static bool take_hex(struct text *text, uint64_t *value)
{
    const char *start = text->at;
    *value = 0;
    for (; text->at < text->end && text->at - start <= 16; text->at++) {
        char c = *text->at;
        unsigned digit;
        if (c >= '0' && c <= '9')
            digit = (unsigned)(c - '0');
        else if (c >= 'a' && c <= 'f')
            digit = (unsigned)(c - 'a' + 10);
        else
            break;
        *value = *value << 4 | digit;
    }
    return text->at > start && text->at - start <= 16;
}

static bool take_char(struct text *text, char c)
{
    if (text->at == text->end || *text->at != c)
        return false;
    text->at++;
    return true;
}

static void skip_spaces(struct text *text)
{
    while (take_char(text, ' ')) {
    }
}

static void skip_field(struct text *text)
{
    skip_spaces(text);
    while (text->at < text->end && *text->at != ' ')
        text->at++;
}

static bool starts_with(const struct text *text, const char *prefix)
{
    size_t nbytes = strlen(prefix);
    return (size_t)(text->end - text->at) >= nbytes && memcmp(text->at, prefix, nbytes) == 0;
}

/* Reading a device's memory could even have effects; the kernel's own pages are nobody's. */
static bool is_foreign(const struct text *path)
{
    static const char *const memory[] = {"/dev/shm/", "/dev/zero", "/dev/hugepages"};
    static const char *const foreign[] = {"/dev/", "anon_inode:", "socket:",    "/[aio]",
                                          "[vvar", "[vdso",       "[vsyscall]", "[uprobes]"};
    for (size_t i = 0; i < sizeof memory / sizeof memory[0]; i++) {
        if (starts_with(path, memory[i]))
            return false;
    }
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++) {
        if (starts_with(path, foreign[i]))
            return true;
    }
    return false;
}

static enum ds_vma_kind kind_of(const char perms[4], const struct text *path)
{
    if (memcmp(perms, "---", 3) == 0 || is_foreign(path))
        return DS_VMA_NONE;
    if (perms[3] == 'p')
        return DS_VMA_PRIVATE;
    return perms[1] == 'w' ? DS_VMA_SHARED : DS_VMA_READ_ONLY;
}

bool ds_maps_parse_line(const char *line, size_t nbytes, struct ds_vma *vma)
{
    struct text text = {line, line + nbytes};
    uint64_t start, end;
    if (!take_hex(&text, &start) || !take_char(&text, '-') || !take_hex(&text, &end) ||
        !take_char(&text, ' ') || text.end - text.at < 4)
        return false;
    const char *perms = text.at;
    if ((start | end) % DS_PAGE_SIZE != 0 || start >= end || (perms[3] != 'p' && perms[3] != 's'))
        return false;
    text.at += 4;
    for (int field = 0; field < 3; field++) /* offset, device, inode */
        skip_field(&text);
    skip_spaces(&text);
    *vma = (struct ds_vma){start / DS_PAGE_SIZE, end / DS_PAGE_SIZE, kind_of(perms, &text)};
    return true;
}

/* All of a file in /proc, whose size is known only by reading it. Owned; NULL with the error. */
static char *read_all(struct ds_process *process, const char *name, size_t *nbytes)
{
    size_t capacity = 1 << 16;
    char *text = malloc(capacity);
    int fd = openat(process->dir_fd, name, O_RDONLY | O_CLOEXEC);
    ssize_t some = -1;
    *nbytes = 0;
    while (text && fd >= 0) {
        some = read(fd, text + *nbytes, capacity - *nbytes);
        if (some < 0 && errno == EINTR)
            continue;
        if (some <= 0)
            break;
        *nbytes += (size_t)some;
        if (*nbytes < capacity)
            continue;
        char *more = realloc(text, capacity *= 2);
        if (!more)
            free(text);
        text = more;
    }
    if (!text)
        ds_fail(process->source, "out of memory for its %s", name);
    else if (fd < 0 || some < 0)
        ds_fail(process->source, "cannot read its %s: %s", name, strerror(errno));
    if (fd >= 0)
        close(fd);
    if (text && (fd < 0 || some < 0)) {
        free(text);
        text = NULL;
    }
    return text;
}

/* While the process runs, a mapping may be merged with the one before it between two reads of
 * the file, and then appears again with the earlier start: only what is new counts. */
static void append(struct ds_process *process, struct ds_vma vma)
{
    uint64_t covered_end = process->vmas > 0 ? process->vma[process->vmas - 1].end : 0;
    if (vma.first < covered_end)
        vma.first = covered_end;
    if (vma.first < vma.end)
        process->vma[process->vmas++] = vma;
}

bool ds_maps_read(struct ds_process *process)
{
    size_t nbytes;
    char *text = read_all(process, "maps", &nbytes);
    if (!text)
        return false;
    size_t lines = 0;
    for (size_t i = 0; i < nbytes; i++)
        lines += text[i] == '\n';
    process->vma = calloc(lines ? lines : 1, sizeof *process->vma);
    bool ok = process->vma ? true : ds_fail(process->source, "out of memory for its maps");
    for (const char *line = text, *end; ok && line < text + nbytes; line = end + 1) {
        struct ds_vma vma;
        end = memchr(line, '\n', (size_t)(text + nbytes - line));
        if (!end)
            break;
        ok = ds_maps_parse_line(line, (size_t)(end - line), &vma);
        if (ok)
            append(process, vma);
        else
            ds_fail_at(process->source, (uint64_t)(line - text),
                       "expected a line of /proc/N/maps, found \"%.*s\"", (int)(end - line), line);
    }
    free(text);
    if (ok && process->vmas == 0)
        ok = ds_fail(process->source,
                     "expected a process with memory, found one that has exited "
                     "or is a kernel thread");
    return ok;
}
