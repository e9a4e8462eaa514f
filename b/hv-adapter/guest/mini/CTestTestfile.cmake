# CMake generated Testfile for 
# Source directory: /var/tmp/trial/hv-adapter/guest/mini
# Build directory: /var/tmp/trial/b/hv-adapter/guest/mini
# 
# This file includes the relevant testing commands required for 
# testing this directory and lists subdirectories to be tested as well.
