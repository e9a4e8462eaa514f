# SPDX-License-Identifier: MIT
# Tests of the dump readers. Some include the readers' internal headers.
pkg_check_modules(LIBZSTD REQUIRED IMPORTED_TARGET libzstd)
foreach(name raw formats elf zstd packed migration lime kdump diff maps pid freeze gcore qemu)
    share_unit_test(NAME test_read_${name}
                    SOURCES test_read_${name}.c test_read_util.c
                    LIBS ds_read PkgConfig::LIBZSTD
                    LABEL unit)
endforeach()
# What packs for it is needed by this test alone.
pkg_check_modules(LZO2 QUIET IMPORTED_TARGET lzo2)
if(LZO2_FOUND)
    share_unit_test(NAME test_read_lzo SOURCES test_read_lzo.c LIBS ds_read PkgConfig::LZO2 LABEL unit)
else()
    message(STATUS "test_read_lzo is left out: liblzo2 (liblzo2-dev) is not installed")
endif()
# They skip where a program is missing. QEMU is the part guests'.
set_tests_properties(test_read_gcore test_read_qemu PROPERTIES SKIP_RETURN_CODE 77)
set_tests_properties(test_read_qemu PROPERTIES LABELS guests)
