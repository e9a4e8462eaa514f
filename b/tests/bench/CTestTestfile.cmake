# CMake generated Testfile for 
# Source directory: /var/tmp/trial/tests/bench
# Build directory: /var/tmp/trial/b/tests/bench
# 
# This file includes the relevant testing commands required for 
# testing this directory and lists subdirectories to be tested as well.
add_test([=[test_bench_ksm_frames]=] "/var/tmp/trial/b/tests/test_bench_ksm_frames")
set_tests_properties([=[test_bench_ksm_frames]=] PROPERTIES  LABELS "unit" SKIP_RETURN_CODE "77" TIMEOUT "300" _BACKTRACE_TRIPLES "/var/tmp/trial/cmake/Tests.cmake;17;add_test;/var/tmp/trial/tests/bench/CMakeLists.txt;10;share_unit_test;/var/tmp/trial/tests/bench/CMakeLists.txt;0;")
add_test([=[test_bench_process]=] "/var/tmp/trial/b/tests/test_bench_process")
set_tests_properties([=[test_bench_process]=] PROPERTIES  LABELS "unit" SKIP_RETURN_CODE "77" TIMEOUT "300" _BACKTRACE_TRIPLES "/var/tmp/trial/cmake/Tests.cmake;17;add_test;/var/tmp/trial/tests/bench/CMakeLists.txt;10;share_unit_test;/var/tmp/trial/tests/bench/CMakeLists.txt;0;")
add_test([=[test_bench_pair]=] "/var/tmp/trial/b/tests/test_bench_pair")
set_tests_properties([=[test_bench_pair]=] PROPERTIES  LABELS "unit" SKIP_RETURN_CODE "77" TIMEOUT "300" _BACKTRACE_TRIPLES "/var/tmp/trial/cmake/Tests.cmake;17;add_test;/var/tmp/trial/tests/bench/CMakeLists.txt;10;share_unit_test;/var/tmp/trial/tests/bench/CMakeLists.txt;0;")
add_test([=[bench_settings_survive]=] "sh" "/var/tmp/trial/tests/bench/settings_survive.sh" "/var/tmp/trial/b/bin/share-bench")
set_tests_properties([=[bench_settings_survive]=] PROPERTIES  LABELS "unit;slow" RUN_SERIAL "ON" SKIP_RETURN_CODE "77" TIMEOUT "600" _BACKTRACE_TRIPLES "/var/tmp/trial/tests/bench/CMakeLists.txt;16;add_test;/var/tmp/trial/tests/bench/CMakeLists.txt;0;")
add_test([=[bench_answers]=] "/var/tmp/trial/b/bin/share-bench" "--quick" "--benchmark_min_time=0.001" "--benchmark_filter=^hash/bits:64/in:cache|^table/.*expected:1024/|^compare/early|^steps/|^groups/regroup|^vmm/")
set_tests_properties([=[bench_answers]=] PROPERTIES  LABELS "unit" TIMEOUT "300" _BACKTRACE_TRIPLES "/var/tmp/trial/tests/bench/CMakeLists.txt;22;add_test;/var/tmp/trial/tests/bench/CMakeLists.txt;0;")
add_test([=[bench_no_files_stay]=] "sh" "/var/tmp/trial/tests/bench/no_files_stay.sh" "/var/tmp/trial/b/bin/share-bench")
set_tests_properties([=[bench_no_files_stay]=] PROPERTIES  LABELS "unit" TIMEOUT "300" _BACKTRACE_TRIPLES "/var/tmp/trial/tests/bench/CMakeLists.txt;25;add_test;/var/tmp/trial/tests/bench/CMakeLists.txt;0;")
