/* SPDX-License-Identifier: MIT */
/* Linux KSM: its settings, a mapping for it, ksmd's progress and cost. */
#include "ksm.h"
#include "kernel_file.h"
#include "restore.h"
#include "shim/bench.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define SYSFS         "/sys/kernel/mm/ksm/"
#define SCANS_IN_VAIN 4
#define PFN_MASK      ((UINT64_C(1) << 55) - 1) /* of a pagemap entry */
#define PRESENT       (UINT64_C(1) << 63)

/* ------------------------------------------------------------------------------- settings -- */

/* `run` is both the first and the last: ksmd stands while the others change, and on the way back it
 * first unmerges what is left, and forgets what has gone. */
enum { RUN, NICE, SMART_SCAN, UNMERGE = 9, SETTINGS };
static struct restore_setting settings[SETTINGS] = {
    [RUN] = {.name = "run", .path = SYSFS "run", .used = "0"},
    [NICE] = {.name = "ksmd's nice"},
    [SMART_SCAN] = {.name = "smart_scan", .path = SYSFS "smart_scan"},
    {.name = "advisor_mode", .path = SYSFS "advisor_mode", .used = "none"},
    {.name = "pages_to_scan", .path = SYSFS "pages_to_scan", .used = "1000000000"},
    {.name = "sleep_millisecs", .path = SYSFS "sleep_millisecs", .used = "0"},
    {.name = "use_zero_pages", .path = SYSFS "use_zero_pages", .used = "0"},
    {.name = "max_page_sharing", .path = SYSFS "max_page_sharing"},
    {.name = "merge_across_nodes", .path = SYSFS "merge_across_nodes"},
    [UNMERGE] = {.path = SYSFS "run", .value = "2"}};
static struct restore restore = {RESTORE_KSM, "KSM's settings in the comparison", settings,
                                 SETTINGS};

static bool begun;
static bool shown[2]; /* by smart_scan */

static uint64_t read_counter(const char *name)
{
    char path[64];
    snprintf(path, sizeof path, SYSFS "%s", name);
    return kernel_file_number(path);
}

static long find_ksmd(void)
{
    long found = 0;
    DIR *proc = opendir("/proc");
    for (struct dirent *entry; proc && !found && (entry = readdir(proc));) {
        char path[300], name[32];
        snprintf(path, sizeof path, "/proc/%s/comm", entry->d_name);
        if (kernel_file_read(path, name, sizeof name) && strcmp(name, "ksmd\n") == 0)
            found = strtol(entry->d_name, NULL, 10);
    }
    if (proc)
        closedir(proc);
    return found;
}

const char *ksm_refusal(void)
{
    if (access(SYSFS "run", F_OK) != 0)
        return "the kernel has no KSM";
    if (geteuid() != 0)
        return "only root may set KSM";
    if (read_counter("run") == 1 || read_counter("pages_shared"))
        return "KSM is in use on this machine";
    for (int i = 0; i < SETTINGS; i++)
        if (settings[i].path && (settings[i].used[0] || i == SMART_SCAN) &&
            access(settings[i].path, W_OK) != 0)
            return "this kernel's KSM is too old (no advisor or smart_scan)";
    return NULL;
}

bool ksm_begin(bool smart_scan)
{
    if (begun)
        return false;
    settings[NICE].pid = find_ksmd();
    snprintf(settings[NICE].used, sizeof settings[NICE].used, "%d", getpriority(PRIO_PROCESS, 0));
    snprintf(settings[SMART_SCAN].used, sizeof settings[SMART_SCAN].used, "%d", smart_scan);
    begun = settings[NICE].pid && restore_change(&restore);
    return begun;
}

void ksm_end(void)
{
    if (begun)
        restore_put_back(&restore);
    begun = false;
}

static bool set_run(const char *value)
{
    return kernel_file_write(settings[RUN].path, value);
}

/* Once for smart_scan off and once for on, while ksmd runs. */
static void show_settings(void)
{
    bool smart_scan = settings[SMART_SCAN].used[0] == '1';
    if (!shown[smart_scan])
        restore_show(&restore);
    shown[smart_scan] = true;
}

/* ----------------------------------------------------------------------------------- area -- */

