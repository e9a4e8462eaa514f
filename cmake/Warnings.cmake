# SPDX-License-Identifier: MIT
# One place for the warnings and sanitizers that every target of ours is built with.
add_compile_options(
    -Wall -Wextra -Wshadow -Wconversion -Wvla -Wundef -Werror
    $<$<COMPILE_LANGUAGE:C>:-Wmissing-prototypes>
    $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes>)
if(SHARE_SANITIZE)
    add_compile_options(-fsanitize=${SHARE_SANITIZE} -fno-omit-frame-pointer -g
                        -fno-sanitize-recover=all)
    add_link_options(-fsanitize=${SHARE_SANITIZE})
endif()
if(SHARE_LIBFUZZER)
    add_compile_options(-fsanitize=fuzzer-no-link)
endif()
