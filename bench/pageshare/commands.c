/* SPDX-License-Identifier: MIT */
/* The table of subcommands. See command.h. */
#include "command.h"
#include <stddef.h>
#include <string.h>

const struct command *const commands[] = {&command_measure, &command_info, NULL};

const struct command *command_find(const char *name)
{
    for (const struct command *const *at = commands; *at; at++)
        if (strcmp((*at)->name, name) == 0)
            return *at;
    return NULL;
}
