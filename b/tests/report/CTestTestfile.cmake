# CMake generated Testfile for 
# Source directory: /var/tmp/trial/tests/report
# Build directory: /var/tmp/trial/b/tests/report
# 
# This file includes the relevant testing commands required for 
# testing this directory and lists subdirectories to be tested as well.
add_test([=[test_bench_profile]=] "python3" "/var/tmp/trial/tests/report/test_profile.py" "/var/tmp/trial/bench")
set_tests_properties([=[test_bench_profile]=] PROPERTIES  LABELS "unit;slow" TIMEOUT "120" _BACKTRACE_TRIPLES "/var/tmp/trial/tests/report/CMakeLists.txt;8;add_test;/var/tmp/trial/tests/report/CMakeLists.txt;0;")
add_test([=[test_bench_report]=] "python3" "/var/tmp/trial/tests/report/test_report.py" "/var/tmp/trial/bench")
set_tests_properties([=[test_bench_report]=] PROPERTIES  LABELS "unit;slow" TIMEOUT "120" _BACKTRACE_TRIPLES "/var/tmp/trial/tests/report/CMakeLists.txt;8;add_test;/var/tmp/trial/tests/report/CMakeLists.txt;0;")
add_test([=[test_bench_signals]=] "python3" "/var/tmp/trial/tests/report/test_signals.py" "/var/tmp/trial/bench")
set_tests_properties([=[test_bench_signals]=] PROPERTIES  LABELS "unit;slow" TIMEOUT "120" _BACKTRACE_TRIPLES "/var/tmp/trial/tests/report/CMakeLists.txt;8;add_test;/var/tmp/trial/tests/report/CMakeLists.txt;0;")
