/* SPDX-License-Identifier: MIT */
/* Linux KSM: settings kept and restored, ksmd's progress and cost. */
#include "ksm.h"
#include "shim/bench.h"
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define SYSFS         "/sys/kernel/mm/ksm/"
#define SCANS_IN_VAIN 4
#define PFN_MASK      ((UINT64_C(1) << 55) - 1) /* of a pagemap entry */

/* ------------------------------------------------------------------------------- settings -- */

/* `run` comes first: ksmd stands while the others change, and is the last to be put back. */
static struct {
    const char *name;
    char saved[64];
} settings[] = {{"run", ""},
                {"advisor_mode", ""},
                {"pages_to_scan", ""},
                {"sleep_millisecs", ""},
                {"use_zero_pages", ""},
                {"smart_scan", ""}};
enum { SETTINGS = sizeof settings / sizeof *settings };

static volatile sig_atomic_t begun;
static long ksmd; /* its process number; 0: not looked for yet */
static int nice_saved;

static bool write_setting(const char *name, const char *value) /* async-signal-safe */
{
    char path[64] = SYSFS;
    size_t at = sizeof SYSFS - 1, nbytes = strlen(value);
    for (; *name && at < sizeof path - 1; name++)
        path[at++] = *name;
    path[at] = 0;
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool ok = fd >= 0 && write(fd, value, nbytes) == (ssize_t)nbytes;
    if (fd >= 0)
        close(fd);
    return ok;
}

static bool read_text(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, size - 1);
    if (fd >= 0)
        close(fd);
    text[got > 0 ? got : 0] = 0;
    return got > 0;
}

static bool read_setting(const char *name, char *text, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, SYSFS "%s", name);
    return read_text(path, text, size);
}

static uint64_t read_counter(const char *name)
{
    char text[64];
    return read_setting(name, text, sizeof text) ? strtoull(text, NULL, 10) : 0;
}

/* "[none] scan-time" says that none is chosen. */
static void keep_choice(char *text)
{
    char *open = strchr(text, '['), *close = strchr(text, ']');
    if (open && close) {
        *close = 0;
        memmove(text, open + 1, strlen(open + 1) + 1);
    }
}

static long find_ksmd(void)
{
    long found = 0;
    DIR *proc = opendir("/proc");
    for (struct dirent *entry; proc && !found && (entry = readdir(proc));) {
        char path[300], name[32];
        snprintf(path, sizeof path, "/proc/%s/comm", entry->d_name);
        if (read_text(path, name, sizeof name) && strcmp(name, "ksmd\n") == 0)
            found = strtol(entry->d_name, NULL, 10);
    }
    if (proc)
        closedir(proc);
    return found;
}

void ksm_end(void)
{
    if (!begun)
        return;
    write_setting("run", "2"); /* unmerges what is left, and forgets what has gone */
    for (int i = SETTINGS; i-- > 0;)
        write_setting(settings[i].name, settings[i].saved);
    setpriority(PRIO_PROCESS, (id_t)ksmd, nice_saved);
    begun = 0;
}

static void end_by_signal(int number)
{
    ksm_end();
    signal(number, SIG_DFL);
    raise(number);
}

const char *ksm_refusal(void)
{
    char text[64];
    if (!read_setting("run", text, sizeof text))
        return "the kernel has no KSM";
    if (geteuid() != 0)
        return "only root may set KSM";
    if (strtol(text, NULL, 10) == 1 || read_counter("pages_shared"))
        return "KSM is in use on this machine";
    for (int i = 0; i < SETTINGS; i++)
        if (!read_setting(settings[i].name, text, sizeof text))
            return "this kernel's KSM is too old (no advisor or smart_scan)";
    return NULL;
}

bool ksm_begin(bool smart_scan)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGABRT, SIGSEGV, SIGBUS};
    static bool registered;
    for (int i = 0; i < SETTINGS; i++) {
        if (!read_setting(settings[i].name, settings[i].saved, sizeof settings[i].saved))
            return false;
        keep_choice(settings[i].saved);
    }
    if (!registered) {
        for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
            signal(signals[i], end_by_signal);
        registered = atexit(ksm_end) == 0;
    }
    ksmd = find_ksmd();
    nice_saved = getpriority(PRIO_PROCESS, (id_t)ksmd);
    begun = 1;
    return ksmd && setpriority(PRIO_PROCESS, (id_t)ksmd, getpriority(PRIO_PROCESS, 0)) == 0 &&
           write_setting("run", "0") && write_setting("advisor_mode", "none") &&
           write_setting("pages_to_scan", "1000000000") && write_setting("sleep_millisecs", "0") &&
           write_setting("use_zero_pages", "0") &&
           write_setting("smart_scan", smart_scan ? "1" : "0");
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

uint64_t ksm_area_frames(const struct ksm_area *area)
{
    size_t nbytes = area->count * sizeof(uint64_t);
    uint64_t *pfn = malloc(nbytes), frames = UINT64_MAX;
    int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    off_t at = (off_t)((uintptr_t)area->bytes / SHARE_PAGE_SIZE * sizeof(uint64_t));
    if (pfn && fd >= 0 && pread(fd, pfn, nbytes, at) == (ssize_t)nbytes) {
        for (uint64_t i = 0; i < area->count; i++)
            pfn[i] &= PFN_MASK;
        qsort(pfn, area->count, sizeof *pfn, by_number);
        frames = area->count > 0;
        for (uint64_t i = 1; i < area->count; i++)
            frames += pfn[i] != pfn[i - 1];
    }
    if (fd >= 0)
        close(fd);
    free(pfn);
    return frames;
}

/* ----------------------------------------------------------------------------------- ksmd -- */

/* schedstat begins with the nanoseconds on a processor. */
static double cpu_now_s(void)
{
    char path[64], text[128];
    snprintf(path, sizeof path, "/proc/%ld/schedstat", ksmd);
    return read_text(path, text, sizeof text) ? (double)strtoull(text, NULL, 10) * 1e-9 : -1;
}

/* A figure of this process's line "name value" in ksm_stat. */
static long long own_figure(const char *name)
{
    char text[512];
    const char *at = NULL;
    if (read_text("/proc/self/ksm_stat", text, sizeof text))
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

const char *ksm_settings_text(void)
{
    return "run 1, advisor_mode none, pages_to_scan 1000000000, sleep_millisecs 0, "
           "use_zero_pages 0, ksmd as nice as the benchmark";
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
    if (!write_setting("run", "1"))
        return -1;
    double seconds = wait_for("pages_sharing", copies, &end);
    write_setting("run", "0");
    *cpu_s = end - start;
    return start >= 0 ? seconds : -1;
}

/* ksmd stops at the end of a scan only, so scans are whole ones. */
double ksm_scan_cpu_s(unsigned scans)
{
    uint64_t first = read_counter("full_scans");
    double start = cpu_now_s(), end;
    if (!write_setting("run", "1"))
        return -1;
    wait_for("full_scans", first + scans, &end);
    write_setting("run", "0"); /* returns at the end of a scan */
    end = cpu_now_s();
    uint64_t done = read_counter("full_scans") - first;
    return done && start >= 0 && end >= 0 ? (end - start) / (double)done : -1;
}
