# SPDX-License-Identifier: MIT
# How a test is declared. Labels are the parts that ./check NAME runs.

# share_unit_test(NAME test_x SOURCES a.c ... LIBS lib ... LABEL unit|model|schedule)
function(share_unit_test)
    cmake_parse_arguments(T "" "NAME;LABEL;TIMEOUT" "SOURCES;LIBS;ARGS" ${ARGN})
    if(NOT T_LABEL)
        set(T_LABEL unit)
    endif()
    if(NOT T_TIMEOUT)
        set(T_TIMEOUT 300)
    endif()
    add_executable(${T_NAME} ${T_SOURCES})
    set_target_properties(${T_NAME} PROPERTIES
        RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests EXCLUDE_FROM_ALL "${SHARE_LIBFUZZER}")
    target_link_libraries(${T_NAME} PRIVATE ${T_LIBS} PkgConfig::CMOCKA)
    add_test(NAME ${T_NAME} COMMAND ${T_NAME} ${T_ARGS})
    set_tests_properties(${T_NAME} PROPERTIES LABELS ${T_LABEL} TIMEOUT ${T_TIMEOUT})
endfunction()

# share_fuzz_target(NAME fuzz_x SOURCES fuzz_x.c LIBS lib ... CORPUS dir)
# The source defines LLVMFuzzerTestOneInput. With SHARE_LIBFUZZER it is a fuzzer, and a test that
# lets it run for a while; otherwise a test that replays every file of its corpus.
function(share_fuzz_target)
    cmake_parse_arguments(T "" "NAME;CORPUS" "SOURCES;LIBS" ${ARGN})
    if(SHARE_LIBFUZZER)
        add_executable(${T_NAME} ${T_SOURCES})
        target_link_libraries(${T_NAME} PRIVATE ${T_LIBS})
        target_link_options(${T_NAME} PRIVATE -fsanitize=fuzzer)
        add_test(NAME ${T_NAME} COMMAND ${CMAKE_SOURCE_DIR}/tests/fuzz/run $<TARGET_FILE:${T_NAME}>
                 ${CMAKE_CURRENT_SOURCE_DIR}/${T_CORPUS} ${CMAKE_BINARY_DIR}/corpus)
        set_tests_properties(${T_NAME} PROPERTIES LABELS fuzz TIMEOUT 1000000) # SHARE_FUZZ_SECONDS
    else()
        add_executable(${T_NAME} ${T_SOURCES} ${CMAKE_SOURCE_DIR}/tests/fuzz/replay.c)
        target_link_libraries(${T_NAME} PRIVATE ${T_LIBS})
        add_test(NAME ${T_NAME} COMMAND ${T_NAME} ${CMAKE_CURRENT_SOURCE_DIR}/${T_CORPUS})
        set_tests_properties(${T_NAME} PROPERTIES LABELS replay TIMEOUT 300)
    endif()
    set_target_properties(${T_NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
endfunction()
