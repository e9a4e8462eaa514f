/* SPDX-License-Identifier: MIT */
/* Figures for people (table, lines) and for programs (JSON). */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "hvrun.h"

uint64_t hvrun_host_rss_bytes(void)
{
    unsigned long long size = 0, resident = 0;
    FILE *stream = fopen("/proc/self/statm", "r");
    if (stream && fscanf(stream, "%llu %llu", &size, &resident) != 2)
        resident = 0;
    if (stream)
        fclose(stream);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

double hvrun_wall_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static const char *state_name(const struct hv_vm *vm)
{
    switch (hv_vm_state(vm)) {
    case HV_RUNNING_VM:
        return hv_vm_is_idle(vm) ? "idle" : "running";
    case HV_STOPPED:
        return "stopped";
    case HV_ENDED:
        return "ended";
    case HV_FAILED:
        return "failed";
    }
    return "unknown";
}

/* VMs' parts are rounded so that they sum to what all have reclaimed. */
static void parts(struct hv_world *world, unsigned i, double *sum, struct hv_figures *figures)
{
    hv_vm_figures(hv_world_vm(world, i), figures);
    double next = *sum + figures->saved_pages;
    figures->reclaimed_pages = (uint64_t)(next + 0.5) - (uint64_t)(*sum + 0.5);
    *sum = next;
}

void hvrun_report_header(FILE *stream)
{
    fprintf(stream, "%-6s %-8s %8s %8s %8s %8s %8s %8s %8s %8s %8s %10s %10s %10s %9s\n", "VM",
            "state", "pages", "touched", "target", "balloon", "shared", "reclaimd", "zero", "code",
            "breaks", "S-PT fills", "PT traps", "hypercalls", "M instr");
}

static void row(FILE *stream, const char *name, const char *state, const struct hv_figures *f)
{
    fprintf(stream,
            "%-6s %-8s %8llu %8llu %8llu %8llu %8llu %8llu %8llu %8llu %8llu %10llu %10llu %10llu "
            "%9.1f\n",
            name, state, (unsigned long long)f->pages, (unsigned long long)f->touched_pages,
            (unsigned long long)f->balloon_target_pages, (unsigned long long)f->balloon_pages,
            (unsigned long long)f->shared_pages, (unsigned long long)f->reclaimed_pages,
            (unsigned long long)f->zero_pages, (unsigned long long)f->code_shared_pages,
            (unsigned long long)f->cow_breaks, (unsigned long long)f->shadow_fills,
            (unsigned long long)f->pt_write_traps, (unsigned long long)f->hypercalls,
            (double)f->instructions / 1e6);
}

static double percent(uint64_t part, uint64_t whole)
{
    return whole ? 100.0 * (double)part / (double)whole : 0;
}

static void summary(FILE *stream, struct hv_world *world, const struct hv_figures *all)
{
    fprintf(stream,
            "%.2f s: %.1f %% shared, %.1f %% reclaimed of %llu touched pages; host RSS %.1f MiB\n",
            (double)hv_world_ticks(world) / (double)HV_TICKS_PER_SECOND,
            percent(all->shared_pages, all->touched_pages),
            percent(all->reclaimed_pages, all->touched_pages),
            (unsigned long long)all->touched_pages, (double)hvrun_host_rss_bytes() / (1 << 20));
}

void hvrun_report_rows(FILE *stream, struct hv_world *world)
{
    struct hv_figures figures;
    double sum = 0;
    char name[16];
    for (unsigned i = 0; i < hv_world_vms(world); i++) {
        parts(world, i, &sum, &figures);
        snprintf(name, sizeof name, "%u", i);
        row(stream, name, state_name(hv_world_vm(world, i)), &figures);
    }
    hv_world_figures(world, &figures);
    row(stream, "total", "", &figures);
    summary(stream, world, &figures);
}

void hvrun_report_lines(FILE *stream, struct hv_world *world)
{
    struct hv_figures f;
    double sum = 0;
    for (unsigned i = 0; i < hv_world_vms(world); i++) {
        parts(world, i, &sum, &f);
        fprintf(stream,
                "VM %u %s: %llu pages, %llu touched, %llu shared, %llu zero; %llu COW breaks, "
                "%llu S-PT fills, %llu PT traps\n",
                i, state_name(hv_world_vm(world, i)), (unsigned long long)f.pages,
                (unsigned long long)f.touched_pages, (unsigned long long)f.shared_pages,
                (unsigned long long)f.zero_pages, (unsigned long long)f.cow_breaks,
                (unsigned long long)f.shadow_fills, (unsigned long long)f.pt_write_traps);
    }
    hvrun_report_line(stream, world);
}

static void put_visible(FILE *stream, unsigned char byte)
{
    if (byte >= 0x80)
        fputs("M-", stream);
    byte &= 0x7f;
    if (byte < 0x20 || byte == 0x7f) {
        fputc('^', stream);
        byte ^= 0x40;
    }
    fputc(byte, stream);
}

void hvrun_report_last_lines(FILE *stream, struct hv_vm *vm)
{
    enum { LINES = 5 };
    const char *text = hv_vm_last_output(vm), *at = text + strlen(text);
    for (unsigned lines = 0; at > text; at--)
        if (at[-1] == '\n' && ++lines > LINES)
            break;
    for (; *at; at++)
        if (*at == '\n' || *at == '\t')
            fputc(*at, stream);
        else if (*at != '\r' || at[1] != '\n')
            put_visible(stream, (unsigned char)*at);
    fputc('\n', stream);
}

void hvrun_report_line(FILE *stream, struct hv_world *world)
{
    struct hv_figures figures;
    hv_world_figures(world, &figures);
    summary(stream, world, &figures);
    fflush(stream);
}

/* The members of an object, one a line; the last line does not end yet. */
static void json_figures(FILE *stream, const char *indent, const struct hv_figures *f)
{
    const struct {
        const char *name;
        uint64_t value;
    } all[] = {
        {"pages", f->pages},
        {"touched_pages", f->touched_pages},
        {"shared_pages", f->shared_pages},
        {"reclaimed_pages", f->reclaimed_pages},
        {"zero_pages", f->zero_pages},
        {"code_shared_pages", f->code_shared_pages},
        {"balloon_target_pages", f->balloon_target_pages},
        {"balloon_pages", f->balloon_pages},
        {"balloon_taken_back", f->balloon_taken_back},
        {"balloon_touches", f->balloon_touches},
        {"swapped_pages", f->swapped_pages},
        {"swapped_out", f->swapped_out},
        {"swapped_in", f->swapped_in},
        {"reported_pages", f->reported_pages},
        {"cow_breaks", f->cow_breaks},
        {"tlb_misses", f->tlb_misses},
        {"shadow_fills", f->shadow_fills},
        {"pt_write_traps", f->pt_write_traps},
        {"instructions", f->instructions},
        {"satp_writes", f->satp_writes},
        {"sfences", f->sfences},
        {"hypercalls", f->hypercalls},
        {"pt_updates", f->pt_updates},
        {"table_pages", f->table_pages},
        {"ticks", f->ticks},
    };
    size_t count = sizeof all / sizeof *all;
    for (size_t i = 0; i < count; i++)
        fprintf(stream, "%s\"%s\": %llu%s", indent, all[i].name, (unsigned long long)all[i].value,
                i + 1 < count ? ",\n" : "");
}

static void json_string(FILE *stream, const char *text)
{
    fputc('"', stream);
    for (; *text; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte == '"' || byte == '\\')
            fputc('\\', stream);
        if (byte < 0x20)
            fprintf(stream, "\\u%04x", byte);
        else
            fputc(byte, stream);
    }
    fputc('"', stream);
}

