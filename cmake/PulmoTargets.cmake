# pulmo_library(name HEADERS ... SOURCES ... PUBLIC ... PRIVATE ...)
# A static library whose headers are included from the repository root ("core/image/slice.h").
function(pulmo_library name)
  cmake_parse_arguments(arg "" "" "HEADERS;SOURCES;PUBLIC;PRIVATE" ${ARGN})
  add_library(${name} STATIC ${arg_SOURCES})
  target_sources(${name} PUBLIC FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR} FILES ${arg_HEADERS})
  target_include_directories(${name} PUBLIC ${PROJECT_SOURCE_DIR})
  target_link_libraries(${name} PUBLIC ${arg_PUBLIC} PRIVATE ${arg_PRIVATE} pulmo_flags)
endfunction()

# pulmo_reuse_torch_headers(target ...): these targets take LibTorch's headers as pulmo_model has precompiled them.
function(pulmo_reuse_torch_headers)
  foreach(target ${ARGN})
    target_precompile_headers(${target} REUSE_FROM pulmo_model)
  endforeach()
endfunction()

# pulmo_parallel_sources(file.cpp ...): files that call at::parallel_for. LibTorch's header runs its body on one thread,
# silently, in a file compiled without OpenMP. The precompiled headers are made without it.
function(pulmo_parallel_sources)
  set_source_files_properties(${ARGN} PROPERTIES COMPILE_OPTIONS "${OpenMP_CXX_FLAGS}" SKIP_PRECOMPILE_HEADERS ON)
endfunction()

# pulmo_vector_variants(target source.cpp any|v3|v4 ...): adds the source to the target once for each level of x86-64, with
# PULMO_VARIANT to name its functions after; `any` is for every processor. processor_level() tells which to call.
function(pulmo_vector_variants target source)
  get_filename_component(name ${source} NAME_WE)
  foreach(level ${ARGN})
    set(variant pulmo_${name}_${level})
    add_library(${variant} OBJECT ${source})
    target_compile_definitions(${variant} PRIVATE PULMO_VARIANT=${level})
    target_compile_options(${variant} PRIVATE -O3 -Wno-psabi)
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")  # of vectors wider than the level's registers
      target_compile_options(${variant} PRIVATE -Wvector-operation-performance)
    endif()
    if(NOT level STREQUAL "any")
      target_compile_options(${variant} PRIVATE -march=x86-64-${level} -mprefer-vector-width=512)
    endif()
    target_include_directories(${variant} PRIVATE ${PROJECT_SOURCE_DIR})
    target_link_libraries(${variant} PRIVATE pulmo_flags)
    target_sources(${target} PRIVATE $<TARGET_OBJECTS:${variant}>)
  endforeach()
endfunction()

# pulmo_program(name SOURCES ... LIBS ...)
function(pulmo_program name)
  cmake_parse_arguments(arg "" "" "SOURCES;LIBS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ${arg_LIBS} pulmo_flags)
endfunction()

# pulmo_test(name SOURCES ... LIBS ... [LABELS ...] [TIMEOUT s])
# One GoogleTest binary; every case is a ctest of its own. Tests find the repository by PULMO_SOURCE_DIR, the
# programs by PULMO_BIN_DIR, Debian's Python by PULMO_PYTHON, and the real samples by pulmo::testing::real_data_dir().
function(pulmo_test name)
  cmake_parse_arguments(arg "" "TIMEOUT" "SOURCES;LIBS;LABELS" ${ARGN})
  if(NOT arg_LABELS)
    set(arg_LABELS unit)
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ${arg_LIBS} pulmo_test_support GTest::gmock GTest::gtest_main pulmo_flags)
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60)
  # gtest_discover_tests() flattens properties that are lists, so they are set once the cases are known.
  set(properties ${CMAKE_CURRENT_BINARY_DIR}/${name}_properties.cmake)
  file(GENERATE OUTPUT ${properties} CONTENT "if(${name}_TESTS)
  set_tests_properties(\${${name}_TESTS} PROPERTIES TIMEOUT ${arg_TIMEOUT}
    LABELS \"${arg_LABELS}\" ENVIRONMENT \"${PULMO_TEST_ENVIRONMENT}\")
endif()
")
  set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES ${properties})
endfunction()

# pulmo_mpi_test(name SOURCES ... LIBS ... RANKS 1 2 3): mpi_test_main.cpp supplies main().
function(pulmo_mpi_test name)
  cmake_parse_arguments(arg "" "TIMEOUT" "SOURCES;LIBS;RANKS" ${ARGN})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  add_executable(${name} ${arg_SOURCES} ${PROJECT_SOURCE_DIR}/tests/support/mpi_test_main.cpp)
  target_link_libraries(${name} PRIVATE ${arg_LIBS} pulmo_test_support MPI::MPI_CXX GTest::gmock GTest::gtest pulmo_flags)
  foreach(n ${arg_RANKS})
    add_test(NAME ${name}.np${n}
      COMMAND ${MPIEXEC_EXECUTABLE} ${MPIEXEC_NUMPROC_FLAG} ${n} ${MPIEXEC_PREFLAGS} $<TARGET_FILE:${name}>)
    set_tests_properties(${name}.np${n} PROPERTIES LABELS mpi PROCESSORS ${n} TIMEOUT ${arg_TIMEOUT}
      ENVIRONMENT "${PULMO_TEST_ENVIRONMENT};OMP_NUM_THREADS=1;PULMO_EXPECTED_RANKS=${n}")
  endforeach()
endfunction()

# pulmo_python_test(name SCRIPT file.py [ARGS ...] [LABELS ...] [TIMEOUT s]): run by Debian's own Python.
function(pulmo_python_test name)
  cmake_parse_arguments(arg "" "SCRIPT;TIMEOUT" "ARGS;LABELS" ${ARGN})
  if(NOT arg_LABELS)
    set(arg_LABELS unit)
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 300)
  endif()
  add_test(NAME ${name} COMMAND ${PULMO_PYTHON} ${arg_SCRIPT} ${arg_ARGS})
  set_tests_properties(${name} PROPERTIES LABELS "${arg_LABELS}" TIMEOUT ${arg_TIMEOUT}
    ENVIRONMENT "${PULMO_TEST_ENVIRONMENT}")
endfunction()
