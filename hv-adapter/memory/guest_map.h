/* SPDX-License-Identifier: MIT */
/* Where a guest finds what: its map of guest-physical addresses, the same in every VM. */
#ifndef HV_GUEST_MAP_H
#define HV_GUEST_MAP_H

#include <stdbool.h>
#include <stdint.h>

#define HV_RAM_BASE    UINT64_C(0x80000000)
#define HV_PLIC_BASE   UINT64_C(0x0c000000)
#define HV_PLIC_NBYTES UINT64_C(0x00400000)
#define HV_VIRTIO_BASE UINT64_C(0x10001000)
#define HV_VIRTIO_STEP UINT64_C(0x1000)

enum { HV_VIRTIO_SLOTS = 8 };

static inline bool hv_is_device(uint64_t gpa)
{
    return (gpa >= HV_PLIC_BASE && gpa < HV_PLIC_BASE + HV_PLIC_NBYTES) ||
           (gpa >= HV_VIRTIO_BASE && gpa < HV_VIRTIO_BASE + HV_VIRTIO_SLOTS * HV_VIRTIO_STEP);
}

#endif
