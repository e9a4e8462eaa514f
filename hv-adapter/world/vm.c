/* SPDX-License-Identifier: MIT */
/* One VM is made of its parts, and taken apart again. See hv.h. */
#include <stdlib.h>

#include "platform/board.h"
#include "residence/fault.h"
#include "residence/residence.h"
#include "residence/sample.h"
#include "residence/share_glue.h"
#include "virtio/devices.h"
#include "vm/ending.h"
#include "world/world.h"

enum {
    CODE_PAGES = 256, /* decoded at a time: a kernel's and a shell's hot code */
    SHADOW_NODES = 512,
    PARA_TABLES_MIN = 512,
    PAGES_PER_PARA_TABLE = 128, /* 6 KiB of the host's for 512 KiB of the guest's at most */
    MEMORY_MIN_MIB = 8,
    MEMORY_MAX_MIB = 65536,
};

static uint64_t vm_time(void *ctx)
{
    return hv_vm_ticks(ctx) / (HV_TICKS_PER_SECOND / HV_TIME_HZ);
}

static const struct hv_hart_ops full_ops = {
    .fill = hv_full_fill,
    .mmio_load = hv_mmio_load,
    .mmio_store = hv_mmio_store,
    .ecall = hv_sbi_ecall,
    .satp_write = hv_full_satp,
    .sfence_vma = hv_fault_sfence,
    .time = vm_time,
    .wrote = hv_full_wrote,
};

static const struct hv_hart_ops para_ops = {
    .fill = hv_para_fill,
    .mmio_load = hv_mmio_load,
    .mmio_store = hv_mmio_store,
    .ecall = hv_sbi_ecall,
    .satp_write = hv_para_satp,
    .sfence_vma = hv_fault_sfence,
    .time = vm_time,
};

static void tlb_write_protect(void *ctx, hv_mpn mpn)
{
    struct hv_vm *vm = ctx;
    hv_hart_tlb_write_protect_host_page(vm->hart, hv_machine_page(vm->machine, mpn));
}

static void free_tables(struct hv_vm *vm)
{
    if (vm->para)
        hv_para_fini(vm->para);
    free(vm->para);
    vm->para = NULL;
    hv_shadow_fini(&vm->shadow);
    hv_physmap_fini(&vm->map);
}

static void free_vm(struct hv_vm *vm)
{
    free_tables(vm);
    hv_devices_fini(vm);
    hv_board_fini(vm);
    hv_sample_fini(vm);
    hv_hart_free(vm->hart);
    hv_shootdown_fini(&vm->shootdown);
    pthread_mutex_destroy(&vm->lock);
    free(vm);
}

static bool init_para(struct hv_vm *vm, const struct hv_vm_config *config)
{
    if (!config->para)
        return true;
    uint64_t tables = config->memory_bytes / HV_PAGE_BYTES / PAGES_PER_PARA_TABLE;
    if (config->para_tables)
        tables = config->para_tables;
    else if (tables < PARA_TABLES_MIN)
        tables = PARA_TABLES_MIN;
    vm->para = calloc(1, sizeof *vm->para);
    return vm->para && hv_para_init(vm->para, &vm->map, vm->machine, (uint32_t)tables);
}

static bool init_tables(struct hv_vm *vm, const struct hv_vm_config *config)
{
    uint32_t nodes = config->shadow_nodes ? config->shadow_nodes : SHADOW_NODES;
    bool made =
        hv_physmap_init(&vm->map, hv_ppn_of(HV_RAM_BASE), config->memory_bytes / HV_PAGE_BYTES) &&
        init_para(vm, config) && hv_shadow_init(&vm->shadow, &vm->map, vm->machine, nodes);
    vm->shadow.tlb = (struct hv_shadow_tlb){tlb_write_protect, vm};
    return made;
}