const struct hvrun_cost hvrun_charges[] = {
    {"tlb_fill", HV_CHARGE_TLB_FILL},
    {"shadow_fill", HV_CHARGE_SHADOW_FILL},
    {"pt_write", HV_CHARGE_PT_WRITE},
    {"first_touch", HV_CHARGE_FIRST_TOUCH},
    {"cow_break", HV_CHARGE_COW_BREAK},
    {"satp_write", HV_CHARGE_SATP_WRITE},
    {"sfence", HV_CHARGE_SFENCE},
    {"ecall", HV_CHARGE_ECALL},
    {"pt_update", HV_CHARGE_PT_UPDATE},
    {"mmio", HV_CHARGE_MMIO},
    {"balloon_page", HV_CHARGE_BALLOON_PAGE},
    {"sample_page", HV_CHARGE_SAMPLE_PAGE},
    {NULL, 0},
};
const struct hvrun_cost hvrun_latencies[] = {
    {"disk", HV_LATENCY_DISK}, {"disk_page", HV_LATENCY_DISK_PAGE}, {NULL, 0}};

static void json_costs(FILE *stream, const char *name, const struct hvrun_cost *costs)
{
    fprintf(stream, "  \"%s\": {", name);
    for (const struct hvrun_cost *cost = costs; cost->name; cost++)
        fprintf(stream, "%s\"%s\": %d", cost == costs ? "" : ", ", cost->name, cost->ticks);
    fprintf(stream, "},\n");
}

/* Without the closing brace. */
static void json_vm(FILE *stream, const struct hv_vm *vm, const struct hv_figures *figures)
{
    struct hv_figures at_end;
    fprintf(stream, "    {\n      \"vm\": %u,\n      \"state\": \"%s\",\n      \"reason\": ",
            hv_vm_index(vm), state_name(vm));
    json_string(stream, hv_vm_reason(vm));
    fprintf(stream, ",\n");
    json_figures(stream, "      ", figures);
    if (hv_vm_state(vm) < HV_ENDED)
        return;
    hv_vm_end_figures(vm, &at_end);
    fprintf(stream, ",\n      \"at_end\": {\n");
    json_figures(stream, "        ", &at_end);
    fprintf(stream, "\n      }");
}

void hvrun_report_json(FILE *stream, struct hv_world *world)
{
    struct hv_figures figures;
    double sum = 0;
    uint64_t guests_ns, scan_ns;
    unsigned count = hv_world_vms(world);
    fprintf(stream, "{\n  \"virtual_seconds\": %.6f,\n",
            (double)hv_world_ticks(world) / (double)HV_TICKS_PER_SECOND);
    json_costs(stream, "charges_ticks", hvrun_charges);
    json_costs(stream, "latencies_ticks", hvrun_latencies);
    fprintf(stream, "  \"vms\": [\n");
    for (unsigned i = 0; i < count; i++) {
        parts(world, i, &sum, &figures);
        json_vm(stream, hv_world_vm(world, i), &figures);
        fprintf(stream, "\n    }%s\n", i + 1 < count ? "," : "");
    }
    hv_world_figures(world, &figures);
    fprintf(stream, "  ],\n  \"total\": {\n");
    json_figures(stream, "    ", &figures);
    hv_world_host_ns(world, &guests_ns, &scan_ns);
    fprintf(stream,
            "\n  },\n  \"host_guests_cpu_seconds\": %.6f,\n  \"host_scan_cpu_seconds\": %.6f,\n"
            "  \"host_rss_bytes\": %llu\n}\n",
            (double)guests_ns / 1e9, (double)scan_ns / 1e9,
            (unsigned long long)hvrun_host_rss_bytes());
}
