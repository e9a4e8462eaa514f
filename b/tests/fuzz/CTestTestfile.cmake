# CMake generated Testfile for 
# Source directory: /var/tmp/trial/tests/fuzz
# Build directory: /var/tmp/trial/b/tests/fuzz
# 
# This file includes the relevant testing commands required for 
# testing this directory and lists subdirectories to be tested as well.
add_test([=[fuzz_read_raw]=] "/var/tmp/trial/b/tests/fuzz_read_raw" "/var/tmp/trial/tests/fuzz/corpus/read_raw")
set_tests_properties([=[fuzz_read_raw]=] PROPERTIES  LABELS "replay" TIMEOUT "300" _BACKTRACE_TRIPLES "/var/tmp/trial/cmake/Tests.cmake;36;add_test;/var/tmp/trial/tests/fuzz/read.cmake;5;share_fuzz_target;/var/tmp/trial/tests/fuzz/read.cmake;0;;/var/tmp/trial/tests/fuzz/CMakeLists.txt;2;include;/var/tmp/trial/tests/fuzz/CMakeLists.txt;0;")
add_test([=[fuzz_read_elf]=] "/var/tmp/trial/b/tests/fuzz_read_elf" "/var/tmp/trial/tests/fuzz/corpus/read_elf")
set_tests_properties([=[fuzz_read_elf]=] PROPERTIES  LABELS "replay" TIMEOUT "300" _BACKTRACE_TRIPLES "/var/tmp/trial/cmake/Tests.cmake;36;add_test;/var/tmp/trial/tests/fuzz/read.cmake;5;share_fuzz_target;/var/tmp/trial/tests/fuzz/read.cmake;0;;/var/tmp/trial/tests/fuzz/CMakeLists.txt;2;include;/var/tmp/trial/tests/fuzz/CMakeLists.txt;0;")
add_test([=[fuzz_read_zstd]=] "/var/tmp/trial/b/tests/fuzz_read_zstd" "/var/tmp/trial/tests/fuzz/corpus/read_zstd")
set_tests_properties([=[fuzz_read_zstd]=] PROPERTIES  LABELS "replay" TIMEOUT "300" _BACKTRACE_TRIPLES "/var/tmp/trial/cmake/Tests.cmake;36;add_test;/var/tmp/trial/tests/fuzz/read.cmake;5;share_fuzz_target;/var/tmp/trial/tests/fuzz/read.cmake;0;;/var/tmp/trial/tests/fuzz/CMakeLists.txt;2;include;/var/tmp/trial/tests/fuzz/CMakeLists.txt;0;")
add_test([=[fuzz_read_packed]=] "/var/tmp/trial/b/tests/fuzz_read_packed" "/var/tmp/trial/tests/fuzz/corpus/read_packed")
set_tests_properties([=[fuzz_read_packed]=] PROPERTIES  LABELS "replay" TIMEOUT "300" _BACKTRACE_TRIPLES "/var/tmp/trial/cmake/Tests.cmake;36;add_test;/var/tmp/trial/tests/fuzz/read.cmake;5;share_fuzz_target;/var/tmp/trial/tests/fuzz/read.cmake;0;;/var/tmp/trial/tests/fuzz/CMakeLists.txt;2;include;/var/tmp/trial/tests/fuzz/CMakeLists.txt;0;")
add_test([=[fuzz_read_migration]=] "/var/tmp/trial/b/tests/fuzz_read_migration" "/var/tmp/trial/tests/fuzz/corpus/read_migration")
set_tests_properties([=[fuzz_read_migration]=] PROPERTIES  LABELS "replay" TIMEOUT "300" _BACKTRACE_TRIPLES "/var/tmp/trial/cmake/Tests.cmake;36;add_test;/var/tmp/trial/tests/fuzz/read.cmake;5;share_fuzz_target;/var/tmp/trial/tests/fuzz/read.cmake;0;;/var/tmp/trial/tests/fuzz/CMakeLists.txt;2;include;/var/tmp/trial/tests/fuzz/CMakeLists.txt;0;")
add_test([=[fuzz_read_lime]=] "/var/tmp/trial/b/tests/fuzz_read_lime" "/var/tmp/trial/tests/fuzz/corpus/read_lime")
set_tests_properties([=[fuzz_read_lime]=] PROPERTIES  LABELS "replay" TIMEOUT "300" _BACKTRACE_TRIPLES "/var/tmp/trial/cmake/Tests.cmake;36;add_test;/var/tmp/trial/tests/fuzz/read.cmake;5;share_fuzz_target;/var/tmp/trial/tests/fuzz/read.cmake;0;;/var/tmp/trial/tests/fuzz/CMakeLists.txt;2;include;/var/tmp/trial/tests/fuzz/CMakeLists.txt;0;")
add_test([=[fuzz_read_kdump]=] "/var/tmp/trial/b/tests/fuzz_read_kdump" "/var/tmp/trial/tests/fuzz/corpus/read_kdump")
set_tests_properties([=[fuzz_read_kdump]=] PROPERTIES  LABELS "replay" TIMEOUT "300" _BACKTRACE_TRIPLES "/var/tmp/trial/cmake/Tests.cmake;36;add_test;/var/tmp/trial/tests/fuzz/read.cmake;5;share_fuzz_target;/var/tmp/trial/tests/fuzz/read.cmake;0;;/var/tmp/trial/tests/fuzz/CMakeLists.txt;2;include;/var/tmp/trial/tests/fuzz/CMakeLists.txt;0;")
add_test([=[fuzz_read_diff]=] "/var/tmp/trial/b/tests/fuzz_read_diff" "/var/tmp/trial/tests/fuzz/corpus/read_diff")
set_tests_properties([=[fuzz_read_diff]=] PROPERTIES  LABELS "replay" TIMEOUT "300" _BACKTRACE_TRIPLES "/var/tmp/trial/cmake/Tests.cmake;36;add_test;/var/tmp/trial/tests/fuzz/read.cmake;5;share_fuzz_target;/var/tmp/trial/tests/fuzz/read.cmake;0;;/var/tmp/trial/tests/fuzz/CMakeLists.txt;2;include;/var/tmp/trial/tests/fuzz/CMakeLists.txt;0;")
add_test([=[fuzz_read_maps]=] "/var/tmp/trial/b/tests/fuzz_read_maps" "/var/tmp/trial/tests/fuzz/corpus/read_maps")
set_tests_properties([=[fuzz_read_maps]=] PROPERTIES  LABELS "replay" TIMEOUT "300" _BACKTRACE_TRIPLES "/var/tmp/trial/cmake/Tests.cmake;36;add_test;/var/tmp/trial/tests/fuzz/read.cmake;5;share_fuzz_target;/var/tmp/trial/tests/fuzz/read.cmake;0;;/var/tmp/trial/tests/fuzz/CMakeLists.txt;2;include;/var/tmp/trial/tests/fuzz/CMakeLists.txt;0;")
add_test([=[fuzz_table]=] "/var/tmp/trial/b/tests/fuzz_table" "/var/tmp/trial/tests/fuzz/corpus/table")
set_tests_properties([=[fuzz_table]=] PROPERTIES  LABELS "replay" TIMEOUT "300" _BACKTRACE_TRIPLES "/var/tmp/trial/cmake/Tests.cmake;36;add_test;/var/tmp/trial/tests/fuzz/engine.cmake;3;share_fuzz_target;/var/tmp/trial/tests/fuzz/engine.cmake;0;;/var/tmp/trial/tests/fuzz/CMakeLists.txt;3;include;/var/tmp/trial/tests/fuzz/CMakeLists.txt;0;")
add_test([=[fuzz_engine]=] "/var/tmp/trial/b/tests/fuzz_engine" "/var/tmp/trial/tests/fuzz/corpus/engine")
set_tests_properties([=[fuzz_engine]=] PROPERTIES  LABELS "replay" TIMEOUT "300" _BACKTRACE_TRIPLES "/var/tmp/trial/cmake/Tests.cmake;36;add_test;/var/tmp/trial/tests/fuzz/engine.cmake;5;share_fuzz_target;/var/tmp/trial/tests/fuzz/engine.cmake;0;;/var/tmp/trial/tests/fuzz/CMakeLists.txt;3;include;/var/tmp/trial/tests/fuzz/CMakeLists.txt;0;")