bool ksm_area_map(struct ksm_area *area, const struct pages *pages)
{
    size_t nbytes = pages->count * SHARE_PAGE_SIZE;
    area->count = pages->count;
    area->bytes = mmap(NULL, nbytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (area->bytes == MAP_FAILED)
        return false;
    madvise(area->bytes, nbytes, MADV_NOHUGEPAGE);
    memcpy(area->bytes, pages->bytes, nbytes);
    if (madvise(area->bytes, nbytes, MADV_MERGEABLE) == 0)
        return true;
    ksm_area_unmap(area);
    return false;
}

void ksm_area_unmap(struct ksm_area *area)
{
    munmap(area->bytes, area->count * SHARE_PAGE_SIZE);
    area->bytes = NULL;
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static uint64_t count_distinct(uint64_t *numbers, uint64_t count)
{
    uint64_t distinct = count > 0;
    qsort(numbers, count, sizeof *numbers, by_number);
    for (uint64_t i = 1; i < count; i++)
        distinct += numbers[i] != numbers[i - 1];
    return distinct;
}

/* From entries of pagemap to page frame numbers. False if one is not told: the page is not in
 * memory, or the reader may not know. */
static bool keep_frames(uint64_t *entries, uint64_t count)
{
    bool told = true;
    for (uint64_t i = 0; i < count; i++) {
        told = told && (entries[i] & PRESENT) && (entries[i] & PFN_MASK);
        entries[i] &= PFN_MASK;
    }
    return told;
}

uint64_t ksm_area_frames(const struct ksm_area *area)
{
    size_t nbytes = area->count * sizeof(uint64_t);
    uint64_t *entries = malloc(nbytes), frames = UINT64_MAX;
    int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    off_t at = (off_t)((uintptr_t)area->bytes / SHARE_PAGE_SIZE * sizeof(uint64_t));
    if (entries && fd >= 0 && pread(fd, entries, nbytes, at) == (ssize_t)nbytes &&
        keep_frames(entries, area->count))
        frames = count_distinct(entries, area->count);
    if (fd >= 0)
        close(fd);
    free(entries);
    return frames;
}

/* ----------------------------------------------------------------------------------- ksmd -- */

/* schedstat begins with the nanoseconds on a processor. */
static double cpu_now_s(void)
{
    char path[64], text[128];
    snprintf(path, sizeof path, "/proc/%ld/schedstat", settings[NICE].pid);
    return kernel_file_read(path, text, sizeof text) ? (double)strtoull(text, NULL, 10) * 1e-9 : -1;
}

/* A figure of this process's line "name value" in ksm_stat. */
static long long own_figure(const char *name)
{
    char text[512];
    const char *at = NULL;
    if (kernel_file_read("/proc/self/ksm_stat", text, sizeof text))
        at = strstr(text, name);
    return at ? strtoll(at + strlen(name), NULL, 10) : 0;
}

uint64_t ksm_metadata_bytes(void)
{
    /* profit = merged pages * 4096 - rmap_items * their size */
    long long items = own_figure("ksm_rmap_items "), merged = own_figure("ksm_merging_pages ");
    long long held = merged * SHARE_PAGE_SIZE - own_figure("ksm_process_profit ");
    return items && held > 0 ? (uint64_t)held + 64 * read_counter("pages_shared") : 0;
}

uint64_t ksm_sharing_max(void)
{
    return read_counter("max_page_sharing");
}

/* Polls until a counter has reached its goal, or scans pass in which it does not rise. Seconds
 * until it rose last, and what ksmd had used by then. */
static double wait_for(const char *counter, uint64_t goal, double *cpu_s)
{
    double start = bench_now_s(), last = start;
    uint64_t best = read_counter(counter), scans = read_counter("full_scans");
    while (best < goal && read_counter("full_scans") <= scans + SCANS_IN_VAIN) {
        usleep(2000);
        uint64_t now = read_counter(counter);
        if (now > best) {
            best = now;
            scans = read_counter("full_scans");
            last = bench_now_s();
            *cpu_s = cpu_now_s();
        }
    }
    return last - start;
}

double ksm_share(uint64_t copies, double *cpu_s)
{
    double start = cpu_now_s(), end = start;
    if (!set_run("1"))
        return -1;
    double seconds = wait_for("pages_sharing", copies, &end);
    show_settings();
    set_run("0");
    *cpu_s = end - start;
    return start >= 0 ? seconds : -1;
}

/* ksmd stops at the end of a scan only, so scans are whole ones. */
double ksm_scan_cpu_s(unsigned scans)
{
    uint64_t first = read_counter("full_scans");
    double start = cpu_now_s(), end;
    if (!set_run("1"))
        return -1;
    wait_for("full_scans", first + scans, &end);
    set_run("0"); /* returns at the end of a scan */
    end = cpu_now_s();
    uint64_t done = read_counter("full_scans") - first;
    return done && start >= 0 && end >= 0 ? (end - start) / (double)done : -1;
}
