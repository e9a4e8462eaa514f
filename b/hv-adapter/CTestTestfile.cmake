# CMake generated Testfile for 
# Source directory: /var/tmp/trial/hv-adapter
# Build directory: /var/tmp/trial/b/hv-adapter
# 
# This file includes the relevant testing commands required for 
# testing this directory and lists subdirectories to be tested as well.
subdirs("cpu")
subdirs("guest/mini")
