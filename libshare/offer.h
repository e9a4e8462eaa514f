/* SPDX-License-Identifier: MIT */
/*
 * Offering pages, as share_offer and the scanner do it.
 */
#ifndef SHARE_OFFER_H
#define SHARE_OFFER_H

#include "engine.h"

struct share_offer_batch {
    share_vm vm;
    const share_ppn *ppns;
    size_t count;
    enum share_outcome *outcomes; /* or NULL */
    bool back_off;                /* leave out pages whose turn `pass` is not */
    bool dirty;                   /* the caller has told that they changed */
    uint64_t pass;
    bool scans; /* chosen by a scanner a moment ago: the VM may be another one of its number now */
};

/* Inside the gate. */
enum share_result share_offer_batch(struct share *share, const struct share_offer_batch *batch);

#endif
