# Includes only point down (CONTRIBUTING.md, "Levels"). Run as: cmake -DROOT=<repository> -P Layering.cmake
cmake_minimum_required(VERSION 3.25)
# Each rule: folder | what a file below it must not include (a regular expression on the include line).
set(rules
  "core/support|core/(image|store|model)/"
  "core/image|core/(store|model)/"
  "core/store|core/model/"
  "core/model|core/store/"
  "core|\"(pipeline|training|serving|tests)/"
  "pipeline|\"(training|serving|tests)/|core/model/"
  "training|\"(pipeline|serving|tests)/"
  "serving|\"(pipeline|training|tests)/|core/store/"
  "core/support|<(torch|hdf5|mpi|opencv2|dcmtk|pistache|prometheus)"
  "core/image|<(torch|hdf5|mpi|pistache|prometheus)"
  "core/store|<(torch|mpi|pistache|prometheus)"
  "core/model|<(mpi|hdf5|pistache|prometheus)"
  "pipeline|<(torch|hdf5|mpi|pistache|prometheus)"
  "training|<(hdf5|pistache)"
  "serving|<(torch|hdf5|mpi)")

# A library that only certain files may see: pattern | the files.
set(confined
  "<hdf5|core/store/h5_detail.h"
  "<curl/|training/watch/pusher.cpp"
  "<mpi.h|training/communicator.cpp,training/communicator.h"
  "<openssl/ssl.h|serving/http/tls.cpp"
  "<seccomp.h|serving/isolation/confinement.cpp"
  "<pistache/|serving/http_server.cpp,serving/guard.cpp,serving/guard.h")

set(failures 0)
function(check file pattern why)
  file(STRINGS ${ROOT}/${file} includes REGEX "^ *# *include")
  foreach(line IN LISTS includes)
    if(line MATCHES "${pattern}")
      message(SEND_ERROR "${file}: ${line}\n  ${why}")
    endif()
  endforeach()
endfunction()

foreach(rule IN LISTS rules)
  string(FIND "${rule}" "|" at)
  string(SUBSTRING "${rule}" 0 ${at} folder)
  math(EXPR at "${at} + 1")
  string(SUBSTRING "${rule}" ${at} -1 pattern)
  file(GLOB_RECURSE files RELATIVE ${ROOT} ${ROOT}/${folder}/*.h ${ROOT}/${folder}/*.cpp)
  foreach(file IN LISTS files)
    check(${file} "${pattern}" "${folder} must not include that: includes only point down")
  endforeach()
endforeach()

file(GLOB_RECURSE all RELATIVE ${ROOT} ${ROOT}/core/*.h ${ROOT}/core/*.cpp ${ROOT}/pipeline/*.h ${ROOT}/pipeline/*.cpp
  ${ROOT}/training/*.h ${ROOT}/training/*.cpp ${ROOT}/serving/*.h ${ROOT}/serving/*.cpp)
foreach(entry IN LISTS confined)
  string(REGEX MATCH "^[^|]*" pattern "${entry}")
  string(REGEX REPLACE "^[^|]*[|]" "" allowed "${entry}")
  string(REPLACE "," ";" allowed "${allowed}")
  foreach(file IN LISTS all)
    if(NOT file IN_LIST allowed)
      check(${file} "${pattern}" "only ${allowed} may include that")
    endif()
  endforeach()
endforeach()
