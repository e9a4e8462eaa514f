/* SPDX-License-Identifier: MIT */
/* Scenario files. See scenario.h. Every key is checked: a misspelt one is an error, not a default.
 */
#include "scenario.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hvrun.h"

enum { NOBODY = -1, SHARES_MAX = 1000000000 };

struct reader {
    const char *path;
    struct scenario *scenario;
};

static bool complain(const struct reader *in, const char *what, const char *found)
{
    fprintf(stderr, "hvrun: %s: %s%s%s%s\n", in->path, what, found ? ", found \"" : "",
            found ? found : "", found ? "\"" : "");
    return false;
}

/* jansson's message names the key. */
static bool unpacked(const struct reader *in, int result, const json_error_t *error,
                     const char *where, size_t index)
{
    if (result == 0)
        return true;
    fprintf(stderr, "hvrun: %s: %s %zu: %s\n", in->path, where, index, error->text);
    return false;
}

bool scenario_tax(const char *text, double *tax)
{
    static const struct {
        const char *name;
        double tax;
    } names[] = {{"default", HV_TAX_DEFAULT}, {"taught", HV_TAX_TAUGHT}, {"none", HV_TAX_NONE}};
    char *end;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(text, names[i].name) == 0) {
            *tax = names[i].tax;
            return true;
        }
    *tax = strtod(text, &end);
    bool percent = *end == '%';
    if (percent)
        *tax /= 100;
    return end != text && end[percent] == 0;
}

bool scenario_policy(const char *name, const struct hv_policy **policy)
{
    *policy = hv_policy_find(name);
    return *policy || strcmp(name, "none") == 0;
}

static bool size_of(const struct reader *in, const char *key, const char *text, uint64_t *value)
{
    char expected[96];
    *value = 0;
    snprintf(expected, sizeof expected, "\"%s\": expected a size as \"64M\"", key);
    return !text || hvrun_size(text, value) || complain(in, expected, text);
}

