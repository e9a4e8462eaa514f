/* SPDX-License-Identifier: MIT */
/* Worlds of our own guest kernel. See mini.h. */
#include "mini.h"

#include <unistd.h>

static void keep(void *ctx, struct hv_vm *vm, const char *bytes, size_t nbytes)
{
    struct mini_log *log = (struct mini_log *)ctx + hv_vm_index(vm);
    size_t room = sizeof log->text - 1 - log->nbytes;
    nbytes = nbytes < room ? nbytes : room;
    memcpy(log->text + log->nbytes, bytes, nbytes);
    log->nbytes += nbytes;
}

struct mini_log mini_logs[MINI_VMS_MAX];

struct hv_world *mini_boot(const struct mini_setup *setup)
{
    struct hv_error error = {""};
    uint64_t memory = setup->memory_bytes ? setup->memory_bytes : 16 << 20;
    struct hv_world_config config = {.machine_pages = setup->vms * memory / HV_PAGE_BYTES + 64,
                                     .sharing = setup->sharing,
                                     .scattered = true,
                                     .scan_rate = setup->scan_rate,
                                     .threads = setup->threads,
                                     .seed = 7};
    struct hv_world *world = hv_world_new(&config, &error);
    if (!world)
        fail_msg("%s", error.text);
    memset(mini_logs, 0, sizeof mini_logs);
    for (unsigned i = 0; i < setup->vms; i++) {
        char append[256];
        snprintf(append, sizeof append, "HV_WORKLOAD=%s HV_SEED=%u HV_ROUNDS=%u HV_NAME=vm%u %s",
                 setup->workload, i + 1, setup->rounds, i, setup->append ? setup->append : "");
        struct hv_vm_config vm = {.memory_bytes = memory,
                                  .kernel =
                                      setup->para ? MINI_DIR "/mini-para" : MINI_DIR "/mini-full",
                                  .append = append,
                                  .para = setup->para,
                                  .group = setup->groups ? i % setup->groups : 0,
                                  .seed = i + 1,
                                  .start_ticks = i * HV_TICKS_PER_SECOND / 50,
                                  .output = keep,
                                  .output_ctx = mini_logs};
        if (!hv_vm_new(world, &vm, &error))
            fail_msg("%s", error.text);
    }
    return world;
}

void mini_run(struct hv_world *world)
{
    for (unsigned tenths = 0; tenths < 1000; tenths++) {
        unsigned done = 0, vms = hv_world_vms(world);
        for (unsigned i = 0; i < vms; i++) {
            const struct hv_vm *vm = hv_world_vm(world, i);
            done += strstr(mini_logs[i].text, "switches\n") != NULL;
            if (hv_vm_state(vm) != HV_RUNNING_VM)
                fail_msg("VM %u: %s\n%s", i, hv_vm_reason(vm), mini_logs[i].text);
        }
        if (done == vms)
            return;
        hv_world_run(world, HV_TICKS_PER_SECOND / 10, NULL, NULL);
    }
    fail_msg("not done after 100 seconds:\n%s", mini_logs[0].text);
}

void mini_results(struct hv_world *world, char *text, size_t room)
{
    text[0] = 0;
    for (unsigned i = 0; i < hv_world_vms(world); i++) {
        const char *begin = strstr(mini_logs[i].text, "init: workload");
        const char *end = strstr(mini_logs[i].text, "done checksum");
        assert_true(begin && end && end[13] == ' ');
        size_t used = strlen(text);
        snprintf(text + used, room - used, "%.*s\n", (int)(end + 30 - begin), begin);
    }
}

bool mini_is_built(void)
{
    if (access(MINI_DIR "/mini-para", R_OK) == 0 && access(MINI_DIR "/mini-full", R_OK) == 0)
        return true;
    printf("skipped: no " MINI_DIR "/mini-para: riscv64-linux-gnu-gcc is not installed\n");
    return false;
}
