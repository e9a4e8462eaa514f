# CMake generated Testfile for 
# Source directory: /var/tmp/trial/tests/schedule
# Build directory: /var/tmp/trial/b/tests/schedule
# 
# This file includes the relevant testing commands required for 
# testing this directory and lists subdirectories to be tested as well.
add_test([=[test_schedule]=] "/var/tmp/trial/b/tests/test_schedule")
set_tests_properties([=[test_schedule]=] PROPERTIES  LABELS "schedule" TIMEOUT "300" _BACKTRACE_TRIPLES "/var/tmp/trial/cmake/Tests.cmake;17;add_test;/var/tmp/trial/tests/schedule/CMakeLists.txt;4;share_unit_test;/var/tmp/trial/tests/schedule/CMakeLists.txt;0;")
add_test([=[test_between]=] "/var/tmp/trial/b/tests/test_between")
set_tests_properties([=[test_between]=] PROPERTIES  LABELS "schedule" TIMEOUT "300" _BACKTRACE_TRIPLES "/var/tmp/trial/cmake/Tests.cmake;17;add_test;/var/tmp/trial/tests/schedule/CMakeLists.txt;7;share_unit_test;/var/tmp/trial/tests/schedule/CMakeLists.txt;0;")
