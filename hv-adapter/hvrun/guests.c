/* SPDX-License-Identifier: MIT */
/* The world that the options describe. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hvrun.h"
#ifdef HVRUN_JEMALLOC
#include <share_jemalloc.h>
#endif

struct hvrun_guests {
    struct hv_world *world;
    FILE **logs; /* one a VM; NULL: not kept */
    unsigned count;
    void (*output)(void *, struct hv_vm *, const char *, size_t);
    void *output_ctx;
#ifdef HVRUN_JEMALLOC
    struct share_alloc arena; /* the engine's metadata lies here, apart from the VMM's heap */
    bool has_arena;
#endif
};

static void output(void *ctx, struct hv_vm *vm, const char *bytes, size_t nbytes)
{
    struct hvrun_guests *guests = ctx;
    FILE *log = guests->logs ? guests->logs[hv_vm_index(vm)] : NULL;
    if (log && fwrite(bytes, 1, nbytes, log) == nbytes)
        fflush(log);
    if (guests->output)
        guests->output(guests->output_ctx, vm, bytes, nbytes);
}

/* A page more than the VMs can touch lies between a copy and what it replaces. */
static uint64_t machine_pages(const struct hvrun_options *options)
{
    if (options->machine_bytes)
        return options->machine_bytes / HV_PAGE_BYTES;
    return options->vms * (options->memory_bytes / HV_PAGE_BYTES) + 64;
}

static bool open_logs(struct hvrun_guests *guests, const char *dir)
{
    guests->logs = calloc(guests->count, sizeof *guests->logs);
    if (mkdir(dir, 0777) != 0 && errno != EEXIST)
        fprintf(stderr, "hvrun: %s: %s\n", dir, strerror(errno));
    for (unsigned i = 0; guests->logs && i < guests->count; i++) {
        char path[600];
        snprintf(path, sizeof path, "%s/vm-%u.log", dir, i);
        guests->logs[i] = fopen(path, "w");
        if (!guests->logs[i]) {
            fprintf(stderr, "hvrun: %s: %s\n", path, strerror(errno));
            return false;
        }
    }
    return guests->logs != NULL;
}

static bool add_vm(struct hvrun_guests *guests, const struct hvrun_options *o, unsigned i)
{
    char append[2048];
    struct hv_error error;
    unsigned who = o->same_seed ? 0 : i;
    struct hv_vm_config config = {
        .memory_bytes = o->memory_bytes,
        .kernel = o->kernel,
        .initrd = o->initrd[0] ? o->initrd : NULL,
        .append = append,
        .seed = o->seed * 1000003 + who,
        .no_fp = !o->has_fp,
        .para = o->para,
        .group = i % o->groups,
        .start_ticks = (uint64_t)o->start_ms * who * (HV_TICKS_PER_SECOND / 1000),
        .output = output,
        .output_ctx = guests,
    };
    memcpy(config.disk_bytes, o->disk_bytes, sizeof config.disk_bytes);
    int length = snprintf(append, sizeof append,
                          "console=hvc0 earlycon=sbi panic=-1 HV_WORKLOAD=%s HV_SEED=%llu "
                          "HV_NAME=vm%u HV_ROUNDS=%u HV_TOUCH_KIB=%u %s",
                          o->workload, (unsigned long long)(o->seed * 1000 + who), who, o->rounds,
                          o->touch_kib, o->append);
    if (length >= (int)sizeof append) {
        fprintf(stderr, "hvrun: --append is too long\n");
        return false;
    }
    if (hv_vm_new(guests->world, &config, &error))
        return true;
    fprintf(stderr, "hvrun: VM %u: %s\n", i, error.text);
    return false;
}

static bool guest_is_built(const struct hvrun_options *o)
{
    if (access(o->kernel, R_OK) == 0)
        return true;
    fprintf(stderr, "hvrun: %s: %s\n%s", o->kernel, strerror(errno),
            o->para && !o->kernel_given
                ? "The paravirtualized kernel is built with hvrun where riscv64-linux-gnu-gcc is "
                  "installed (.ci/packages guests).\n"
            : strstr(o->kernel, "/libshare/guest/")
                ? "No guest is built: run hv-adapter/guest/build, or name a kernel by --kernel.\n"
                : "");
    return false;
}

struct hvrun_guests *hvrun_guests_new(const struct hvrun_options *options,
                                      void (*to)(void *, struct hv_vm *, const char *, size_t),
                                      void *to_ctx)
{
    struct hv_error error;
    struct hv_world_config config = {
        .machine_pages = machine_pages(options),
        .scattered = options->scattered,
        .sharing = options->sharing,
        .scan_rate = options->scan_rate,
        .seed = options->seed,
        .threads = options->threads,
    };
    struct hvrun_guests *guests = guest_is_built(options) ? calloc(1, sizeof *guests) : NULL;
    if (!guests)
        return NULL;
    guests->count = options->vms;
    guests->output = to;
    guests->output_ctx = to_ctx;
#ifdef HVRUN_JEMALLOC
    guests->has_arena = share_jemalloc_init(&guests->arena);
    config.alloc = guests->has_arena ? &guests->arena : NULL;
#endif
    guests->world = hv_world_new(&config, &error);
    if (!guests->world)
        fprintf(stderr, "hvrun: %s\n", error.text);
    bool made = guests->world && (!options->log || open_logs(guests, options->log));
    for (unsigned i = 0; made && i < options->vms; i++)
        made = add_vm(guests, options, i);
    if (made)
        return guests;
    hvrun_guests_free(guests);
    return NULL;
}

void hvrun_guests_free(struct hvrun_guests *guests)
{
    hv_world_free(guests->world);
#ifdef HVRUN_JEMALLOC
    if (guests->has_arena)
        share_jemalloc_fini(&guests->arena);
#endif
    for (unsigned i = 0; guests->logs && i < guests->count; i++)
        if (guests->logs[i])
            fclose(guests->logs[i]);
    free(guests->logs);
    free(guests);
}

struct hv_world *hvrun_guests_world(struct hvrun_guests *guests)
{
    return guests->world;
}
