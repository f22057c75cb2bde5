# Writes FILE, which CTest includes: a test for each suite of PROGRAM. Run when that is linked:
# cmake -D PROGRAM=... -D FILE=... -D LABEL=... -P suites.cmake
execute_process(COMMAND ${PROGRAM} --gtest_list_tests
  OUTPUT_VARIABLE list COMMAND_ERROR_IS_FATAL ANY TIMEOUT 120)
string(REGEX MATCHALL "(^|\n)[A-Za-z0-9_/]+\\." suites "${list}")
set(script "")
# One thread each: these networks are so small that two tests at a time are faster by far than two
# threads of one. What depends on threads sets their number itself.
set(environment "")
if(LABEL STREQUAL unit)
  set(environment "ENVIRONMENT OMP_NUM_THREADS=1")
endif()
foreach(suite IN LISTS suites)
  string(REGEX REPLACE "^\n|\\.$" "" suite "${suite}")
  string(APPEND script "add_test([=[${suite}]=] [=[${PROGRAM}]=] [=[--gtest_filter=${suite}.*]=])\n"
    "set_tests_properties([=[${suite}]=] PROPERTIES LABELS ${LABEL} TIMEOUT 3600 "
    "SKIP_REGULAR_EXPRESSION [=[PASSED  . 0 tests]=] ${environment})\n")
endforeach()
file(WRITE ${FILE} "${script}")
