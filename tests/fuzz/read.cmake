# SPDX-License-Identifier: MIT
# Fuzz targets of the dump readers.
pkg_check_modules(LIBZSTD REQUIRED IMPORTED_TARGET libzstd)
foreach(name raw elf zstd packed migration lime kdump diff maps)
    share_fuzz_target(NAME fuzz_read_${name}
                      SOURCES fuzz_read_${name}.c
                      LIBS ds_read PkgConfig::LIBZSTD
                      CORPUS corpus/read_${name})
endforeach()
