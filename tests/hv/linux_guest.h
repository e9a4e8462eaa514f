/* SPDX-License-Identifier: MIT */
/* Linux guests for tests: where the built guest is, worlds with some, what they print. */
#ifndef TESTS_HV_LINUX_GUEST_H
#define TESTS_HV_LINUX_GUEST_H

#include <unistd.h>

#include "rig.h"

enum { LINUX_SKIP = 77, LINUX_TICK_MS = 100 };

struct linux_log {
    char text[1 << 16];
    size_t nbytes;
};

struct linux_guest {
    struct hv_vm *vm;
    struct linux_log log;
};

static char linux_kernel[600], linux_initrd[600];

/* Whether a guest is built; prints why not. */
static inline bool linux_is_built(void)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    bool given = cache && *cache;
    snprintf(linux_kernel, sizeof linux_kernel, "%s%s/libshare/guest/Image",
             given  ? cache
             : home ? home
                    : "",
             given ? "" : "/.cache");
    snprintf(linux_initrd, sizeof linux_initrd, "%.*s/initrd.cpio",
             (int)(strrchr(linux_kernel, '/') - linux_kernel), linux_kernel);
    if (access(linux_kernel, R_OK) == 0 && access(linux_initrd, R_OK) == 0)
        return true;
    print_message("skipped: no guest at %s: run hv-adapter/guest/build\n", linux_kernel);
    return false;
}

static inline void linux_keep(void *ctx, struct hv_vm *vm, const char *bytes, size_t nbytes)
{
    struct linux_log *log = ctx;
    size_t room = sizeof log->text - 1 - log->nbytes;
    (void)vm;
    nbytes = nbytes < room ? nbytes : room;
    memcpy(log->text + log->nbytes, bytes, nbytes);
    log->nbytes += nbytes;
}

/* `words` is added to the command line: HV_WORKLOAD=... and so on. */
static inline void linux_add_disk(struct hv_world *world, struct linux_guest *guest, unsigned mib,
                                  unsigned disk_mib, const char *words)
{
    char append[512];
    struct hv_error error = {""};
    snprintf(append, sizeof append, "console=hvc0 panic=-1 %s", words);
    memset(&guest->log, 0, sizeof guest->log);
    struct hv_vm_config config = {.memory_bytes = (uint64_t)mib << 20,
                                  .kernel = linux_kernel,
                                  .initrd = linux_initrd,
                                  .append = append,
                                  .disk_bytes = (uint64_t)disk_mib << 20,
                                  .seed = 1,
                                  .output = linux_keep,
                                  .output_ctx = &guest->log};
    guest->vm = hv_vm_new(world, &config, &error);
    if (!guest->vm)
        fail_msg("%s", error.text);
}

static inline void linux_add(struct hv_world *world, struct linux_guest *guest, unsigned mib,
                             const char *words)
{
    linux_add_disk(world, guest, mib, 0, words);
}

/* Runs the world until the guest has printed this; at most so many virtual seconds. */
static inline void linux_until(struct hv_world *world, struct linux_guest *guest, const char *text,
                               unsigned seconds)
{
    for (unsigned i = 0; i < seconds * 1000 / LINUX_TICK_MS; i++) {
        if (strstr(guest->log.text, text))
            return;
        if (hv_vm_state(guest->vm) != HV_RUNNING_VM)
            fail_msg("%s\n%s", hv_vm_reason(guest->vm), guest->log.text);
        hv_world_run(world, HV_TICKS_PER_SECOND / 1000 * LINUX_TICK_MS, NULL, NULL);
    }
    fail_msg("\"%s\" was not printed in %u s:\n%s", text, seconds, guest->log.text);
}

static inline void linux_run_ms(struct hv_world *world, unsigned ms)
{
    hv_world_run(world, HV_TICKS_PER_SECOND / 1000 * ms, NULL, NULL);
}

#endif
