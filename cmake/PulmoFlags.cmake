# Warnings, sanitizers and ccache, as one INTERFACE target that every pulmo target links.
set(PULMO_SANITIZE "" CACHE STRING "Comma-separated sanitizers, for example address,undefined")
option(PULMO_WERROR "Treat warnings as errors" ON)

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()

find_program(PULMO_CCACHE ccache)
if(PULMO_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # The sloppiness is what ccache asks for precompiled headers.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros ${PULMO_CCACHE})
endif()

add_library(pulmo_flags INTERFACE)
target_compile_options(pulmo_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor -Wold-style-cast -Woverloaded-virtual)
if(PULMO_WERROR)
  target_compile_options(pulmo_flags INTERFACE -Werror)
endif()
if(PULMO_SANITIZE)
  target_compile_options(pulmo_flags INTERFACE -fsanitize=${PULMO_SANITIZE} -fno-omit-frame-pointer)
  target_link_options(pulmo_flags INTERFACE -fsanitize=${PULMO_SANITIZE})
endif()
