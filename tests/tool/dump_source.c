/* SPDX-License-Identifier: MIT */
/*
 * Writes the data pages of a source, in the order of their keys, to a flat raw file.
 *
 * Usage: dump_source [--freeze] SOURCE FILE
 * Makes the raw files of datasets/small from live processes, and gives tests one copy of a process
 * that they can measure twice. Pages that are absent, excluded or the kernel's are left out.
 */
#include "source.h"

#include <stdio.h>
#include <string.h>

static bool write_pages(struct ds_source *source, FILE *file)
{
    struct ds_error error;
    struct ds_run run = {0};
    struct ds_look *look = ds_look_new(source, &error);
    bool ok = look != NULL, more = ok;
    while (more) {
        ok = ds_look_at(look, run.index + run.pages, 1 << 10, &run, &error);
        more = ok && run.pages;
        if (more)
            ok = more = fwrite(run.bytes, DS_PAGE_SIZE, run.pages, file) == run.pages;
    }
    ds_look_free(look);
    return ok;
}

static int dump(const char *spec, const char *path, const struct ds_options *options)
{
    struct ds_source *source;
    struct ds_error error;
    if (!ds_source_open(spec, options, &source, &error)) {
        fprintf(stderr, "dump_source: %s\n", error.text);
        return 1;
    }
    FILE *file = fopen(path, "wbe");
    bool ok = file && write_pages(source, file);
    if (file && fclose(file) != 0)
        ok = false;
    if (!ok)
        perror(path);
    ds_source_free(source);
    return ok ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct ds_options options = {0};
    if (argc == 4 && strcmp(argv[1], "--freeze") == 0) {
        options.freeze = true;
        argv++;
        argc--;
    }
    if (argc != 3) {
        fprintf(stderr, "usage: dump_source [--freeze] SOURCE FILE\n");
        return 2;
    }
    return dump(argv[1], argv[2], &options);
}
