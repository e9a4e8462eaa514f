/* SPDX-License-Identifier: MIT */
/* The host of some VMs: its memory, its sharing engine, its turns. See hv.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/code_pool.h"
#include "residence/share_glue.h"
#include "vm/tables.h"
#include "world/crew.h"
#include "world/world.h"

/* Of decoded code, 25 KiB each: what eight kernels and their programs take. */
enum { CODE_PAGES_MAX = 2000 };

static bool host_has(uint64_t nbytes)
{
    /* Pages are touched one by one: the host's promise is not enough, its memory must be there. */
    uint64_t available = 0;
    FILE *stream = fopen("/proc/meminfo", "r");
    char line[128];
    while (stream && fgets(line, sizeof line, stream))
        if (strncmp(line, "MemAvailable:", 13) == 0)
            available = strtoull(line + 13, NULL, 10) << 10;
    if (stream)
        fclose(stream);
    return available == 0 || nbytes <= available;
}

static bool new_share(struct hv_world *world)
{
    struct share_config config = {
        .struct_size = sizeof config,
        .ops = &hv_share_ops,
        .ops_ctx = &world->commons,
        .alloc = world->config.alloc,
        .salt = world->config.seed,
        .order_seed = world->config.seed,
        .flags = SHARE_SALT_GIVEN,
    };
    return share_new(&config, &world->commons.share) == SHARE_OK;
}

struct hv_world *hv_world_new(const struct hv_world_config *config, struct hv_error *error)
{
    struct hv_world *world = calloc(1, sizeof *world);
    if (!world) {
        hv_error_set(error, "out of host memory");
        return NULL;
    }
    world->config = *config;
    hv_swap_init(&world->commons.swap, config->swap_file, config->swap_bytes);
    if (!world->config.slice_ticks) /* threads meet at each turn's end: not too often */
        world->config.slice_ticks = HV_TICKS_PER_SECOND / (config->threads ? 100 : 1000);
    bool room = host_has(config->machine_pages * HV_PAGE_BYTES);
    bool made =
        room && hv_machine_init(&world->commons.machine, config->machine_pages, config->scattered);
    if (!made)
        hv_error_set(error, "the host has no %llu MiB of memory for guests",
                     (unsigned long long)(config->machine_pages >> 8));
    if (made) {
        world->commons.code = hv_code_pool_new(CODE_PAGES_MAX);
        made = world->commons.code && (!config->sharing || new_share(world));
        if (!made)
            hv_error_set(error, "out of host memory");
    }
    if (made && config->threads && !(world->crew = hv_crew_new(world, config->threads))) {
        hv_error_set(error, "the host cannot start %u threads", config->threads);
        made = false;
    }
    if (made)
        return world;
    hv_world_free(world);
    return NULL;
}

void hv_world_free(struct hv_world *world)
{
    if (!world)
        return;
    hv_crew_free(world->crew);
    for (unsigned i = 0; i < world->vms_count; i++)
        hv_vm_free(world->vms[i]);
    share_free(world->commons.share);
    hv_code_pool_free(world->commons.code);
    hv_swap_fini(&world->commons.swap);
    hv_machine_fini(&world->commons.machine);
    free(world);
}

unsigned hv_world_vms(const struct hv_world *world)
{
    return world->vms_count;
}

struct hv_vm *hv_world_vm(const struct hv_world *world, unsigned index)
{
    return index < world->vms_count ? world->vms[index] : NULL;
}

uint64_t hv_world_ticks(const struct hv_world *world)
{
    return world->ticks;
}

struct share *hv_world_share(const struct hv_world *world)
{
    return world->commons.share;
}

bool hv_world_share_now(struct hv_world *world)
{
    enum { PASSES = 16 };
    return world->commons.share && share_now(world->commons.share, PASSES, NULL) == SHARE_OK;
}

bool hv_world_share_step(struct hv_world *world, struct hv_vm **vm, hv_ppn *ppn)
{
    for (unsigned i = 0; world->commons.share && i < world->vms_count; i++) {
        *vm = world->vms[i];
        *ppn = (*vm)->map.begin;
        for (; (*vm)->offered && hv_physmap_next(&(*vm)->map, *ppn, ppn); ppn->n++) {
            enum share_outcome outcome;
            if (!hv_share_offer(*vm, *ppn, &outcome))
                return false;
            if (hv_share_merged(outcome))
                return true;
        }
    }
    return false;
}

const char *hv_world_check(struct hv_world *world)
{
    struct share_check_report report = {.reason = NULL};
    for (unsigned i = 0; i < world->vms_count; i++) {
        const struct hv_vm *vm = world->vms[i];
        const char *wrong = hv_vm_has_memory(vm) ? hv_tables_check(vm) : NULL;
        if (wrong)
            return wrong;
    }
    if (world->commons.share && share_check(world->commons.share, &report) != SHARE_OK)
        return report.reason ? report.reason : "the engine could not be checked";
    return NULL;
}

void hv_world_watch(struct hv_world *world, void (*saw)(void *ctx, const struct hv_page_op *op),
                    void *ctx)
{
    world->commons.saw = saw;
    world->commons.saw_ctx = ctx;
}
