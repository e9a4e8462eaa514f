/* SPDX-License-Identifier: MIT */
/*
 * Asserts, by price. A bug of ours ends the program where it happens, in builds that ask for it;
 * the library as it is installed has none.
 *
 *     share_assert            1: a few instructions on what is at hand: arguments, a transition
 *     share_assert_internal   2: reads a neighbour or two: an `_is_valid` of one object
 *     share_assert_expensive  3: walks a structure
 *
 * SHARE_ASSERTS is the dearest price that is compiled in (cmake/Asserts.cmake); conditions have no
 * side effects.
 */
#ifndef SHARE_INVARIANT_H
#define SHARE_INVARIANT_H

#include <assert.h>

#ifndef SHARE_ASSERTS
#define SHARE_ASSERTS 0
#endif

#if SHARE_ASSERTS > 0
#define share_assert_at(price, condition) \
    do {                                  \
        if (SHARE_ASSERTS >= (price))     \
            assert(condition);            \
    } while (0)
#else /* it still has to compile */
#define share_assert_at(price, condition) ((void)(0 && (condition)))
#endif

#define share_assert(condition)           share_assert_at(1, condition)
#define share_assert_internal(condition)  share_assert_at(2, condition)
#define share_assert_expensive(condition) share_assert_at(3, condition)

#endif
