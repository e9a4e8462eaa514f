# CMake generated Testfile for 
# Source directory: /var/tmp/trial/bench/guest_driver
# Build directory: /var/tmp/trial/b/bench/guest_driver
# 
# This file includes the relevant testing commands required for 
# testing this directory and lists subdirectories to be tested as well.
