/* SPDX-License-Identifier: MIT */
/*
 * The live private memory of a running process, each page copied once.
 *
 * First a plan, from the page tables alone: which pages are the process's own, and how many they
 * are. Then the copy, into memory of exactly that size, each batch of pages followed by a second
 * look at its page tables: a page that went away while it was copied is absent, one that a fork
 * came to share is the kernel's. Unless frozen, the process runs on meanwhile, so that its pages
 * are of slightly different moments, and pages that it gets after the plan are not seen.
 */
#include "pid.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool parse_pid(struct ds_source *source, pid_t *pid)
{
    const char *text = source->spec + strlen("pid:");
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 || value < 1 || value > INT32_MAX)
        return ds_fail(source,
                       "expected pid:N with a process number, found \"%.64s\" "
                       "(a file of that name is ./pid:...)",
                       text);
    *pid = (pid_t)value;
    return true;
}

static bool fail_to_open(struct ds_source *source, const char *what, int reason)
{
    if (reason == EACCES || reason == EPERM)
        return ds_fail(source,
                       "not permitted to read its %s (root, or the same user with ptrace "
                       "allowed, may)",
                       what);
    if (reason == ENOENT || reason == ESRCH)
        return ds_fail(source,
                       "expected a process with memory, found one that has exited or is a "
                       "kernel thread");
    return ds_fail(source, "cannot open its %s: %s", what, strerror(reason));
}

static bool open_process(struct ds_process *process)
{
    struct ds_source *source = process->source;
    char path[32];
    snprintf(path, sizeof path, "/proc/%d", (int)process->pid);
    process->dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (process->dir_fd < 0)
        return ds_fail(source, "%s", errno == ENOENT ? "no such process" : strerror(errno));
    process->pagemap_fd = openat(process->dir_fd, "pagemap", O_RDONLY | O_CLOEXEC);
    if (process->pagemap_fd < 0)
        return fail_to_open(source, "page tables", errno);
    process->mem_fd = openat(process->dir_fd, "mem", O_RDONLY | O_CLOEXEC);
    if (process->mem_fd < 0)
        return fail_to_open(source, "memory", errno);
    return true;
}

/* The pagemap belongs to the memory that the process had when it was opened, and reads as empty
 * once that is gone. */
bool ds_pagemap_read(struct ds_process *process, uint64_t first, size_t pages, uint64_t *entry)
{
    size_t want = pages * sizeof *entry;
    size_t got = 0;
    while (got < want) {
        ssize_t some = pread(process->pagemap_fd, (uint8_t *)entry + got, want - got,
                             (off_t)(first * sizeof *entry + got));
        if (some < 0 && errno == EINTR)
            continue;
        if (some < 0)
            return ds_fail(process->source, "cannot read its page tables: %s", strerror(errno));
        if (some == 0)
            return ds_fail(process->source,
                           "exited (or executed another program) while it was read, after %llu of "
                           "%llu pages",
                           (unsigned long long)process->copied_pages,
                           (unsigned long long)process->planned_pages);
        got += (size_t)some;
    }
    return true;
}

static bool read_memory(struct ds_process *process)
{
    uint64_t entry;
    if (!ds_maps_read(process))
        return false;
    /* The last look tells an ended process, all of whose pages are absent, from an empty one. */
    return ds_plan(process) && ds_copy(process) && ds_pagemap_read(process, 0, 1, &entry);
}

bool ds_pid_read(struct ds_source *source)
{
    struct ds_process process = {.source = source, .dir_fd = -1, .mem_fd = -1, .pagemap_fd = -1};
    struct ds_freezer freezer = {0};
    snprintf(source->format, sizeof source->format, "pid");
    bool ok = parse_pid(source, &process.pid) && open_process(&process);
    if (ok && source->options.freeze)
        ok = ds_freeze(&process, &freezer);
    if (ok)
        ok = read_memory(&process);
    ds_thaw(&freezer);
    free(process.vma);
    if (process.mem_fd >= 0)
        close(process.mem_fd);
    if (process.pagemap_fd >= 0)
        close(process.pagemap_fd);
    if (process.dir_fd >= 0)
        close(process.dir_fd);
    return ok;
}
