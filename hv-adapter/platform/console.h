/* SPDX-License-Identifier: MIT */
/* The guest's console: what it printed last, and what was typed at it. */
#ifndef HV_PLATFORM_CONSOLE_H
#define HV_PLATFORM_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HV_CONSOLE_KEEP = 4096, HV_CONSOLE_TYPED = 1024 };

struct hv_vm;

struct hv_console {
    void (*output)(void *ctx, struct hv_vm *vm, const char *bytes, size_t nbytes);
    void *output_ctx;
    struct hv_vm *vm;
    char kept[HV_CONSOLE_KEEP]; /* ring of what it printed */
    uint64_t printed;           /* bytes ever; kept[printed % KEEP] comes next */
    char line[128];             /* waits for its end, so that output comes in lines */
    unsigned line_nbytes;
    char typed[HV_CONSOLE_TYPED]; /* ring */
    uint64_t typed_in, typed_out; /* bytes ever put, ever taken */
    char last[HV_CONSOLE_KEEP + 1];
};

void hv_console_put(struct hv_console *console, const char *bytes, size_t nbytes);
/* Hands out what waits for the end of its line. */
void hv_console_flush(struct hv_console *console);
/* -1 if nothing was typed. */
int hv_console_get(struct hv_console *console);
size_t hv_console_type(struct hv_console *console, const char *bytes, size_t nbytes);
/* The last lines, NUL-terminated, in console->last. */
const char *hv_console_last(struct hv_console *console);

#endif
