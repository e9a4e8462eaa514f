/* SPDX-License-Identifier: MIT */
/* Every room of the VMM that tests look into. */
#ifndef TESTS_HV_INSIDE_H
#define TESTS_HV_INSIDE_H

#include "memory/guest_map.h"
#include "overcommit/paging.h"
#include "platform/board.h"
#include "residence/fault.h"
#include "residence/guest_mem.h"
#include "residence/hypercall.h"
#include "residence/residence.h"
#include "residence/sample.h"
#include "residence/share_glue.h"
#include "virtio/balloon.h"
#include "virtio/blk.h"
#include "virtio/devices.h"
#include "vm/ending.h"
#include "vm/tables.h"
#include "world/world.h"

#endif
