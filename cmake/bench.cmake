# Measuring programs, built by name only: cmake --build <dir> --target bench_json
add_executable(bench_json EXCLUDE_FROM_ALL bench/bench_json.c)
target_link_libraries(bench_json PRIVATE json project_flags)

add_executable(bench-load EXCLUDE_FROM_ALL bench/load.c)
target_link_libraries(bench-load PRIVATE http json project_flags)

add_executable(bench-direct EXCLUDE_FROM_ALL bench/direct.c)
target_link_libraries(bench-direct PRIVATE provider project_flags)

if(CMOCKA_FOUND)
    add_executable(bench-flow EXCLUDE_FROM_ALL bench/flow.c)
    target_include_directories(bench-flow PRIVATE tests/unit src)
    target_link_libraries(bench-flow PRIVATE gateway PkgConfig::CMOCKA project_flags)
endif()
