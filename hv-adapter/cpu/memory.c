/* SPDX-License-Identifier: MIT */
/*
 * Loads and stores that the inlined TLB hit cannot do: misses, devices, misaligned addresses.
 *
 * A misaligned access inside a page is done byte by byte. One that crosses pages has both pages
 * translated before anything is written; a fault of the second names the second page's address.
 * Devices take aligned accesses only.
 *
 * Source: volume I, 2.6; volume II, 3.7.1 (misaligned), 4.1.9 (stval).
 */
#include <stddef.h>

#include "access.h"
#include "access_kind.h"
#include "hv_assert.h"
#include "state.h"

/* The VMM's answer is a page: what it owes the hart, by the comments of struct hv_tlb_fill. */
static bool is_valid(const struct hv_tlb_fill *fill, enum hv_access access)
{
    unsigned needs = hv_access_needs(access);
    return (fill->allow & needs) == needs && fill->page &&
           ((uintptr_t)fill->page & ~HV_PAGE_MASK) == 0 && fill->span_bits >= HV_PAGE_BITS &&
           fill->span_bits <= 30;
}

/* The same of a store to a page that the VMM watches. */
static bool is_watched_store(const struct hv_tlb_fill *fill, enum hv_access access)
{
    return hv_access_stores(access) && fill->page && ((uintptr_t)fill->page & ~HV_PAGE_MASK) == 0;
}

static void remember(struct hv_hart *hart, uint64_t va, enum hv_access access,
                     const struct hv_tlb_fill *fill)
{
    hv_tlb_note_span(&hart->tlb, va, fill->span_bits);
    if (access == HV_ACCESS_FETCH)
        return; /* fetch.c has more to do first */
    if (fill->allow & HV_ALLOW_READ)
        hv_tlb_put_data(hart->bank, va, fill->page, false);
    if (fill->allow & HV_ALLOW_WRITE)
        hv_tlb_put_data(hart->bank, va, fill->page, true);
}

enum hv_result hv_fill(struct hv_hart *hart, uint64_t va, enum hv_access access,
                       struct hv_tlb_fill *out, enum hv_fill *kind)
{
    *out = (struct hv_tlb_fill){.span_bits = HV_PAGE_BITS};
    hart->tlb_misses++;
    *kind = hart->ops->fill(hart->ctx, va, access, out);
    switch (*kind) {
    case HV_FILL_PAGE:
        hv_assert(is_valid(out, access));
        if (!is_valid(out, access))
            break;
        remember(hart, va, access, out);
        return HV_DONE;
    case HV_FILL_WATCHED:
        hv_assert(is_watched_store(out, access));
        if (!is_watched_store(out, access))
            break;
        return HV_DONE;
    case HV_FILL_MMIO:
        if (access == HV_ACCESS_FETCH || access == HV_ACCESS_AMO)
            return hv_raise(hart, hv_access_fault(access), va);
        return HV_DONE;
    case HV_FILL_FAULT:
        return hv_raise(hart, out->cause, va);
    case HV_FILL_STOP:
        break;
    }
    hart->stop = HV_STOP_FILL;
    return HV_REDIRECTED;
}

/* What is in the TLB already; NULL if nothing is. */
static void *cached(const struct hv_hart *hart, uint64_t va, enum hv_access access)
{
    const struct hv_tlb_data *entries =
        access == HV_ACCESS_LOAD ? hart->bank->read : hart->bank->write;
    const struct hv_tlb_data *entry = &entries[hv_tlb_data_index(va)];
    return entry->tag == hv_tlb_tag(va, 1) ? hv_tlb_host(entry, va) : NULL;
}

enum hv_result hv_translate(struct hv_hart *hart, uint64_t va, enum hv_access access,
                            struct hv_place *place)
{
    struct hv_tlb_fill fill;
    enum hv_fill kind;
    *place = (struct hv_place){.host = cached(hart, va, access)};
    if (place->host)
        return HV_DONE;
    if (hv_fill(hart, va, access, &fill, &kind) != HV_DONE)
        return HV_REDIRECTED;
    place->gpa = fill.gpa;
    place->watched = kind == HV_FILL_WATCHED;
    if (kind != HV_FILL_MMIO)
        place->host = (uint8_t *)fill.page + (va & ~HV_PAGE_MASK);
    return HV_DONE;
}

static bool is_aligned(uint64_t va, unsigned nbytes)
{
    return (va & (nbytes - 1)) == 0;
}

