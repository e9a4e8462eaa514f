/* SPDX-License-Identifier: MIT */
/* The hook of the schedule tests: of their library alone. */
#include "step.h"

void (*share_step_hook)(enum share_step step);
