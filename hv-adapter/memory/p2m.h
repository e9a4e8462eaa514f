/* SPDX-License-Identifier: MIT */
/*
 * What a paravirtualized guest sees of its physmap: its PPN -> MPN table, mapped read-only, and the
 * memory of which machine pages were ever its own (a number that moved is answered otherwise than
 * one that it made up).
 *
 * Cost: 8 bytes a page of the VM, one bit a page of the machine. Threads: the VM's lock owns all of
 * it; the guest reads mpn[] without, word by word.
 */
#ifndef HV_P2M_H
#define HV_P2M_H

#include <stdbool.h>
#include <stdint.h>

struct hv_p2m {
    uint64_t *mpn;   /* owned: whole pages; [i]: MPN or HV_PARA_ABSENT, of PPN begin + i */
    uint64_t *ever;  /* owned: bit m: MPN m is or was this VM's */
    uint64_t nbytes; /* of mpn */
    uint64_t machine_pages;
};

bool hv_p2m_init(struct hv_p2m *p2m, uint64_t pages, uint64_t machine_pages);
void hv_p2m_fini(struct hv_p2m *p2m);

/* mpn: HV_MPN_NONE for absent. */
void hv_p2m_set(struct hv_p2m *p2m, uint64_t index, uint32_t mpn);

/* Whether the VM has or had this machine page. Any number may be asked about. */
static inline bool hv_p2m_was(const struct hv_p2m *p2m, uint64_t mpn)
{
    return mpn < p2m->machine_pages && (p2m->ever[mpn / 64] >> mpn % 64 & 1);
}

#endif
