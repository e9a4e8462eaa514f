/* SPDX-License-Identifier: MIT */
/* See fake_source.h. */
#include "fake_source.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RUN_MAX 7 /* pages that lie together: an odd number, so that runs end anywhere */

struct fake fakes[FAKES];

struct ds_source {
    struct ds_info info;
    struct fake *fake;
    char spec[16];
    char *data; /* letters of pages with bytes */
    unsigned open_looks;
};

struct ds_look {
    struct ds_source *source;
    uint64_t next;  /* index */
    uint8_t *bytes; /* of a run, or of all pages if they stay */
    size_t nbytes;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

void fakes_reset(void)
{
    memset(fakes, 0, sizeof fakes);
}

static void complain(const char *what)
{
    fprintf(stderr, "fake source: %s\n", what);
    abort();
}

/* What is told at once, or at the end of a sequential source. */
static void tell(struct ds_source *source)
{
    struct ds_info *info = &source->info;
    info->complete = true;
    info->data_pages = strlen(source->data);
    info->pages[DS_DATA] = info->data_pages;
    info->pages[DS_ZERO] = info->pages[DS_ABSENT] = 0;
    for (const char *page = source->fake->pages; *page; page++) {
        info->pages[DS_ZERO] += *page == 'z';
        info->pages[DS_ABSENT] += *page == '.';
    }
}

bool ds_source_open(const char *spec, const struct ds_options *options, struct ds_source **out,
                    struct ds_error *error)
{
    struct ds_source *source = calloc(1, sizeof *source);
    (void)options;
    (void)error;
    source->fake = &fakes[atoi(spec)];
    source->data = calloc(1, strlen(source->fake->pages) + 1);
    snprintf(source->spec, sizeof source->spec, "%s", spec);
    size_t data = 0;
    for (const char *page = source->fake->pages; *page; page++)
        if (*page != 'z' && *page != '.')
            source->data[data++] = *page;
    source->info.spec = source->spec;
    source->info.format = "fake";
    source->info.sequential = source->fake->sequential;
    source->info.stays = source->fake->stays;
    if (!source->info.sequential)
        tell(source);
    *out = source;
    return true;
}

const struct ds_info *ds_source_info(const struct ds_source *source)
{
    return &source->info;
}

bool ds_source_check(struct ds_source *source, struct ds_error *error)
{
    snprintf(error->text, sizeof error->text, "%s: was replaced", source->spec);
    return !source->fake->replaced;
}

void ds_source_free(struct ds_source *source)
{
    if (source && source->open_looks)
        complain("looks outlive it");
    if (source)
        free(source->data);
    free(source);
}

const char *ds_state_name(enum ds_state state)
{
    return state == DS_DATA ? "data" : "other";
}

struct ds_look *ds_look_new(struct ds_source *source, struct ds_error *error)
{
    (void)error;
    pthread_mutex_lock(&mutex);
    source->fake->looks++;
    if (source->open_looks++ && source->fake->sequential)
        complain("two looks at a sequential one");
    pthread_mutex_unlock(&mutex);
    struct ds_look *look = calloc(1, sizeof *look);
    look->source = source;
    look->nbytes = (source->fake->stays ? strlen(source->data) + 1 : RUN_MAX) * DS_PAGE_SIZE;
    look->bytes = malloc(look->nbytes);
    return look;
}

/* What it gave is gone. */
static void spoil(struct ds_look *look)
{
    memset(look->bytes, 0xee, look->nbytes);
}

static char letter_at(struct fake *fake, const char *data, uint64_t index)
{
    char letter = data[index];
    pthread_mutex_lock(&mutex);
    if (fake->into && index == fake->changes && fake->asked++)
        letter = fake->into;
    pthread_mutex_unlock(&mutex);
    return letter;
}

bool ds_look_at(struct ds_look *look, uint64_t index, size_t pages, struct ds_run *run,
                struct ds_error *error)
{
    struct ds_source *source = look->source;
    const uint64_t all = strlen(source->data);
    uint8_t *bytes = look->bytes;
    if (!source->fake->stays)
        spoil(look);
    else if (index < all)
        bytes += index * DS_PAGE_SIZE;
    *run = (struct ds_run){.index = index, .bytes = bytes};
    if (source->fake->shrinks && source->fake->looks > 1) {
        snprintf(error->text, sizeof error->text, "%s: became shorter", source->spec);
        return false;
    }
    if (source->fake->sequential && index < look->next)
        complain("looks back in a sequential one");
    for (; run->pages < pages && run->pages < RUN_MAX && index + run->pages < all; run->pages++) {
        char letter = letter_at(source->fake, source->data, index + run->pages);
        memset(bytes + run->pages * DS_PAGE_SIZE, letter == '0' ? 0 : letter, DS_PAGE_SIZE);
    }
    look->next = index + run->pages;
    pthread_mutex_lock(&mutex);
    if (index >= all && source->fake->sequential)
        tell(source);
    pthread_mutex_unlock(&mutex);
    return true;
}

void ds_look_ahead(struct ds_look *look, uint64_t index, size_t pages)
{
    if (index + pages > strlen(look->source->data))
        complain("ahead of its end");
}

void ds_look_idle(struct ds_look *look)
{
    spoil(look);
}

void ds_look_behind(struct ds_look *look, uint64_t index, size_t pages)
{
    ds_look_ahead(look, index, pages);
}

void ds_look_free(struct ds_look *look)
{
    if (!look)
        return;
    pthread_mutex_lock(&mutex);
    look->source->open_looks--;
    pthread_mutex_unlock(&mutex);
    spoil(look);
    free(look->bytes);
    free(look);
}