/* How many of the bytes lie in va's page. */
static unsigned nbytes_in_first_page(uint64_t va, unsigned nbytes)
{
    uint64_t room = HV_PAGE_SIZE - (va & ~HV_PAGE_MASK);
    return room < nbytes ? (unsigned)room : nbytes;
}

static enum hv_result misaligned(struct hv_hart *hart, uint64_t va, enum hv_access access)
{
    return hv_raise(
        hart, access == HV_ACCESS_LOAD ? HV_CAUSE_LOAD_MISALIGNED : HV_CAUSE_STORE_MISALIGNED, va);
}

/*
 * Both pages of an access that crosses from va's page to the next. Filling the second may make the
 * VMM drop the first (it may need the frame): then once more. A VMM that cannot hold two pages at
 * a time stops the hart rather than hang it.
 */
static enum hv_result translate_two(struct hv_hart *hart, uint64_t va, enum hv_access access,
                                    struct hv_place place[2])
{
    uint64_t next = (va & HV_PAGE_MASK) + HV_PAGE_SIZE;
    struct hv_place again;
    for (unsigned tries = 0; tries < 8; tries++) {
        for (unsigned i = 0; i < 2; i++) {
            if (hv_translate(hart, i ? next : va, access, &place[i]) != HV_DONE)
                return HV_REDIRECTED;
            if (!place[i].host)
                return misaligned(hart, va, access);
        }
        again = place[0];
        if (place[0].watched && hv_translate(hart, va, access, &again) != HV_DONE)
            return HV_REDIRECTED;
        if ((place[0].watched ? again.host : cached(hart, va, access)) == place[0].host)
            return HV_DONE;
    }
    hart->stop = HV_STOP_FILL;
    return HV_REDIRECTED;
}

enum hv_result hv_load_slow(struct hv_hart *hart, uint64_t va, unsigned nbytes)
{
    unsigned first = nbytes_in_first_page(va, nbytes);
    struct hv_place place[2];
    if (first < nbytes) {
        if (translate_two(hart, va, HV_ACCESS_LOAD, place) != HV_DONE)
            return HV_REDIRECTED;
        hart->loaded = hv_mem_load_bytes(place[0].host, first) |
                       hv_mem_load_bytes(place[1].host, nbytes - first) << (8 * first);
        return HV_DONE;
    }
    if (hv_translate(hart, va, HV_ACCESS_LOAD, &place[0]) != HV_DONE)
        return HV_REDIRECTED;
    if (place[0].host) {
        hart->loaded = is_aligned(va, nbytes) ? hv_mem_load(place[0].host, nbytes)
                                              : hv_mem_load_bytes(place[0].host, nbytes);
        return HV_DONE;
    }
    if (!is_aligned(va, nbytes))
        return misaligned(hart, va, HV_ACCESS_LOAD);
    if (!hart->ops->mmio_load(hart->ctx, place[0].gpa, nbytes, &hart->loaded))
        return hv_raise(hart, HV_CAUSE_LOAD_ACCESS, va);
    return HV_DONE;
}

static enum hv_result store_across(struct hv_hart *hart, uint64_t va, unsigned nbytes,
                                   uint64_t value)
{
    unsigned first = nbytes_in_first_page(va, nbytes);
    struct hv_place place[2];
    if (translate_two(hart, va, HV_ACCESS_STORE, place) != HV_DONE)
        return HV_REDIRECTED;
    hv_mem_store_bytes(place[0].host, first, value);
    hv_mem_store_bytes(place[1].host, nbytes - first, value >> (8 * first));
    hv_wrote(hart, &place[0], first);
    hv_wrote(hart, &place[1], nbytes - first);
    return HV_DONE;
}

enum hv_result hv_store_slow(struct hv_hart *hart, uint64_t va, unsigned nbytes, uint64_t value)
{
    struct hv_place place;
    if (nbytes_in_first_page(va, nbytes) < nbytes)
        return store_across(hart, va, nbytes, value);
    if (hv_translate(hart, va, HV_ACCESS_STORE, &place) != HV_DONE)
        return HV_REDIRECTED;
    if (place.host) {
        if (is_aligned(va, nbytes))
            hv_mem_store(place.host, nbytes, value);
        else
            hv_mem_store_bytes(place.host, nbytes, value);
        hv_wrote(hart, &place, nbytes);
        return HV_DONE;
    }
    if (!is_aligned(va, nbytes))
        return misaligned(hart, va, HV_ACCESS_STORE);
    if (!hart->ops->mmio_store(hart->ctx, place.gpa, nbytes, value))
        return hv_raise(hart, HV_CAUSE_STORE_ACCESS, va);
    return HV_DONE;
}
