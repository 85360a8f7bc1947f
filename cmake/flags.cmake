# Warnings, hardening and sanitizers, as one target that everything of ours links.
set(SANITIZE "" CACHE STRING "address, thread or empty")
option(COVERAGE "instrument for gcov" OFF)
option(FUZZ "build the libFuzzer targets (clang)" OFF)

add_library(project_flags INTERFACE)
target_compile_definitions(project_flags INTERFACE _GNU_SOURCE)
target_compile_options(project_flags INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes
    -Wmissing-prototypes -Wcast-qual -Wwrite-strings -Wundef -Wvla -Wformat=2 -Wswitch-enum
    -Wimplicit-fallthrough -Wdouble-promotion -Wnull-dereference -Werror
    -Wno-gnu-statement-expression -Wno-gnu-zero-variadic-macro-arguments
    -fno-omit-frame-pointer -fstack-protector-strong -fPIE)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
    # gcc has no narrower switch for the statement expression of TAKE().
    target_compile_options(project_flags INTERFACE -fstack-clash-protection)
endif()
target_link_options(project_flags INTERFACE -pie -Wl,-z,relro,-z,now)

if(CMAKE_BUILD_TYPE STREQUAL "Release")
    # Where the sources lie is in no binary: two builds in two folders are equal.
    target_compile_options(project_flags INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3
        "-ffile-prefix-map=${CMAKE_SOURCE_DIR}/=")
    set(CMAKE_INTERPROCEDURAL_OPTIMIZATION ON)
endif()
if(SANITIZE STREQUAL "address")
    add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all)
    add_link_options(-fsanitize=address,undefined)
elseif(SANITIZE STREQUAL "thread")
    add_compile_options(-fsanitize=thread)
    add_link_options(-fsanitize=thread)
endif()
if(COVERAGE)
    add_compile_options(--coverage -fprofile-update=atomic)
    add_link_options(--coverage)
endif()
if(FUZZ)
    add_compile_options(-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all)
    add_link_options(-fsanitize=address,undefined)
endif()
