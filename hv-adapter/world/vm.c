/* SPDX-License-Identifier: MIT */
/* One VM: made, run for a turn, ended, looked at. See hv.h. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "residence/guest_mem.h"
#include "world/vm_state.h"

enum {
    CODE_PAGES = 256, /* decoded at a time: a kernel's and a shell's hot code */
    SHADOW_NODES = 512,
    PARA_TABLES_MIN = 512,
    PAGES_PER_PARA_TABLE = 128, /* 6 KiB of the host's for 512 KiB of the guest's at most */
    MEMORY_MIN_MIB = 8,
    MEMORY_MAX_MIB = 65536,
};

void hv_error_set(struct hv_error *error, const char *format, ...)
{
    va_list words;
    va_start(words, format);
    vsnprintf(error->text, sizeof error->text, format, words);
    va_end(words);
}

static uint64_t vm_time(void *ctx)
{
    return hv_vm_ticks(ctx) / (HV_TICKS_PER_SECOND / HV_TIME_HZ);
}

static const struct hv_hart_ops hart_ops = {
    .fill = hv_fault_fill,
    .mmio_load = hv_mmio_load,
    .mmio_store = hv_mmio_store,
    .ecall = hv_sbi_ecall,
    .satp_write = hv_fault_satp,
    .sfence_vma = hv_fault_sfence,
    .time = vm_time,
    .wrote = hv_fault_wrote,
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
    hv_hart_tlb_write_protect_host_page(vm->hart, hv_machine_page(&vm->world->machine, mpn));
}

static void free_para(struct hv_vm *vm)
{
    if (vm->para)
        hv_para_fini(vm->para);
    free(vm->para);
    vm->para = NULL;
}

static void free_vm(struct hv_vm *vm)
{
    hv_hart_free(vm->hart);
    free_para(vm);
    hv_shadow_fini(&vm->shadow);
    hv_physmap_fini(&vm->map);
    hv_store_fini(&vm->disk.store);
    hv_shootdown_fini(&vm->shootdown);
    pthread_mutex_destroy(&vm->lock);
    free(vm);
}

static const struct hv_virtio_kind *const slots[HV_VIRTIO_SLOTS] = {
    [HV_SLOT_RNG] = &hv_virtio_rng,
    [HV_SLOT_BALLOON] = &hv_virtio_balloon,
};

static bool add_disk(struct hv_vm *vm, const struct hv_vm_config *config)
{
    struct hv_virtio_mmio *device = &vm->virtio[HV_SLOT_DISK];
    if (!hv_store_init(&vm->disk.store, config->disk_bytes))
        return false;
    vm->disk.sectors = config->disk_bytes / 512;
    vm->disk.latency_ticks =
        config->disk_latency_ticks ? config->disk_latency_ticks : HV_LATENCY_DISK;
    vm->disk.device = device;
    hv_virtio_init(device, vm, device->source, &hv_virtio_blk, &vm->disk);
    return true;
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
    return vm->para && hv_para_init(vm->para, &vm->map, &vm->world->machine, (uint32_t)tables);
}

