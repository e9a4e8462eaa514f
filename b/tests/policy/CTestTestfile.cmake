# CMake generated Testfile for 
# Source directory: /var/tmp/trial/tests/policy
# Build directory: /var/tmp/trial/b/tests/policy
# 
# This file includes the relevant testing commands required for 
# testing this directory and lists subdirectories to be tested as well.
add_test([=[test_policy]=] "/var/tmp/trial/b/tests/test_policy")
set_tests_properties([=[test_policy]=] PROPERTIES  LABELS "unit" TIMEOUT "300" _BACKTRACE_TRIPLES "/var/tmp/trial/cmake/Tests.cmake;17;add_test;/var/tmp/trial/tests/policy/CMakeLists.txt;3;share_unit_test;/var/tmp/trial/tests/policy/CMakeLists.txt;0;")
add_test([=[test_reclaim]=] "/var/tmp/trial/b/tests/test_reclaim")
set_tests_properties([=[test_reclaim]=] PROPERTIES  LABELS "unit" TIMEOUT "300" _BACKTRACE_TRIPLES "/var/tmp/trial/cmake/Tests.cmake;17;add_test;/var/tmp/trial/tests/policy/CMakeLists.txt;4;share_unit_test;/var/tmp/trial/tests/policy/CMakeLists.txt;0;")
