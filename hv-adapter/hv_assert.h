/* SPDX-License-Identifier: MIT */
/*
 * Asserts, by price, as in libshare/invariant.h: a bug of ours ends the program where it happens,
 * in builds that ask for it. What a guest does is never one.
 *
 *     hv_assert               1: a few instructions on what is at hand: arguments, a transition
 *     hv_assert_internal      2: reads a neighbour or two: an `_is_valid` of one object
 *     hv_assert_expensive     3: walks a structure
 *
 * SHARE_ASSERTS is the dearest price that is compiled in (cmake/Asserts.cmake); conditions have no
 * side effects.
 */
#ifndef HV_ASSERT_H
#define HV_ASSERT_H

#include <assert.h>

#ifndef SHARE_ASSERTS
#define SHARE_ASSERTS 0
#endif

#if SHARE_ASSERTS > 0
#define hv_assert_at(price, condition) \
    do {                               \
        if (SHARE_ASSERTS >= (price))  \
            assert(condition);         \
    } while (0)
#else /* it still has to compile */
#define hv_assert_at(price, condition) ((void)(0 && (condition)))
#endif

#define hv_assert(condition)           hv_assert_at(1, condition)
#define hv_assert_internal(condition)  hv_assert_at(2, condition)
#define hv_assert_expensive(condition) hv_assert_at(3, condition)

#endif
