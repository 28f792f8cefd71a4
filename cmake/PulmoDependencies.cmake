# Every library pulmo stands on, found once. scripts/setup.sh names the Debian packages.
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(spdlog REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(CLI11 REQUIRED)
find_package(OpenCV REQUIRED COMPONENTS core imgproc imgcodecs ml objdetect)
list(REMOVE_ITEM OpenCV_LIBS opencv_imgcodecs)  # of the tests alone: it loads GDAL and 80 more libraries
find_package(DCMTK REQUIRED)
find_package(pugixml REQUIRED)
find_package(prometheus-cpp REQUIRED COMPONENTS core)
find_package(CURL REQUIRED)
pkg_check_modules(LIBZIP REQUIRED IMPORTED_TARGET libzip)
pkg_check_modules(LIBDEFLATE REQUIRED IMPORTED_TARGET libdeflate)
pkg_check_modules(OPENJPEG REQUIRED IMPORTED_TARGET libopenjp2)
option(PULMO_SERVING "Build pulmo-serve, which needs Pistache and libseccomp" ON)
if(PULMO_SERVING)
  pkg_check_modules(SECCOMP REQUIRED IMPORTED_TARGET libseccomp)
  pkg_check_modules(PISTACHE REQUIRED IMPORTED_TARGET libpistache)
endif()

set(HDF5_PREFER_PARALLEL OFF)  # OpenCV, which LibTorch loads, brings the serial flavour into every process
find_package(HDF5 REQUIRED COMPONENTS C)

set(MPI_CXX_SKIP_MPICXX ON)  # Open MPI's removed C++ bindings would be undefined references
find_package(MPI REQUIRED COMPONENTS CXX)

include(PulmoTorch)

# HDF5 exports plain variables; this target keeps its headers out of our warnings.
add_library(pulmo_hdf5 INTERFACE)
target_include_directories(pulmo_hdf5 SYSTEM INTERFACE ${HDF5_C_INCLUDE_DIRS})
target_link_libraries(pulmo_hdf5 INTERFACE ${HDF5_C_LIBRARIES})
