# SPDX-License-Identifier: MIT
# Fuzz targets of the engine: its table alone, and all of it.
share_fuzz_target(NAME fuzz_table SOURCES fuzz_table.c LIBS share_test_vmm share_asserting
                  CORPUS corpus/table)
share_fuzz_target(NAME fuzz_engine SOURCES fuzz_engine.c
                  LIBS share_test_model share_test_vmm share_asserting CORPUS corpus/engine)
