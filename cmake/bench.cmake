# Measuring programs, built by name only: cmake --build <dir> --target bench-load
add_library(bench STATIC EXCLUDE_FROM_ALL bench/answer.c bench/load.c bench/options.c
    bench/samples.c bench/socket.c bench/upstream.c)
target_include_directories(bench PUBLIC .)
target_link_libraries(bench PUBLIC base m PRIVATE project_flags)

foreach(program load upstream)
    add_executable(bench-${program} EXCLUDE_FROM_ALL bench/${program}_main.c)
    target_link_libraries(bench-${program} PRIVATE bench project_flags)
endforeach()

add_library(bench-allocations MODULE EXCLUDE_FROM_ALL bench/allocations.c)

add_executable(bench-direct EXCLUDE_FROM_ALL bench/direct.c)
target_link_libraries(bench-direct PRIVATE provider project_flags)

add_executable(bench_json EXCLUDE_FROM_ALL bench/bench_json.c)
target_link_libraries(bench_json PRIVATE json project_flags)

if(CMOCKA_FOUND)
    add_executable(bench-flow EXCLUDE_FROM_ALL bench/flow.c)
    target_include_directories(bench-flow PRIVATE tests/unit src)
    target_link_libraries(bench-flow PRIVATE gateway PkgConfig::CMOCKA project_flags)
endif()
