# CMake generated Testfile for 
# Source directory: /var/tmp/trial/tests/model
# Build directory: /var/tmp/trial/b/tests/model
# 
# This file includes the relevant testing commands required for 
# testing this directory and lists subdirectories to be tested as well.
add_test([=[test_model]=] "/var/tmp/trial/b/tests/test_model")
set_tests_properties([=[test_model]=] PROPERTIES  LABELS "model" TIMEOUT "300" _BACKTRACE_TRIPLES "/var/tmp/trial/cmake/Tests.cmake;17;add_test;/var/tmp/trial/tests/model/CMakeLists.txt;6;share_unit_test;/var/tmp/trial/tests/model/CMakeLists.txt;0;")
