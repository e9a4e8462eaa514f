# SPDX-License-Identifier: MIT
# Which asserts are compiled in. They have three prices (libshare/invariant.h, hv-adapter/hv_assert.h).
set(SHARE_ASSERTS "" CACHE STRING
    "dearest asserts compiled in, 0 (none) to 3; empty: 2 with sanitizers or fuzzers, else 0")
set(SHARE_ASSERTS_HERE ${SHARE_ASSERTS})
if(SHARE_ASSERTS STREQUAL "")
    set(SHARE_ASSERTS_HERE 0)
    if(SHARE_SANITIZE OR SHARE_LIBFUZZER)
        set(SHARE_ASSERTS_HERE 2)
    endif()
endif()

# share_asserts(TARGET [AT_LEAST]): as this build has them, or more. NDEBUG comes with every build type
# that optimises: what asserts has to take it back.
function(share_asserts TARGET)
    set(price ${SHARE_ASSERTS_HERE})
    if(ARGC GREATER 1 AND ARGV1 GREATER price)
        set(price ${ARGV1})
    endif()
    target_compile_definitions(${TARGET} PRIVATE SHARE_ASSERTS=${price})
    if(price GREATER 0)
        target_compile_options(${TARGET} PRIVATE -UNDEBUG)
    endif()
endfunction()
