# embed(ROOM PLAIN FILES GZIP FOLDER): files as bytes in the program, found by embedded_find() of
# src/admin/embedded.h; those of the folder compressed. Called by cmake -P, it writes their C file.
if(NOT CMAKE_SCRIPT_MODE_FILE)
    set(EMBED_SCRIPT ${CMAKE_CURRENT_LIST_FILE})
    function(embed room)
        cmake_parse_arguments(ARG "" "GZIP" "PLAIN" ${ARGN})
        file(GLOB_RECURSE compressed CONFIGURE_DEPENDS "${ARG_GZIP}/*")
        list(TRANSFORM ARG_PLAIN PREPEND "${CMAKE_SOURCE_DIR}/")
        set(out ${CMAKE_BINARY_DIR}/${room}_embedded.c)
        add_custom_command(OUTPUT ${out}
            COMMAND ${CMAKE_COMMAND} "-DOUT=${out}" "-DPLAIN=${ARG_PLAIN}"
                    "-DGZIP=${compressed}" "-DFOLDER=${CMAKE_SOURCE_DIR}/${ARG_GZIP}" -P ${EMBED_SCRIPT}
            DEPENDS ${ARG_PLAIN} ${compressed} ${EMBED_SCRIPT}
            COMMENT "Embedding files" VERBATIM)
        target_sources(${room} PRIVATE ${out})
    endfunction()
    return()
endif()

# The bytes of `file` as the array `b<i>`, and its row: name, tag of what is in it.
function(add_file i file is_gzip)
    set(bytes ${file})
    if(is_gzip)
        set(bytes ${OUT}.gz)
        execute_process(COMMAND gzip -9nc INPUT_FILE ${file} OUTPUT_FILE ${bytes}
                        COMMAND_ERROR_IS_FATAL ANY)
    endif()
    file(READ ${bytes} hex HEX)
    string(REGEX REPLACE "(..)" "0x\\1," hex "${hex}")
    string(REGEX REPLACE "(................................................................................)" "\\1\n" hex "${hex}")
    file(SHA256 ${file} hash)
    string(SUBSTRING ${hash} 0 32 tag)
    get_filename_component(name ${file} NAME)
    if(is_gzip)
        file(RELATIVE_PATH name ${FOLDER} ${file})
    endif()
    file(APPEND ${OUT}.new "static const unsigned char b${i}[] = {\n${hex}\n};\n")
    set(rows "${rows}    { \"${name}\", \"\\\"${tag}\\\"\", b${i}, sizeof(b${i}), ${is_gzip} },\n"
        PARENT_SCOPE)
endfunction()

file(WRITE ${OUT}.new "#include \"admin/embedded.h\"\n\n")
set(i 0)
foreach(file ${PLAIN})
    add_file(${i} ${file} false)
    math(EXPR i "${i} + 1")
endforeach()
foreach(file ${GZIP})
    add_file(${i} ${file} true)
    math(EXPR i "${i} + 1")
endforeach()
file(APPEND ${OUT}.new "\nconst struct embedded embedded_files[] = {\n${rows}"
     "    { NULL, NULL, NULL, 0, false },\n};\n")
file(RENAME ${OUT}.new ${OUT})
