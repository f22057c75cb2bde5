# Warnings, sanitizers and the compiler cache, for every target of the project.
add_library(keepsake_options INTERFACE)
# -pthread for every target alike: libvips asks for it, and a precompiled header made without it
# does not fit sources compiled with it.
target_compile_options(keepsake_options INTERFACE -pthread)
target_link_options(keepsake_options INTERFACE -pthread)
target_compile_options(keepsake_options INTERFACE -Wall -Wextra -Wpedantic
  $<$<BOOL:${KEEPSAKE_WERROR}>:-Werror>
  # Designated initialisers name what differs and leave the rest to the struct's own defaults.
  -Wno-missing-field-initializers
  # GCC 12 sees overlaps and overflows in "text" + std::string that are not there (its bug 105651).
  $<$<AND:$<CXX_COMPILER_ID:GNU>,$<VERSION_LESS:$<CXX_COMPILER_VERSION>,13>>:-Wno-stringop-overflow;-Wno-array-bounds;-Wno-restrict>)
target_include_directories(keepsake_options INTERFACE ${CMAKE_SOURCE_DIR})
if(KEEPSAKE_SANITIZE)
  # no-sanitize-recover: what UBSan finds ends the test, and is not just a line in its log.
  target_compile_options(keepsake_options INTERFACE
    -fsanitize=${KEEPSAKE_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(keepsake_options INTERFACE -fsanitize=${KEEPSAKE_SANITIZE})
  if(KEEPSAKE_SANITIZE MATCHES "thread" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # ATen's headers have fences, which ThreadSanitizer does not model; none is ours.
    target_compile_options(keepsake_options INTERFACE -Wno-tsan)
  endif()
endif()

find_program(KEEPSAKE_CCACHE ccache)
if(KEEPSAKE_CCACHE)
  # What ccache's manual asks for where there is a precompiled header.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros
                                  ${KEEPSAKE_CCACHE})
  add_compile_options(-fpch-preprocess)
endif()

# keepsake_library(<floor> <libraries>...): one library per floor of the plan, from all its rooms'
# sources but the programs' main files.
function(keepsake_library folder)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp ${CMAKE_CURRENT_SOURCE_DIR}/*.h)
  list(FILTER sources EXCLUDE REGEX "_main\\.cpp$")
  add_library(keepsake_${folder} STATIC ${sources})
  target_link_libraries(keepsake_${folder} PUBLIC ${ARGN} PRIVATE keepsake_options)
  target_include_directories(keepsake_${folder} PUBLIC ${CMAKE_SOURCE_DIR})
endfunction()

# keepsake_reuse_header(<program>): the precompiled header of the libraries. It fits because nothing
# here forces -fPIC: GCC takes no precompiled header from -fPIC to a program's -fPIE.
function(keepsake_reuse_header program)
  target_precompile_headers(${program} REUSE_FROM keepsake_pipeline)
endfunction()
