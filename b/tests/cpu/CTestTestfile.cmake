# CMake generated Testfile for 
# Source directory: /var/tmp/trial/tests/cpu
# Build directory: /var/tmp/trial/b/tests/cpu
# 
# This file includes the relevant testing commands required for 
# testing this directory and lists subdirectories to be tested as well.
add_test([=[test_cpu_guests]=] "/var/tmp/trial/b/tests/test_cpu_guests")
set_tests_properties([=[test_cpu_guests]=] PROPERTIES  LABELS "guests" TIMEOUT "300" _BACKTRACE_TRIPLES "/var/tmp/trial/cmake/Tests.cmake;17;add_test;/var/tmp/trial/tests/cpu/CMakeLists.txt;52;share_unit_test;/var/tmp/trial/tests/cpu/CMakeLists.txt;0;")
add_test([=[test_cpu_hart]=] "/var/tmp/trial/b/tests/test_cpu_hart")
set_tests_properties([=[test_cpu_hart]=] PROPERTIES  LABELS "hv" TIMEOUT "300" _BACKTRACE_TRIPLES "/var/tmp/trial/cmake/Tests.cmake;17;add_test;/var/tmp/trial/tests/cpu/CMakeLists.txt;55;share_unit_test;/var/tmp/trial/tests/cpu/CMakeLists.txt;0;")
add_test([=[test_cpu_fp]=] "/var/tmp/trial/b/tests/test_cpu_fp")
set_tests_properties([=[test_cpu_fp]=] PROPERTIES  LABELS "hv" TIMEOUT "300" _BACKTRACE_TRIPLES "/var/tmp/trial/cmake/Tests.cmake;17;add_test;/var/tmp/trial/tests/cpu/CMakeLists.txt;56;share_unit_test;/var/tmp/trial/tests/cpu/CMakeLists.txt;0;")
add_test([=[test_cpu_code]=] "/var/tmp/trial/b/tests/test_cpu_code")
set_tests_properties([=[test_cpu_code]=] PROPERTIES  LABELS "hv" TIMEOUT "300" _BACKTRACE_TRIPLES "/var/tmp/trial/cmake/Tests.cmake;17;add_test;/var/tmp/trial/tests/cpu/CMakeLists.txt;58;share_unit_test;/var/tmp/trial/tests/cpu/CMakeLists.txt;0;")
add_test([=[test_cpu_smp]=] "/var/tmp/trial/b/tests/test_cpu_smp")
set_tests_properties([=[test_cpu_smp]=] PROPERTIES  LABELS "hv;threads" TIMEOUT "300" _BACKTRACE_TRIPLES "/var/tmp/trial/cmake/Tests.cmake;17;add_test;/var/tmp/trial/tests/cpu/CMakeLists.txt;59;share_unit_test;/var/tmp/trial/tests/cpu/CMakeLists.txt;0;")
add_test([=[test_cpu_pairs]=] "/var/tmp/trial/b/tests/test_cpu_pairs")
set_tests_properties([=[test_cpu_pairs]=] PROPERTIES  LABELS "hv" TIMEOUT "300" _BACKTRACE_TRIPLES "/var/tmp/trial/cmake/Tests.cmake;17;add_test;/var/tmp/trial/tests/cpu/CMakeLists.txt;60;share_unit_test;/var/tmp/trial/tests/cpu/CMakeLists.txt;0;")
add_test([=[test_cpu_tlb]=] "/var/tmp/trial/b/tests/test_cpu_tlb")
set_tests_properties([=[test_cpu_tlb]=] PROPERTIES  LABELS "hv" TIMEOUT "300" _BACKTRACE_TRIPLES "/var/tmp/trial/cmake/Tests.cmake;17;add_test;/var/tmp/trial/tests/cpu/CMakeLists.txt;62;share_unit_test;/var/tmp/trial/tests/cpu/CMakeLists.txt;0;")
add_test([=[test_cpu_sv39]=] "/var/tmp/trial/b/tests/test_cpu_sv39")
set_tests_properties([=[test_cpu_sv39]=] PROPERTIES  LABELS "hv" TIMEOUT "300" _BACKTRACE_TRIPLES "/var/tmp/trial/cmake/Tests.cmake;17;add_test;/var/tmp/trial/tests/cpu/CMakeLists.txt;63;share_unit_test;/var/tmp/trial/tests/cpu/CMakeLists.txt;0;")
add_test([=[fuzz_cpu]=] "/var/tmp/trial/b/tests/fuzz_cpu" "/var/tmp/trial/tests/cpu/corpus")
set_tests_properties([=[fuzz_cpu]=] PROPERTIES  LABELS "replay" TIMEOUT "300" _BACKTRACE_TRIPLES "/var/tmp/trial/cmake/Tests.cmake;36;add_test;/var/tmp/trial/tests/cpu/CMakeLists.txt;64;share_fuzz_target;/var/tmp/trial/tests/cpu/CMakeLists.txt;0;")
