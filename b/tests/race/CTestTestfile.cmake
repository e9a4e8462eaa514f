# CMake generated Testfile for 
# Source directory: /var/tmp/trial/tests/race
# Build directory: /var/tmp/trial/b/tests/race
# 
# This file includes the relevant testing commands required for 
# testing this directory and lists subdirectories to be tested as well.
add_test([=[test_race]=] "/var/tmp/trial/b/tests/test_race" "--seconds" "4")
set_tests_properties([=[test_race]=] PROPERTIES  LABELS "race" TIMEOUT "300" _BACKTRACE_TRIPLES "/var/tmp/trial/cmake/Tests.cmake;17;add_test;/var/tmp/trial/tests/race/CMakeLists.txt;3;share_unit_test;/var/tmp/trial/tests/race/CMakeLists.txt;0;")
