/* SPDX-License-Identifier: MIT */
/*
 * See memory.h. Of a group: its limit, less what is used, but for cached pages of files, which give
 * way. A container may see its own group as the root of the hierarchy, while /proc names it by its
 * place outside: folders that are not there say nothing, and the root is always asked.
 */
#include "memory.h"
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define PATH_NBYTES 4096

/* Where a version keeps things. */
struct version {
    const char *controller; /* in /proc/self/cgroup: between the colons; "": v2 */
    const char *mounts[3];  /* the usual ones, NULL behind the last */
    const char *limit, *usage;
    const char *cached[2]; /* names in memory.stat */
};

static const struct version versions[] = {
    {"memory",
     {"/sys/fs/cgroup/memory", NULL},
     "memory.limit_in_bytes",
     "memory.usage_in_bytes",
     {"total_inactive_file ", "total_active_file "}},
    {"",
     {"/sys/fs/cgroup", "/sys/fs/cgroup/unified", NULL},
     "memory.max",
     "memory.current",
     {"inactive_file ", "active_file "}},
};

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The number behind `name` at the start of a line; the first one if the name is "". */
static bool read_number(const char *path, const char *name, uint64_t *value)
{
    char line[256];
    bool found = false;
    FILE *file = fopen(path, "re");
    while (file && !found && fgets(line, sizeof line, file))
        found = strncmp(line, name, strlen(name)) == 0 &&
                sscanf(line + strlen(name), "%" SCNu64, value) == 1; /* "max" is none */
    if (file)
        fclose(file);
    return found;
}

static bool read_in(const char *folder, const char *file, const char *name, uint64_t *value)
{
    char path[PATH_NBYTES + 64];
    snprintf(path, sizeof path, "%s/%s", folder, file);
    return read_number(path, name, value);
}

/* What one group leaves. */
static uint64_t left_in(const struct version *version, const char *folder)
{
    uint64_t limit, usage, cached = 0, some;
    if (!read_in(folder, version->limit, "", &limit) ||
        !read_in(folder, version->usage, "", &usage))
        return UINT64_MAX;
    for (unsigned i = 0; i < 2; i++)
        if (read_in(folder, "memory.stat", version->cached[i], &some))
            cached += some;
    usage = usage > cached ? usage - cached : 0;
    return limit > usage ? limit - usage : 0;
}

/* Of the group at mount/path and all above it, up to the mount. */
static uint64_t left_up_from(const struct version *version, const char *root, const char *mount,
                             const char *path)
{
    char folder[PATH_NBYTES];
    uint64_t left = UINT64_MAX;
    size_t top = (size_t)snprintf(folder, sizeof folder, "%s%s", root, mount);
    if (top >= sizeof folder)
        return left;
    snprintf(folder + top, sizeof folder - top, "%s", path);
    for (;;) {
        left = least(left, left_in(version, folder));
        char *slash = strrchr(folder + top, '/');
        if (!slash)
            return left;
        *slash = 0;
    }
}

/* "5:cpu,memory:/path" */
static bool is_of(const struct version *version, const char *controllers)
{
    size_t nbytes = strlen(version->controller);
    for (const char *at = controllers; *at; at += strspn(at, ",")) {
        size_t word = strcspn(at, ",");
        if (word == nbytes && strncmp(at, version->controller, word) == 0)
            return true;
        at += word;
    }
    return !*controllers && !nbytes;
}

static uint64_t left_by_line(const char *root, char *line)
{
    uint64_t left = UINT64_MAX;
    char *controllers = strchr(line, ':');
    char *path = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!path)
        return left;
    *controllers++ = 0;
    *path++ = 0;
    path[strcspn(path, "\n")] = 0;
    for (size_t v = 0; v < sizeof versions / sizeof *versions; v++)
        for (const char *const *mount = versions[v].mounts; *mount; mount++)
            if (is_of(&versions[v], controllers))
                left = least(left, left_up_from(&versions[v], root, *mount, path));
    return left;
}

uint64_t memory_available(const char *root)
{
    char path[PATH_NBYTES], line[PATH_NBYTES];
    uint64_t available = UINT64_MAX, kib;
    snprintf(path, sizeof path, "%s/proc/meminfo", root);
    if (read_number(path, "MemAvailable:", &kib))
        available = kib << 10;
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file))
        available = least(available, left_by_line(root, line));
    if (file)
        fclose(file);
    return available;
}
