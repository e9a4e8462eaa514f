/* SPDX-License-Identifier: MIT */
/*
 * Hostile images: the bytes are a kernel (ELF, Linux Image or flat), which is loaded and, if that
 * works, run for a while beside a neighbour that must keep its memory. The neighbour has the same
 * image, so that code is shared while it runs and rewrites itself. So this is also a fuzzer of
 * whole guests: whatever instructions, SBI calls and device accesses the bytes come to. What cannot
 * go on must say why in one line.
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz_bytes.h"
#include "inside.h"
#include "must.h"
#include "others.h"

enum { PAGES = 2048, RUN_TICKS = 100000, NODES = 16 };

static struct hv_vm *new_vm(struct hv_world *world, const char *kernel, struct hv_error *error)
{
    struct hv_vm_config config = {
        .memory_bytes = PAGES * HV_PAGE_BYTES, .kernel = kernel, .seed = 1, .shadow_nodes = NODES};
    return hv_vm_new(world, &config, error);
}

static void is_one_line(const char *text)
{
    MUST(*text && !strchr(text, '\n'));
}

static void load_and_run(struct hv_world *world, const char *path)
{
    struct hv_error error = {""};
    struct hv_vm *vm = new_vm(world, path, &error);
    if (!vm) {
        is_one_line(error.text);
        return;
    }
    struct others others = others_now(world, vm);
    hv_world_run(world, RUN_TICKS, NULL, NULL);
    others_must_be_same(&others);
    if (hv_vm_state(vm) == HV_FAILED)
        is_one_line(hv_vm_reason(vm));
    MUST(vm->shadow.stats.nodes <= NODES);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hv_world_config config = {.machine_pages = 2 * PAGES + 64,
                                     .sharing = true,
                                     .scan_rate = 10000000,
                                     .slice_ticks = 10000,
                                     .seed = 1};
    struct hv_error error;
    char path[32];
    struct hv_world *world = hv_world_new(&config, &error);
    int file = memfd_create("image", MFD_CLOEXEC);
    MUST(world && file >= 0 && write(file, data, size) == (ssize_t)size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    struct hv_vm *neighbour = new_vm(world, path, &error);
    if (neighbour)
        hv_vm_stop(neighbour);
    load_and_run(world, path);
    close(file);
    must_note = hv_world_check(world);
    MUST(!must_note);
    hv_world_free(world);
    return 0;
}
