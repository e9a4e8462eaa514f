/* SPDX-License-Identifier: MIT */
/* The version, and with --json also what this build can read. */
#include "options.h"
#include "share.h"
#include <jansson.h>
#include <stdio.h>

static json_t *readers(void)
{
    json_t *array = json_array();
    size_t count;
    const struct ds_reader *reader = ds_readers(&count);
    for (size_t i = 0; i < count; i++)
        json_array_append_new(array,
                              json_pack("{s:s, s:s, s:b}", "name", reader[i].name, "library",
                                        reader[i].library, "built_in", (int)reader[i].built_in));
    return array;
}

void options_version(const struct options *options)
{
    if (options->format != FORMAT_JSON) {
        printf("pageshare %s\n", share_version());
        return;
    }
    json_t *root = json_pack("{s:s, s:o}", "version", share_version(), "readers", readers());
    json_dumpf(root, stdout, JSON_INDENT(2));
    puts("");
    json_decref(root);
}
