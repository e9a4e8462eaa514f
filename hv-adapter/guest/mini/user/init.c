/* SPDX-License-Identifier: MIT */
/* The first process: runs the workload's programs, round by round, and says what they computed. */
#include "user.h"

static const char *const names[] = {"idle", "touch", "forks", "compute", "mix", "signal", "sweep"};

/* The programs of one workload, all at once. */
static unsigned start(uint64_t workload, uint64_t seed)
{
    static const uint8_t programs[][4] = {
        [WORK_IDLE] = {0},
        [WORK_TOUCH] = {PROGRAM_TOUCH},
        [WORK_FORKS] = {PROGRAM_FORKS, PROGRAM_FORKS},
        [WORK_COMPUTE] = {PROGRAM_COMPUTE, PROGRAM_COMPUTE, PROGRAM_COMPUTE},
        [WORK_MIX] = {PROGRAM_TOUCH, PROGRAM_FORKS, PROGRAM_COMPUTE},
        [WORK_SIGNAL] = {PROGRAM_SIGNAL},
        [WORK_SWEEP] = {PROGRAM_SWEEP},
    };
    unsigned count = 0;
    for (; count < 4 && programs[workload][count]; count++)
        if (call(CALL_SPAWN, programs[workload][count], seed + count * 1000) == UINT64_MAX)
            say("init: no room for a process\n");
    return count;
}

/* The order in which they end must not matter. */
static uint64_t collect(unsigned count)
{
    uint64_t sum = 0, code;
    while (count-- > 0 && wait(&code) > 0)
        sum += mix(1, code);
    return sum;
}

static void say_counts(void)
{
    say("init: ");
    say_number(param(PARAM_UPDATES));
    say(" page-table updates, ");
    say_number(param(PARAM_FORKS));
    say(" forks, ");
    say_number(param(PARAM_SWITCHES));
    say(" switches\n");
}

uint64_t init_main(uint64_t argument)
{
    uint64_t workload = param(PARAM_WORKLOAD), seed = param(PARAM_SEED), sum = argument;
    bool own = workload == WORK_SIGNAL || workload == WORK_SWEEP; /* have rounds of their own */
    uint64_t rounds = workload == WORK_IDLE || own ? 1 : param(PARAM_ROUNDS);
    say("init: workload ");
    say(names[workload]);
    say("\n");
    for (uint64_t round = 0; rounds == 0 || round < rounds; round++) {
        sum = mix(sum, collect(start(workload, seed * 1000003 + round)));
        say("round ");
        say_number(round);
        say(" checksum ");
        say_hex(sum);
        say("\n");
    }
    say("done checksum ");
    say_hex(sum);
    say("\n");
    say_counts();
    if (param(PARAM_POWER_OFF))
        call(CALL_OFF, 0, 0);
    for (;;)
        call(CALL_SLEEP, UINT64_MAX, 0);
}