static bool init_vm(struct hv_vm *vm, const struct hv_vm_config *config)
{
    pthread_mutex_init(&vm->lock, NULL);
    hv_shootdown_init(&vm->shootdown);
    vm->timer = UINT64_MAX;
    vm->disk.store.fd = -1;
    vm->swap.random = vm->index;
    vm->random = config->seed;
    vm->skipped = config->start_ticks;
    vm->console.output = config->output;
    vm->console.output_ctx = config->output_ctx;
    vm->console.vm = vm;
    for (unsigned i = 0; i < HV_VIRTIO_SLOTS; i++)
        hv_virtio_init(&vm->virtio[i], vm, i + 1, slots[i], NULL);
    vm->virtio[HV_SLOT_BALLOON].state = &vm->balloon;
    vm->balloon.device = &vm->virtio[HV_SLOT_BALLOON];
    if (config->disk_bytes && !add_disk(vm, config))
        return false;
    vm->group = config->group;
    vm->hart = hv_hart_new(config->para ? &para_ops : &hart_ops, vm, CODE_PAGES);
    if (vm->hart)
        hv_hart_set_fp(vm->hart, !config->no_fp);
    return vm->hart &&
           hv_physmap_init(&vm->map, hv_ppn_of(HV_RAM_BASE),
                           config->memory_bytes / HV_PAGE_BYTES) &&
           init_para(vm, config) &&
           hv_shadow_init(&vm->shadow, &vm->map, &vm->world->machine,
                          config->shadow_nodes ? config->shadow_nodes : SHADOW_NODES);
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
    if (config->disk_bytes % HV_PAGE_BYTES) {
        hv_error_set(error, "a disk of a VM: a multiple of 4096 bytes, not %llu",
                     (unsigned long long)config->disk_bytes);
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
    struct hv_vm *vm = calloc(1, sizeof *vm);
    if (!vm) {
        hv_error_set(error, "out of host memory");
        return NULL;
    }
    vm->world = world;
    vm->index = world->vms_count;
    bool whole = init_vm(vm, config), made = whole;
    if (!made)
        hv_error_set(error, "out of host memory");
    vm->shadow.tlb = (struct hv_shadow_tlb){tlb_write_protect, vm};
    made = made && (!config->kernel || hv_platform_load(vm, config, error));
    if (made && !hv_share_join(vm)) {
        hv_error_set(error, "the sharing engine takes no more VMs");
        made = false;
    }
    if (!made) {
        if (whole)
            hv_share_leave(vm);
        free_vm(vm);
        return NULL;
    }
    vm->charged =
        world->ticks - hv_hart_stats(vm->hart).ticks; /* its clock starts with the world's */
    world->vms[world->vms_count++] = vm;
    return vm;
}

void hv_vm_fail(struct hv_vm *vm, const char *why)
{
    if (vm->state != HV_FAILED)
        snprintf(vm->reason, sizeof vm->reason, "%s", why);
    vm->state = HV_FAILED;
    hv_hart_kick(vm->hart);
}

void hv_vm_end(struct hv_vm *vm, const char *why)
{
    snprintf(vm->reason, sizeof vm->reason, "%s", why);
    vm->state = HV_ENDED;
}

/* Behind a newline, and what Linux puts before a message: "[    0.123456] ". */
static bool begins_line(const char *text, const char *at)
{
    if (at - text >= 2 && at[-1] == ' ' && at[-2] == ']')
        for (at -= 2; at > text && strchr(" .0123456789", at[-1]);)
            at--;
    if (at > text && at[-1] == '[')
        at--;
    return at == text || at[-1] == '\n';
}

/* A kernel says so when it can go on no more. Anybody in the guest can say it, too: it counts only
 * when the guest resets next. */
static bool says_panic(struct hv_vm *vm)
{
    static const char words[] = "Kernel panic - not syncing";
    const char *text = hv_console_last(&vm->console), *at = text;
    while ((at = strstr(at, words)) && !begins_line(text, at))
        at++;
    return at != NULL;
}

void hv_vm_reset(struct hv_vm *vm, bool failure)
{
    if (says_panic(vm))
        hv_vm_fail(vm, "the guest's kernel panicked");
    else if (failure)
        hv_vm_fail(vm, "the guest says: system failure");
    else
        hv_vm_end(vm, "rebooted"); /* nobody boots it again */
}

/* Raises the timer interrupt and ends disk requests whose time has come; when to look again. */
static uint64_t next_event(struct hv_vm *vm, uint64_t now, uint64_t end)
{
    bool due = vm->timer <= now;
    if (due)
        hv_hart_set_irq(vm->hart, HV_IRQ_TIMER, true);
    hv_disk_turn(vm, now);
    uint64_t next = !due && vm->timer < end ? vm->timer : end, disk = hv_disk_next(&vm->disk);
    return disk < next ? disk : next;
}

/* Every tick since then was an exception: its trap handler traps. No guest comes back from that. */
static void notice_trap_loop(struct hv_vm *vm, const struct hv_hart_stats *before)
{
    enum { SURE = 1000 };
    struct hv_hart_stats now = hv_hart_stats(vm->hart);
    if (now.ticks - before->ticks > SURE && now.instructions == before->instructions)
        hv_vm_fail(vm, "the guest's trap handler traps for ever (is this a kernel?)");
}

bool hv_vm_starves(struct hv_vm *vm)
{
    struct hv_machine *machine = &vm->world->machine;
    uint64_t reserve = vm->world->reserve_pages;
    if (reserve && machine->pages - hv_machine_used(machine) <= reserve)
        vm->starved = true;
    return vm->starved;
}

/* What is left of its turn it waits; the instruction that found no memory comes again. */
static void wait_for_memory(struct hv_vm *vm, uint64_t end)
{
    uint64_t now = hv_vm_ticks(vm);
    vm->skipped += now < end ? end - now : 0;
    vm->starved = false;
}

void hv_vm_run_until(struct hv_vm *vm, uint64_t end)
{
    enum { STUCK_MAX = 16 };
    unsigned stuck = 0;
    struct hv_hart_stats before = hv_hart_stats(vm->hart);
    while (vm->state == HV_RUNNING_VM) {
        uint64_t now = hv_vm_ticks(vm);
        if (now >= end)
            break;
        uint64_t next = next_event(vm, now, end);
        if (vm->waiting && !hv_hart_wakes(vm->hart)) {
            vm->skipped += next - now;
            continue;
        }
        vm->waiting = false;
        uint64_t breaks = vm->counts.breaks;
        hv_shootdown_begin_run(vm);
        enum hv_stop stop = hv_hart_run(vm->hart, next - now);
        hv_shootdown_end_run(vm);
        vm->waiting = vm->waiting || stop == HV_STOP_WFI;
        if (vm->starved)
            wait_for_memory(vm, end);
        stuck = stop == HV_STOP_FILL && vm->counts.breaks == breaks ? stuck + 1 : 0;
        if (stuck == STUCK_MAX)
            hv_vm_fail(vm, "an access that crosses two pages never finds both");
    }
    notice_trap_loop(vm, &before);
}

void hv_vm_exit(struct hv_vm *vm)
{
    if (!vm->map.entries)
        return;
    hv_vm_figures(vm, &vm->last);
    if (vm->state < HV_ENDED)
        hv_vm_end(vm, "ended");
    hv_console_flush(&vm->console);
    hv_share_leave(vm);
    hv_swap_leave(vm);
    pthread_mutex_lock(&vm->lock);
    free_para(vm);
    hv_shadow_fini(&vm->shadow);
    hv_physmap_fini(&vm->map);
    pthread_mutex_unlock(&vm->lock);
}

void hv_vm_free(struct hv_vm *vm)
{
    hv_vm_exit(vm);
    free_vm(vm);
}

enum hv_state hv_vm_state(const struct hv_vm *vm)
{
    return vm->state;
}

const char *hv_vm_reason(const struct hv_vm *vm)
{
    return vm->reason;
}

const char *hv_vm_last_output(struct hv_vm *vm)
{
    return hv_console_last(&vm->console);
}

unsigned hv_vm_index(const struct hv_vm *vm)
{
    return vm->index;
}

void hv_vm_stop(struct hv_vm *vm)
{
    if (vm->state == HV_RUNNING_VM)
        vm->state = HV_STOPPED;
}

void hv_vm_resume(struct hv_vm *vm)
{
    if (vm->state == HV_STOPPED)
        vm->state = HV_RUNNING_VM;
}

size_t hv_vm_type(struct hv_vm *vm, const char *bytes, size_t nbytes)
{
    return hv_console_type(&vm->console, bytes, nbytes);
}

void hv_vm_flush(struct hv_vm *vm)
{
    hv_console_flush(&vm->console);
}

bool hv_vm_is_idle(const struct hv_vm *vm)
{
    return vm->state != HV_RUNNING_VM || (vm->waiting && vm->disk.waiting == 0);
}
