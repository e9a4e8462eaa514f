# SPDX-License-Identifier: MIT
# Paravirtualization: hypercalls by hand, and our own guest kernel where it could be built.
hv_test(test_hv_para hv test_para.c)
hv_test(test_hv_para_orders guest_driver test_para_orders.c)

# mini_test(NAME LABEL SOURCES...): skips where the kernels could not be built
function(mini_test NAME LABEL)
    share_unit_test(NAME ${NAME} SOURCES ${ARGN} mini.c LIBS hv LABEL ${LABEL} TIMEOUT 600)
    set_tests_properties(${NAME} PROPERTIES SKIP_RETURN_CODE 77 ENVIRONMENT TSAN_OPTIONS=${HV_TSAN})
    target_compile_definitions(${NAME} PRIVATE MINI_DIR="${CMAKE_BINARY_DIR}/guest")
    if(TARGET mini)
        add_dependencies(${NAME} mini)
    endif()
endfunction()
# Its reader of device trees, on the host.
set(MINI_FDT ${CMAKE_SOURCE_DIR}/hv-adapter/guest/mini/fdt.c)
hv_test(test_hv_mini_fdt hv test_mini_fdt.c ${MINI_FDT})
target_include_directories(test_hv_mini_fdt SYSTEM PRIVATE ${FDT_INCLUDE_DIR})
target_link_libraries(test_hv_mini_fdt PRIVATE ${FDT_LIBRARY})
share_fuzz_target(NAME fuzz_mini_fdt SOURCES fuzz_mini_fdt.c ${MINI_FDT} LIBS hv share_test_vmm
                  CORPUS corpus/mini_fdt)
mini_test(test_hv_mini guests test_mini.c)
mini_test(test_hv_mini_threads hv test_mini_threads.c)
set_tests_properties(test_hv_mini_threads PROPERTIES LABELS "hv;threads")

# Hostile guests: hypercalls against a model, as a test and as a fuzz target.
hv_test(test_hv_para_model hv test_para_model.c para_model.c others.c)
target_link_libraries(test_hv_para_model PRIVATE share_test_vmm)
share_fuzz_target(NAME fuzz_hv_para SOURCES fuzz_hv_para.c para_model.c others.c LIBS hv share_test_vmm
                  CORPUS corpus/para)

add_test(NAME test_hv_hvrun_para COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/test_hvrun_para
         $<TARGET_FILE:hvrun> $<TARGET_FILE:pageshare> ${CMAKE_CURRENT_BINARY_DIR}/hvrun_para)
# Both check their answers: the same work in both modes, nothing across groups.
add_test(NAME test_hv_modes COMMAND ${CMAKE_SOURCE_DIR}/hv-adapter/experiments/modes
         --hvrun $<TARGET_FILE:hvrun> --rounds 1 forks touch)
add_test(NAME test_hv_signal COMMAND ${CMAKE_SOURCE_DIR}/hv-adapter/experiments/signal
         --hvrun $<TARGET_FILE:hvrun> --rounds 3)
set_tests_properties(test_hv_hvrun_para test_hv_modes test_hv_signal PROPERTIES
                     LABELS guests SKIP_RETURN_CODE 77 TIMEOUT 300)
