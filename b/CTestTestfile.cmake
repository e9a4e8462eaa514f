# CMake generated Testfile for 
# Source directory: /var/tmp/trial
# Build directory: /var/tmp/trial/b
# 
# This file includes the relevant testing commands required for 
# testing this directory and lists subdirectories to be tested as well.
subdirs("libshare")
subdirs("datasets")
subdirs("bench")
subdirs("hv-adapter")
subdirs("tests")
