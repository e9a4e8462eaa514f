#----------------------------------------------------------------
# Generated CMake target import file for configuration "Release".
#----------------------------------------------------------------

# Commands may need to know the format version.
set(CMAKE_IMPORT_FILE_VERSION 1)

# Import target "share::share" for configuration "Release"
set_property(TARGET share::share APPEND PROPERTY IMPORTED_CONFIGURATIONS RELEASE)
set_target_properties(share::share PROPERTIES
  IMPORTED_LOCATION_RELEASE "${_IMPORT_PREFIX}/lib/libshare.so.0.2.0"
  IMPORTED_SONAME_RELEASE "libshare.so.0.2"
  )

list(APPEND _cmake_import_check_targets share::share )
list(APPEND _cmake_import_check_files_for_share::share "${_IMPORT_PREFIX}/lib/libshare.so.0.2.0" )

# Import target "share::share_static" for configuration "Release"
set_property(TARGET share::share_static APPEND PROPERTY IMPORTED_CONFIGURATIONS RELEASE)
set_target_properties(share::share_static PROPERTIES
  IMPORTED_LINK_INTERFACE_LANGUAGES_RELEASE "C"
  IMPORTED_LOCATION_RELEASE "${_IMPORT_PREFIX}/lib/libshare.a"
  )

list(APPEND _cmake_import_check_targets share::share_static )
list(APPEND _cmake_import_check_files_for_share::share_static "${_IMPORT_PREFIX}/lib/libshare.a" )

# Commands beyond this point should not need to know the version.
set(CMAKE_IMPORT_FILE_VERSION)