static bool init_hart(struct hv_vm *vm, const struct hv_vm_config *config)
{
    vm->hart = hv_hart_new(config->para ? &para_ops : &full_ops, vm, vm->commons->code, CODE_PAGES);
    if (vm->hart)
        hv_hart_set_fp(vm->hart, !config->no_fp);
    return vm->hart != NULL;
}

/* NULL: out of host memory. */
static struct hv_vm *new_vm(struct hv_world *world, const struct hv_vm_config *config)
{
    struct hv_vm *vm = calloc(1, sizeof *vm);
    if (!vm)
        return NULL;
    pthread_mutex_init(&vm->lock, NULL);
    hv_shootdown_init(&vm->shootdown);
    vm->world = world;
    vm->commons = &world->commons;
    vm->machine = &world->commons.machine;
    vm->index = world->vms_count;
    vm->group = config->group;
    vm->skipped = config->start_ticks;
    if (init_hart(vm, config) && hv_sample_init(vm) && hv_board_init(vm, config) &&
        hv_devices_init(vm, config) && init_tables(vm, config))
        return vm;
    free_vm(vm);
    return NULL;
}

static bool check_config(const struct hv_world *world, const struct hv_vm_config *config,
                         struct hv_error *error)
{
    uint64_t mib = config->memory_bytes >> 20;
    if (config->memory_bytes % (UINT64_C(2) << 20) || mib < MEMORY_MIN_MIB ||
        mib > MEMORY_MAX_MIB) {
        hv_error_set(error,
                     "memory of a VM: a multiple of 2 MiB from %d MiB to %d MiB, not %llu bytes",
                     MEMORY_MIN_MIB, MEMORY_MAX_MIB, (unsigned long long)config->memory_bytes);
        return false;
    }
    for (unsigned i = 0; i < HV_DISKS_MAX; i++)
        if (config->disk_bytes[i] % HV_PAGE_BYTES) {
            hv_error_set(error, "a disk of a VM: a multiple of 4096 bytes, not %llu",
                         (unsigned long long)config->disk_bytes[i]);
            return false;
        }
    if (config->group >= HV_GROUPS_MAX) {
        hv_error_set(error, "group of a VM: below %d, not %u", HV_GROUPS_MAX, config->group);
        return false;
    }
    if (world->vms_count < HV_VMS_MAX)
        return true;
    hv_error_set(error, "more than %d VMs", HV_VMS_MAX);
    return false;
}

struct hv_vm *hv_vm_new(struct hv_world *world, const struct hv_vm_config *config,
                        struct hv_error *error)
{
    if (!check_config(world, config, error))
        return NULL;
    struct hv_vm *vm = new_vm(world, config);
    if (!vm) {
        hv_error_set(error, "out of host memory");
        return NULL;
    }
    bool made = !config->kernel || hv_platform_load(vm, config, error);
    if (made && !hv_share_join(vm)) {
        hv_error_set(error, "the sharing engine takes no more VMs");
        made = false;
    }
    if (!made) {
        hv_pages_leave(vm);
        free_vm(vm);
        return NULL;
    }
    vm->charged =
        world->ticks - hv_hart_stats(vm->hart).ticks; /* its clock starts with the world's */
    world->vms[world->vms_count++] = vm;
    return vm;
}

void hv_vm_exit(struct hv_vm *vm)
{
    if (!hv_vm_has_memory(vm))
        return;
    hv_vm_figures(vm, &vm->last);
    if (vm->state < HV_ENDED)
        hv_vm_end(vm, "ended");
    hv_vm_flush(vm);
    hv_pages_leave(vm);
    hv_hart_drop_code(vm->hart);
    pthread_mutex_lock(&vm->lock);
    free_tables(vm);
    pthread_mutex_unlock(&vm->lock);
}

void hv_vm_free(struct hv_vm *vm)
{
    hv_vm_exit(vm);
    free_vm(vm);
}

unsigned hv_vm_index(const struct hv_vm *vm)
{
    return vm->index;
}
