# SPDX-License-Identifier: MIT
# A cross build for 64-bit RISC-V, of the library alone:
#   cmake -DCMAKE_TOOLCHAIN_FILE=cmake/riscv64.cmake -DSHARE_LIBRARY_ONLY=ON ...
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR riscv64)
set(CMAKE_C_COMPILER riscv64-linux-gnu-gcc)
# pkg-config is to find libraries for the target, and none of this machine's.
set(ENV{PKG_CONFIG_LIBDIR} /usr/lib/riscv64-linux-gnu/pkgconfig)
