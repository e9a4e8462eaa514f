/* SPDX-License-Identifier: MIT */
/* hvrun: what its files share. */
#ifndef HVRUN_H
#define HVRUN_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "hv.h"

enum hvrun_format { HVRUN_TABLE, HVRUN_JSON, HVRUN_CSV };

struct hvrun_options {
    unsigned vms;
    uint64_t memory_bytes;
    char kernel[512], initrd[512]; /* "" : none */
    bool kernel_given, initrd_given;
    bool para;          /* paravirtualized */
    unsigned groups;    /* VM i is of group i % groups */
    const char *append; /* added to the kernel's command line */
    const char *workload;
    bool sharing;
    uint64_t scan_rate;
    double seconds; /* of virtual time; 0: until all VMs ended or a signal comes */
    const char *control;
    const char *log; /* directory for what the VMs print; NULL: not kept */
    enum hvrun_format format;
    bool same_seed, scattered, settle;
    bool has_fp;
    uint64_t seed;
    unsigned rounds, touch_kib, start_ms;
    uint64_t disk_bytes[HV_DISKS_MAX]; /* of each VM, up to the first of 0 */
    unsigned threads;                  /* that run VMs at the same time; 0: one for everything */
    uint64_t machine_bytes;            /* 0: what the VMs need at most */
    /* Of overcommit alone; NULL: not given. */
    const char *scenario, *policy, *tax, *plot;
};

/* options.c: false after a message on stderr. */
void hvrun_options_init(struct hvrun_options *options);
/* A whole number with an optional K, M or G. */
bool hvrun_size(const char *text, uint64_t *value);
/* argv[0] is the subcommand: boot, console or overcommit. */
bool hvrun_options_parse(struct hvrun_options *options, int argc, char **argv);
/* Prints what --help says of all options, of workloads and of policies. */
void hvrun_options_help(FILE *stream);
/* What the guest's kernel knows if this is none of it, else NULL; no message. */
const char *hvrun_workload_unknown(const struct hvrun_options *options, const char *name);

/* guests.c: the world and its VMs; NULL after a message on stderr. */
struct hvrun_guests;
struct hvrun_guests *hvrun_guests_new(const struct hvrun_options *options,
                                      void (*output)(void *, struct hv_vm *, const char *, size_t),
                                      void *output_ctx);
void hvrun_guests_free(struct hvrun_guests *guests);
struct hv_world *hvrun_guests_world(struct hvrun_guests *guests);

/* report.c */
void hvrun_report_header(FILE *stream);
void hvrun_report_rows(FILE *stream, struct hv_world *world);
void hvrun_report_line(FILE *stream, struct hv_world *world);
/* A short line a VM, then the line of all. */
void hvrun_report_lines(FILE *stream, struct hv_world *world);
/* The last lines of what a VM printed. A terminal must not obey them: what is no text is shown as
 * cat -v does. */
void hvrun_report_last_lines(FILE *stream, struct hv_vm *vm);
void hvrun_report_json(FILE *stream, struct hv_world *world);
uint64_t hvrun_host_rss_bytes(void);
double hvrun_wall_seconds(void);
/* What charges.h says, by name; ended by a NULL name. */
struct hvrun_cost {
    const char *name;
    int ticks;
};
extern const struct hvrun_cost hvrun_charges[], hvrun_latencies[];

/* control.c: answers commands of other terminals. */
struct hvrun_control;
struct hvrun_control *hvrun_control_new(const char *path, struct hv_world *world);
void hvrun_control_free(struct hvrun_control *control);
/* Answers what came. Virtual time does not run ahead of that of who asks: waits until as much of it
 * has passed on the wall's clock since `started`, unless interrupted. NULL: nobody asks. */
void hvrun_control_keep_pace(struct hvrun_control *control, double started,
                             const volatile sig_atomic_t *interrupted);
/* commands.c: a row each, ended by a NULL name. */
struct hvrun_request;
struct hvrun_command {
    const char *name, *arguments;
    const char *does; /* one line */
    void (*run)(const struct hvrun_request *request);
    unsigned words_max; /* its name included */
};
extern const struct hvrun_command hvrun_commands[];
/* Runs one command line and writes the answer. */
void hvrun_command(struct hv_world *world, char *line, FILE *answer);

/* Subcommands: exit codes. */
int hvrun_boot(int argc, char **argv);
int hvrun_console(int argc, char **argv);
int hvrun_overcommit(int argc, char **argv);
int hvrun_client(int argc, char **argv);

#endif
