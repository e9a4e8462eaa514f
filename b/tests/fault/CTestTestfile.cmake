# CMake generated Testfile for 
# Source directory: /var/tmp/trial/tests/fault
# Build directory: /var/tmp/trial/b/tests/fault
# 
# This file includes the relevant testing commands required for 
# testing this directory and lists subdirectories to be tested as well.
add_test([=[test_fault]=] "/var/tmp/trial/b/tests/test_fault")
set_tests_properties([=[test_fault]=] PROPERTIES  LABELS "fault" TIMEOUT "300" _BACKTRACE_TRIPLES "/var/tmp/trial/cmake/Tests.cmake;17;add_test;/var/tmp/trial/tests/fault/CMakeLists.txt;3;share_unit_test;/var/tmp/trial/tests/fault/CMakeLists.txt;0;")
