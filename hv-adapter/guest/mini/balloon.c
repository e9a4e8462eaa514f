/* SPDX-License-Identifier: MIT */
#include "kernel.h"
void balloon_init(void)
{
}
void balloon_poll(void)
{
}
