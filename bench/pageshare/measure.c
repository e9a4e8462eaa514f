/* SPDX-License-Identifier: MIT */
/* The steps, one after the other. See measure.h. */
#include "measure.h"
#include "first_look.h"
#include "memory.h"
#include "second_look.h"
#include "sort.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUND_PAGES_MIN UINT64_C(16) /* a round costs a walk over all records */
#define ROUNDS_MAX      1000u

struct measurement {
    const struct measure_options *options;
    struct figures *figures;
    struct set *set;
    struct crew crew;
    struct page_key key;
    struct records records;
    struct false_matches matches;
    uint64_t *alone;        /* by source: pages whose content no other page has */
    uint64_t budget_nbytes; /* of pages that are looked at again and again: half of what is there */
    uint64_t record_nbytes; /* that records took */
    uint64_t hashed, groups;
    bool crew_works, roomy;
};

static bool fail(struct measurement *m, const char *text)
{
    crew_fail_with(&m->crew, text);
    return false;
}

static bool is_too_large(struct measurement *m, uint64_t pages)
{
    if (pages < SET_PAGES_MAX)
        return false;
    char text[128];
    snprintf(text, sizeof text, "%llu pages in all: at most %llu can be measured together",
             (unsigned long long)pages, (unsigned long long)SET_PAGES_MAX - 1);
    fail(m, text);
    return true;
}

static void start_progress(struct measurement *m, const char *what, uint64_t pages)
{
    if (m->options->progress)
        progress_start(m->options->progress, what, pages * DS_PAGE_SIZE);
}

static void end_progress(struct measurement *m)
{
    if (m->options->progress)
        progress_end(m->options->progress);
}

/* -------------------------------------------------------------------------------- the steps -- */

static bool init(struct measurement *m, bool draw)
{
    bool more;
    uint64_t pages = set_known_pages(m->set, &more);
    false_matches_init(&m->matches);
    m->crew_works = crew_init(&m->crew, m->set, m->options->threads);
    if (!m->crew_works)
        return fail(m, "out of memory");
    if (m->set->sources > UINT32_MAX)
        return fail(m, "more than 4294967295 sources cannot be measured together");
    if (is_too_large(m, pages))
        return false;
    page_key_init(&m->key);
    if ((draw || m->options->hash_only) && !page_key_draw(&m->key))
        return fail(m, "the system gives no random bytes for a key");
    if (!draw)
        m->key.mask = ~m->options->hash_ignores;
    m->budget_nbytes = memory_available(m->options->root) / 2;
    m->roomy = pages * DS_PAGE_SIZE <= m->budget_nbytes;
    m->alone = calloc(m->set->sources + 1, sizeof *m->alone);
    return (m->alone && records_init(&m->records, m->options->hash_only ? 3 : 2, pages, more,
                                     m->options->threads)) ||
           fail(m, "out of memory for the records of pages");
}

static void fini(struct measurement *m)
{
    if (m->crew_works)
        crew_close_all(&m->crew);
    records_fini(&m->records);
    false_matches_fini(&m->matches);
    crew_fini(&m->crew);
    free(m->alone);
}

static bool look_first(struct measurement *m)
{
    struct first_look how = {&m->key, &m->records, m->options->progress, m->roomy};
    bool more;
    start_progress(m, "measuring", set_known_pages(m->set, &more));
    if (more && m->options->progress)
        m->options->progress->total_nbytes = 0;
    bool ok = first_look(&m->crew, &how);
    end_progress(m);
    return ok;
}

/* From records by page to groups. */
static bool make_groups(struct measurement *m)
{
    if (is_too_large(m, set_number(m->set)))
        return false;
    sort_records(&m->crew, &m->records, (struct sort_key){0, 64});
    records_trim(&m->records);
    m->hashed = m->records.count;
    m->record_nbytes = m->hashed * m->records.width * sizeof *m->records.word;
    m->groups = groups_form(&m->records, m->set, m->alone);
    return true;
}

static bool count(struct measurement *m)
{
    if (!figures_count(m->figures, m->set, &m->records, m->alone))
        return fail(m, "out of memory for the figures");
    m->figures->analysis_bytes += m->record_nbytes;
    return true;
}

/* A group's page that is compared with others is what has to stay in memory. */
static unsigned rounds_of(const struct measurement *m)
{
    uint64_t fit = m->budget_nbytes / DS_PAGE_SIZE;
    fit = fit < ROUND_PAGES_MIN ? ROUND_PAGES_MIN : fit;
    uint64_t rounds = m->groups / fit + 1;
    return m->roomy ? 1 : rounds > ROUNDS_MAX ? ROUNDS_MAX : (unsigned)rounds;
}

static bool look_again(struct measurement *m)
{
    m->roomy &= set_number(m->set) * DS_PAGE_SIZE <= m->budget_nbytes; /* now it is known of all */
    struct second_look how = {.key = &m->key,
                              .records = &m->records,
                              .progress = m->options->progress,
                              .pages = set_number(m->set),
                              .rounds = rounds_of(m),
                              .roomy = m->roomy};
    start_progress(m, "comparing", m->records.count * how.rounds);
    bool ok = second_look(&m->crew, &how, &m->matches);
    end_progress(m);
    return ok;
}

/* Not all groups were what they seemed: tells them apart, and counts again. */
static bool settle(struct measurement *m)
{
    false_matches_settle(&m->matches, &m->records, set_number(m->set));
    sort_records(&m->crew, &m->records, (struct sort_key){GROUP_PARTNER, 64});
    figures_free(m->figures);
    if (!count(m))
        return false;
    m->figures->false_match_pages = m->matches.count;
    return true;
}

/* Two of n contents have one hash with a probability of at most n * (n - 1) / 2 / 2^128. */
static void bound_collisions(struct measurement *m)
{
    double n = (double)(m->hashed + 1); /* the zero page is one of them */
    m->figures->estimated = true;
    m->figures->collision_bound = n * (n - 1) / 2 * 0x1p-128;
}

static bool check_sources(struct measurement *m)
{
    struct ds_error error;
    for (size_t s = 0; s < m->set->sources; s++)
        if (!ds_source_check(m->set->source[s].source, &error)) {
            crew_fail(&m->crew, &error);
            return false;
        }
    return true;
}

static bool run(struct measurement *m)
{
    if (!look_first(m) || !make_groups(m) || !count(m))
        return false;
    bool ok = true;
    if (m->options->hash_only)
        bound_collisions(m);
    else
        ok = look_again(m) && (m->matches.count == 0 || settle(m));
    ok = ok && check_sources(m);
    m->figures->isolated = m->options->isolate;
    if (!ok)
        figures_free(m->figures);
    return ok;
}

bool measure_set(struct set *set, const struct measure_options *options, struct figures *figures,
                 struct ds_error *error)
{
    bool ok = false, flooded = false;
    for (unsigned try = 0; try < 2 && !ok && (try == 0 || flooded); try++) {
        struct measurement m = {.options = options, .figures = figures, .set = set};
        ok = init(&m, try > 0) && run(&m);
        flooded = m.matches.flooded; /* pages were made so that hashes meet under the known key */
        *error = m.crew.error;
        fini(&m);
    }
    return ok;
}
