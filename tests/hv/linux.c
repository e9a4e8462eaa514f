/* SPDX-License-Identifier: MIT */
/* Boots Linux guests and waits for their workload. See linux.h. */
#include "linux.h"

#include <unistd.h>

static char kernel[600], initrd[600];

bool linux_is_built(void)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    bool given = cache && *cache;
    const char *base = given ? cache : home ? home : "";
    snprintf(kernel, sizeof kernel, "%s%s/libshare/guest/Image", base, given ? "" : "/.cache");
    snprintf(initrd, sizeof initrd, "%s%s/libshare/guest/initrd.cpio", base,
             given ? "" : "/.cache");
    if (access(kernel, R_OK) == 0 && access(initrd, R_OK) == 0)
        return true;
    printf("skipped: no guest is built (%s): run hv-adapter/guest/build\n", kernel);
    return false;
}

static void keep(void *ctx, struct hv_vm *vm, const char *bytes, size_t nbytes)
{
    struct linux_log *log = (struct linux_log *)ctx + hv_vm_index(vm);
    size_t room = sizeof log->text - 1 - log->nbytes;
    nbytes = nbytes < room ? nbytes : room;
    memcpy(log->text + log->nbytes, bytes, nbytes);
    log->nbytes += nbytes;
}

struct hv_world *linux_boot(const struct linux_setup *setup, struct linux_log *logs)
{
    struct hv_error error = {""};
    struct hv_world_config config = {.machine_pages = setup->vms * 16384u + 64,
                                     .sharing = setup->sharing,
                                     .scattered = setup->scattered,
                                     .scan_rate = setup->scan_rate,
                                     .threads = setup->threads,
                                     .seed = 7};
    struct hv_world *world = hv_world_new(&config, &error);
    if (!world)
        fail_msg("%s", error.text);
    memset(logs, 0, setup->vms * sizeof *logs);
    for (unsigned i = 0; i < setup->vms; i++) {
        char append[256];
        unsigned who = setup->same_seed ? 0 : i;
        snprintf(append, sizeof append,
                 "console=hvc0 panic=-1 HV_WORKLOAD=%s HV_SEED=%u HV_ROUNDS=%u HV_NAME=vm%u%s",
                 setup->workload, who + 1, setup->rounds, who,
                 i + setup->panicking >= setup->vms ? " rdinit=/none" : "");
        struct hv_vm_config vm = {.memory_bytes = 64 << 20,
                                  .kernel = kernel,
                                  .initrd = initrd,
                                  .append = append,
                                  .seed = who + 1,
                                  .start_ticks = who * HV_TICKS_PER_SECOND / 20,
                                  .shadow_nodes = setup->shadow_nodes,
                                  .output = keep,
                                  .output_ctx = logs};
        if (!hv_vm_new(world, &vm, &error))
            fail_msg("%s", error.text);
    }
    return world;
}

void linux_run(struct hv_world *world, struct linux_log *logs, unsigned vms)
{
    for (unsigned tenths = 0; tenths < 2000; tenths++) {
        unsigned done = 0;
        for (unsigned i = 0; i < vms; i++) {
            done += strstr(logs[i].text, "done checksum") != NULL;
            if (hv_vm_state(hv_world_vm(world, i)) != HV_RUNNING_VM)
                fail_msg("VM %u: %s\n%s", i, hv_vm_reason(hv_world_vm(world, i)),
                         hv_vm_last_output(hv_world_vm(world, i)));
        }
        if (done == vms)
            return;
        hv_world_run(world, HV_TICKS_PER_SECOND / 10, NULL, NULL);
    }
    fail_msg("not done after 200 seconds:\n%s", logs[0].text);
}

void linux_add(struct hv_world *world, struct linux_guest *guest, unsigned mib, unsigned disk_mib,
               const char *words)
{
    char append[512];
    struct hv_error error = {""};
    snprintf(append, sizeof append, "console=hvc0 panic=-1 %s", words);
    memset(&guest->log, 0, sizeof guest->log);
    struct hv_vm_config config = {.memory_bytes = (uint64_t)mib << 20,
                                  .kernel = kernel,
                                  .initrd = initrd,
                                  .append = append,
                                  .disk_bytes = {(uint64_t)disk_mib << 20},
                                  .seed = 1,
                                  .output = keep,
                                  .output_ctx = &guest->log};
    assert_int_equal(hv_world_vms(world), 0); /* its log is that of VM 0 */
    guest->vm = hv_vm_new(world, &config, &error);
    if (!guest->vm)
        fail_msg("%s", error.text);
}

void linux_run_ms(struct hv_world *world, unsigned ms)
{
    hv_world_run(world, HV_TICKS_PER_SECOND / 1000 * ms, NULL, NULL);
}

void linux_until(struct hv_world *world, struct linux_guest *guest, const char *text,
                 unsigned seconds)
{
    for (unsigned tenths = 0; tenths < seconds * 10; tenths++) {
        if (strstr(guest->log.text, text))
            return;
        if (hv_vm_state(guest->vm) != HV_RUNNING_VM)
            fail_msg("%s\n%s", hv_vm_reason(guest->vm), guest->log.text);
        linux_run_ms(world, 100);
    }
    fail_msg("\"%s\" was not printed in %u s:\n%s", text, seconds, guest->log.text);
}
