# SPDX-License-Identifier: MIT
# The engine, a test for each of its files. They include internal headers and link the static library.
set(ENGINE_TESTS adopt alias bucket check clone commit compare cow engine enter frame group grow hash index learning
    limits lock match mem merge offer ops page pool ranges release resize scan stats table tune vm wait waits)
foreach(name ${ENGINE_TESTS})
    share_unit_test(NAME test_${name} SOURCES test_${name}.c LIBS share_test_vmm share_static LABEL unit)
endforeach()
target_link_libraries(test_hash PRIVATE PkgConfig::XXHASH) # what every variant must agree with

# The table once more without vector instructions.
share_unit_test(NAME test_table_scalar
                SOURCES test_table.c ${CMAKE_SOURCE_DIR}/libshare/array.c
                        ${CMAKE_SOURCE_DIR}/libshare/grow.c ${CMAKE_SOURCE_DIR}/libshare/lock.c
                        ${CMAKE_SOURCE_DIR}/libshare/mem.c ${CMAKE_SOURCE_DIR}/libshare/table.c
                        ${CMAKE_SOURCE_DIR}/libshare/wait.c
                LIBS share_test_vmm LABEL unit)
target_compile_options(test_table_scalar PRIVATE -U__SSE2__)

# Millions of pages. Under a sanitizer, or where the library asserts, some hundred thousands.
set(SCALE_ARGS)
if(SHARE_SANITIZE OR SHARE_ASSERTS_HERE GREATER 0 OR CMAKE_BUILD_TYPE STREQUAL Debug)
    set(SCALE_ARGS brief)
endif()
share_unit_test(NAME test_pairs SOURCES test_pairs.c LIBS share_test_vmm share_static LABEL model
                ARGS ${SCALE_ARGS})
share_unit_test(NAME test_engine_scale SOURCES test_engine_scale.c LIBS share_test_vmm share_static
                LABEL model ARGS ${SCALE_ARGS})

if(TARGET share_jemalloc)
    share_unit_test(NAME test_jemalloc SOURCES test_jemalloc.c LIBS share_jemalloc share_test_vmm LABEL unit)
endif()
