/* SPDX-License-Identifier: MIT */
/* Counters by perf_event_open. */
#include "perf.h"
#include <errno.h>
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LL_READ_MISSES                                                     \
    (PERF_COUNT_HW_CACHE_LL | (uint64_t)PERF_COUNT_HW_CACHE_OP_READ << 8 | \
     (uint64_t)PERF_COUNT_HW_CACHE_RESULT_MISS << 16)
#define DTLB_READ_MISSES                                                     \
    (PERF_COUNT_HW_CACHE_DTLB | (uint64_t)PERF_COUNT_HW_CACHE_OP_READ << 8 | \
     (uint64_t)PERF_COUNT_HW_CACHE_RESULT_MISS << 16)

struct event {
    const char *name;
    uint32_t type;
    uint64_t config;
    bool instead; /* only where the one before is missing */
};

static const struct event hardware[] = {
    {"cycles", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES, false},
    {"instructions", PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS, false},
    {"llc_misses", PERF_TYPE_HW_CACHE, LL_READ_MISSES, false},
    {"cache_misses", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_MISSES, true},
    {"dtlb_misses", PERF_TYPE_HW_CACHE, DTLB_READ_MISSES, false},
};

static const struct event software[] = {
    {"task_clock_ns", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_TASK_CLOCK, false},
    {"page_faults", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS, false},
    {"context_switches", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CONTEXT_SWITCHES, false},
};

static int open_event(const struct event *event, bool user_only)
{
    struct perf_event_attr attr = {
        .size = sizeof attr,
        .type = event->type,
        .config = event->config,
        .read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING,
        .disabled = 1,
        .exclude_kernel = user_only,
        .exclude_hv = user_only,
    };
    return (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

static void open_all(struct perf *perf, const struct event *events, unsigned count)
{
    bool missing = true;
    for (unsigned i = 0; i < count; i++) {
        if (events[i].instead && !missing)
            continue;
        bool user_only = events[i].type != PERF_TYPE_SOFTWARE; /* the kernel switches contexts */
        int fd = open_event(&events[i], user_only);
        if (fd < 0 && !user_only && (errno == EACCES || errno == EPERM))
            fd = open_event(&events[i], true);
        missing = fd < 0;
        if (missing)
            continue;
        perf->name[perf->count] = events[i].name;
        perf->fd[perf->count++] = fd;
    }
}

/* A virtual machine may promise counters that stand still. */
static bool counts(struct perf *perf)
{
    struct perf_reading sums[PERF_EVENTS_MAX] = {{0, 0, 0}};
    perf_start(perf);
    for (volatile unsigned i = 0; i < 10000; i++)
        continue;
    perf_stop(perf, sums);
    return perf->count && perf_value(&sums[0]) > 0;
}

void perf_open(struct perf *perf)
{
    *perf = (struct perf){.kind = "hardware"};
    open_all(perf, hardware, sizeof hardware / sizeof *hardware);
    if (counts(perf))
        return;
    perf_close(perf);
    *perf = (struct perf){.kind = "software"};
    open_all(perf, software, sizeof software / sizeof *software);
    if (!perf->count)
        perf->kind = "none";
}

void perf_close(struct perf *perf)
{
    for (unsigned i = 0; i < perf->count; i++)
        close(perf->fd[i]);
    perf->count = 0;
}

static struct perf_reading read_event(int fd)
{
    struct perf_reading reading;
    bool whole = read(fd, &reading, sizeof reading) == (ssize_t)sizeof reading;
    return whole ? reading : (struct perf_reading){0};
}

/* Not by prctl, which would start and stop what others have opened in this thread. */
void perf_start(struct perf *perf)
{
    for (unsigned i = 0; i < perf->count; i++)
        perf->start[i] = read_event(perf->fd[i]);
    for (unsigned i = 0; i < perf->count; i++)
        ioctl(perf->fd[i], PERF_EVENT_IOC_ENABLE, 0);
}

void perf_stop(struct perf *perf, struct perf_reading sums[PERF_EVENTS_MAX])
{
    for (unsigned i = 0; i < perf->count; i++)
        ioctl(perf->fd[i], PERF_EVENT_IOC_DISABLE, 0);
    for (unsigned i = 0; i < perf->count; i++) {
        struct perf_reading start = perf->start[i], end = read_event(perf->fd[i]);
        sums[i].value += end.value - start.value;
        sums[i].enabled_ns += end.enabled_ns - start.enabled_ns;
        sums[i].running_ns += end.running_ns - start.running_ns;
    }
}

double perf_value(const struct perf_reading *sum)
{
    double running = (double)sum->running_ns;
    return running > 0 ? (double)sum->value * ((double)sum->enabled_ns / running) : -1;
}
