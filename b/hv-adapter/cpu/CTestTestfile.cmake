# CMake generated Testfile for 
# Source directory: /var/tmp/trial/hv-adapter/cpu
# Build directory: /var/tmp/trial/b/hv-adapter/cpu
# 
# This file includes the relevant testing commands required for 
# testing this directory and lists subdirectories to be tested as well.