static bool word_of(const struct reader *in, const char *key, const char *text,
                    char to[SCENARIO_WORD_MAX])
{
    char expected[96];
    snprintf(expected, sizeof expected,
             "\"%s\": expected a word of letters, digits and \"-\", below %d characters", key,
             SCENARIO_WORD_MAX);
    size_t length = strlen(text);
    if (length == 0 || length >= SCENARIO_WORD_MAX ||
        strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") != length)
        return complain(in, expected, text);
    memcpy(to, text, length + 1);
    return true;
}

/* A tax in a file: a number, or a string as on the command line. */
static bool tax_of(const struct reader *in, const json_t *value, double *tax)
{
    if (json_is_number(value)) {
        *tax = json_number_value(value);
        return true;
    }
    const char *text = json_string_value(value);
    return (text && scenario_tax(text, tax)) ||
           complain(in,
                    "\"tax\": expected a fraction, \"50%\", \"default\", \"taught\" or \"none\"",
                    text ? text : "something else");
}

/* The VM of an object, added behind those that there are. */
static bool read_vm(const struct reader *in, json_t *object, size_t index)
{
    struct scenario *scenario = in->scenario;
    struct scenario_vm *more =
        realloc(scenario->vms, (scenario->vms_count + 1) * sizeof *scenario->vms);
    if (!more)
        return complain(in, "out of memory", NULL);
    scenario->vms = more;
    struct scenario_vm *vm = &more[scenario->vms_count];
    *vm = (struct scenario_vm){.shares = 0};
    const char *name = NULL, *workload = "idle", *memory = NULL, *min = "0", *disk = "0",
               *balloon = "0", *active = "0";
    char fallback[24];
    uint64_t active_bytes;
    json_int_t shares = 1000;
    json_error_t error;
    int result =
        json_unpack_ex(object, &error, 0, "{s?s, s:s, s?s, s?s, s?s, s?s, s?s, s?I !}", "name",
                       &name, "memory", &memory, "min", &min, "disk", &disk, "balloon", &balloon,
                       "active", &active, "workload", &workload, "shares", &shares);
    snprintf(fallback, sizeof fallback, "vm%u", scenario->vms_count);
    if (!unpacked(in, result, &error, "vms", index) ||
        !word_of(in, "name", name ? name : fallback, vm->name) ||
        !word_of(in, "workload", workload, vm->workload) ||
        !size_of(in, "memory", memory, &vm->memory_bytes) ||
        !size_of(in, "min", min, &vm->min_bytes) || !size_of(in, "disk", disk, &vm->disk_bytes) ||
        !size_of(in, "balloon", balloon, &vm->balloon_bytes) ||
        !size_of(in, "active", active, &active_bytes))
        return false;
    if (shares <= 0 || shares > SHARES_MAX)
        return complain(in, "\"shares\": expected a number from 1 to 1000000000", NULL);
    if (vm->balloon_bytes >= vm->memory_bytes)
        return complain(in, "\"balloon\": expected less than the VM's memory", balloon);
    if (vm->min_bytes > vm->memory_bytes)
        return complain(in, "\"min\": expected no more than the VM's memory", min);
    vm->shares = (uint64_t)shares;
    vm->active_kib = active_bytes >> 10;
    scenario->vms_count++;
    return true;
}

/* What kind of event it is, and whose. */
static bool read_what(const struct reader *in, struct scenario_event *event, json_t *tax,
                      json_t *arrive, json_int_t vm, json_int_t leave, const char *active)
{
    struct scenario *scenario = in->scenario;
    bool of_vm = active && vm != NOBODY;
    if ((tax != NULL) + (arrive != NULL) + (leave != NOBODY) + of_vm != 1 ||
        (!of_vm && (active || vm != NOBODY)))
        return complain(in,
                        "an event is of one kind: \"tax\"; \"vm\" and its \"active\" memory; "
                        "\"arrive\"; or \"leave\"",
                        NULL);
    event->vm = scenario->vms_count;
    if (tax) {
        event->what = SCENARIO_TAX;
        return tax_of(in, tax, &event->tax);
    }
    if (arrive) {
        event->what = SCENARIO_ARRIVE;
        if (!read_vm(in, arrive, event->vm))
            return false;
        scenario->vms[event->vm].arrives = true;
        return true;
    }
    json_int_t number = of_vm ? vm : leave;
    if (number < 0 || number >= scenario->vms_count)
        return complain(in, "\"vm\", \"leave\": expected the number of a VM", NULL);
    event->what = of_vm ? SCENARIO_ACTIVE : SCENARIO_LEAVE;
    event->vm = (unsigned)number;
    if (of_vm && !size_of(in, "active", active, &event->active_kib))
        return false;
    event->active_kib >>= 10;
    return true;
}

static bool read_event(const struct reader *in, json_t *object, size_t index)
{
    struct scenario *scenario = in->scenario;
    struct scenario_event *more = realloc(scenario->events, (index + 1) * sizeof *scenario->events);
    if (!more)
        return complain(in, "out of memory", NULL);
    scenario->events = more;
    struct scenario_event *event = &more[index];
    *event = (struct scenario_event){.at = 0};
    json_t *tax = NULL, *arrive = NULL;
    const char *active = NULL;
    json_int_t vm = NOBODY, leave = NOBODY;
    json_error_t error;
    int result = json_unpack_ex(object, &error, 0, "{s:F, s?o, s?I, s?s, s?o, s?I !}", "at",
                                &event->at, "tax", &tax, "vm", &vm, "active", &active, "arrive",
                                &arrive, "leave", &leave);
    if (!unpacked(in, result, &error, "events", index))
        return false;
    if (event->at < (index ? event[-1].at : 0) || !isfinite(event->at))
        return complain(in, "\"at\": expected events in order of time", NULL);
    if (!read_what(in, event, tax, arrive, vm, leave, active))
        return false;
    scenario->events_count++;
    return true;
}

static bool read_array(const struct reader *in, json_t *array, const char *key,
                       bool (*one)(const struct reader *, json_t *, size_t))
{
    char expected[64];
    size_t index;
    json_t *object;
    snprintf(expected, sizeof expected, "\"%s\": expected an array", key);
    if (!json_is_array(array))
        return complain(in, expected, NULL);
    json_array_foreach(array, index, object) if (!one(in, object, index)) return false;
    return true;
}

static bool unknown_policy(const struct reader *in, const char *found)
{
    char names[128], what[sizeof names + 32];
    snprintf(what, sizeof what, "\"policy\": expected %s", hv_policy_names(names, sizeof names));
    return complain(in, what, found);
}

static bool read_root(const struct reader *in, json_t *root)
{
    struct scenario *scenario = in->scenario;
    const char *title = "", *memory = NULL, *policy = "none";
    json_t *tax = NULL, *vms = NULL, *events = NULL;
    const char *swap_file = NULL, *swap = "0";
    int sharing = 0, census = 0;
    json_int_t scan_rate = 10000;
    json_error_t error;
    int result = json_unpack_ex(
        root, &error, 0, "{s?s, s:s, s?s, s?o, s?F, s?F, s:F, s?b, s?b, s?I, s:o, s?o, s?s, s?s !}",
        "title", &title, "memory", &memory, "policy", &policy, "tax", &tax, "slack",
        &scenario->slack, "period", &scenario->period, "seconds", &scenario->seconds, "sharing",
        &sharing, "census", &census, "scan_rate", &scan_rate, "vms", &vms, "events", &events,
        "swap_file", &swap_file, "swap", &swap);
    if (!unpacked(in, result, &error, "scenario", 0) ||
        !size_of(in, "memory", memory, &scenario->memory_bytes) ||
        !size_of(in, "swap", swap, &scenario->swap_bytes))
        return false;
    if (swap_file && !(scenario->swap_file = strdup(swap_file)))
        return complain(in, "out of memory", NULL);
    if (!scenario_policy(policy, &scenario->policy))
        return unknown_policy(in, policy);
    if (tax && !tax_of(in, tax, &scenario->tax))
        return false;
    if (!(scenario->period >= 0.01 && scenario->period < 1e6 && scenario->seconds > 0 &&
          scenario->seconds < 1e6))
        return complain(in, "\"period\", \"seconds\": expected at least 0.01 s, below a million",
                        NULL);
    if (scan_rate < 0)
        return complain(in, "\"scan_rate\": expected pages a second", NULL);
    snprintf(scenario->title, sizeof scenario->title, "%s", title);
    scenario->sharing = sharing;
    scenario->census = census;
    scenario->scan_rate = (uint64_t)scan_rate;
    if (!read_array(in, vms, "vms", read_vm))
        return false;
    if (scenario->vms_count == 0)
        return complain(in, "\"vms\": expected at least one", NULL);
    return !events || read_array(in, events, "events", read_event);
}

void scenario_fini(struct scenario *scenario)
{
    free(scenario->vms);
    free(scenario->events);
    free(scenario->swap_file);
}

bool scenario_read(struct scenario *scenario, const char *path)
{
    json_error_t error;
    json_t *root = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    *scenario = (struct scenario){.tax = HV_TAX_DEFAULT, .slack = HV_SLACK_DEFAULT, .period = 1};
    if (!root) {
        if (error.line > 0)
            fprintf(stderr, "hvrun: %s:%d:%d: %s\n", path, error.line, error.column, error.text);
        else
            fprintf(stderr, "hvrun: %s\n", error.text);
        return false;
    }
    bool right = read_root(&(struct reader){path, scenario}, root);
    json_decref(root);
    return right;
}
