# CMake generated Testfile for 
# Source directory: /var/tmp/trial/bench/pageshare
# Build directory: /var/tmp/trial/b/bench/pageshare
# 
# This file includes the relevant testing commands required for 
# testing this directory and lists subdirectories to be tested as well.
