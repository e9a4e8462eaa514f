# CMake generated Testfile for 
# Source directory: /var/tmp/trial/bench
# Build directory: /var/tmp/trial/b/bench
# 
# This file includes the relevant testing commands required for 
# testing this directory and lists subdirectories to be tested as well.
subdirs("pageshare")
subdirs("guest_driver")
