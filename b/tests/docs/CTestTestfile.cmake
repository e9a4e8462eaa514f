# CMake generated Testfile for 
# Source directory: /var/tmp/trial/tests/docs
# Build directory: /var/tmp/trial/b/tests/docs
# 
# This file includes the relevant testing commands required for 
# testing this directory and lists subdirectories to be tested as well.
add_test([=[docs_options_pageshare]=] "/var/tmp/trial/tests/docs/options" "/var/tmp/trial/b/bin/pageshare" "/var/tmp/trial/bench/pageshare/pageshare.1")
set_tests_properties([=[docs_options_pageshare]=] PROPERTIES  LABELS "unit" TIMEOUT "60" _BACKTRACE_TRIPLES "/var/tmp/trial/tests/docs/CMakeLists.txt;7;add_test;/var/tmp/trial/tests/docs/CMakeLists.txt;0;")
add_test([=[docs_options_hvrun]=] "/var/tmp/trial/tests/docs/options" "/var/tmp/trial/b/bin/hvrun" "/var/tmp/trial/hv-adapter/hvrun/hvrun.1")
set_tests_properties([=[docs_options_hvrun]=] PROPERTIES  LABELS "unit" TIMEOUT "60" _BACKTRACE_TRIPLES "/var/tmp/trial/tests/docs/CMakeLists.txt;9;add_test;/var/tmp/trial/tests/docs/CMakeLists.txt;0;")
add_test([=[docs_links]=] "/var/tmp/trial/tests/docs/links" "/var/tmp/trial")
set_tests_properties([=[docs_links]=] PROPERTIES  LABELS "unit" TIMEOUT "60" _BACKTRACE_TRIPLES "/var/tmp/trial/tests/docs/CMakeLists.txt;11;add_test;/var/tmp/trial/tests/docs/CMakeLists.txt;0;")
add_test([=[docs_contributing]=] "/var/tmp/trial/tests/docs/contributing" "/var/tmp/trial")
set_tests_properties([=[docs_contributing]=] PROPERTIES  LABELS "unit" TIMEOUT "60" _BACKTRACE_TRIPLES "/var/tmp/trial/tests/docs/CMakeLists.txt;12;add_test;/var/tmp/trial/tests/docs/CMakeLists.txt;0;")
