# CMake generated Testfile for 
# Source directory: /var/tmp/trial/datasets
# Build directory: /var/tmp/trial/b/datasets
# 
# This file includes the relevant testing commands required for 
# testing this directory and lists subdirectories to be tested as well.
