/* SPDX-License-Identifier: MIT */
/* The guest's console. See console.h. */
#include "platform/console.h"

void hv_console_flush(struct hv_console *console)
{
    if (console->output && console->line_nbytes)
        console->output(console->output_ctx, console->vm, console->line, console->line_nbytes);
    console->line_nbytes = 0;
}

static void put(struct hv_console *console, char byte)
{
    console->kept[console->printed++ % HV_CONSOLE_KEEP] = byte;
    console->line[console->line_nbytes++] = byte;
    if (byte == '\n' || console->line_nbytes == sizeof console->line)
        hv_console_flush(console);
}

void hv_console_put(struct hv_console *console, const char *bytes, size_t nbytes)
{
    for (size_t i = 0; i < nbytes; i++)
        put(console, bytes[i]);
}

int hv_console_get(struct hv_console *console)
{
    if (console->typed_out == console->typed_in)
        return -1;
    return (unsigned char)console->typed[console->typed_out++ % HV_CONSOLE_TYPED];
}

size_t hv_console_type(struct hv_console *console, const char *bytes, size_t nbytes)
{
    size_t i = 0;
    for (; i < nbytes && console->typed_in - console->typed_out < HV_CONSOLE_TYPED; i++)
        console->typed[console->typed_in++ % HV_CONSOLE_TYPED] = bytes[i];
    return i;
}

const char *hv_console_last(struct hv_console *console)
{
    uint64_t count = console->printed < HV_CONSOLE_KEEP ? console->printed : HV_CONSOLE_KEEP;
    for (uint64_t i = 0; i < count; i++)
        console->last[i] = console->kept[(console->printed - count + i) % HV_CONSOLE_KEEP];
    console->last[count] = 0;
    return console->last;
}
