# CMake generated Testfile for 
# Source directory: /var/tmp/trial/tests/support
# Build directory: /var/tmp/trial/b/tests/support
# 
# This file includes the relevant testing commands required for 
# testing this directory and lists subdirectories to be tested as well.
