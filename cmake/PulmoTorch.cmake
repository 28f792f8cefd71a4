# LibTorch as the target pulmo_torch, its headers kept out of our warnings. Debian's by default, or another one:
#   -DCMAKE_PREFIX_PATH=/path/to/libtorch   by LibTorch's own CMake files; of a LibTorch for CUDA these need CUDA's compiler
#   -DPULMO_TORCH_HOME=/path/to/libtorch    its folders include and lib and nothing else; so for pip's package torch too
set(PULMO_TORCH_HOME "" CACHE PATH "Folder of a LibTorch (include, lib) to use without its CMake files")
if(PULMO_TORCH_HOME)
  set(TORCH_INCLUDE_DIRS ${PULMO_TORCH_HOME}/include ${PULMO_TORCH_HOME}/include/torch/csrc/api/include)
  set(TORCH_LIBRARIES)
  foreach(name torch_cpu c10)
    find_library(PULMO_${name}_LIBRARY ${name} PATHS ${PULMO_TORCH_HOME}/lib NO_DEFAULT_PATH REQUIRED)
    list(APPEND TORCH_LIBRARIES ${PULMO_${name}_LIBRARY})
  endforeach()
  foreach(name torch_cuda c10_cuda)  # there in a LibTorch for CUDA
    find_library(PULMO_${name}_LIBRARY ${name} PATHS ${PULMO_TORCH_HOME}/lib NO_DEFAULT_PATH)
    if(PULMO_${name}_LIBRARY)  # no symbol of it is called: it registers itself once it is loaded
      list(APPEND TORCH_LIBRARIES "-Wl,--no-as-needed,${PULMO_${name}_LIBRARY},--as-needed")
    endif()
  endforeach()
else()
  find_package(Torch REQUIRED)
endif()
find_package(OpenMP REQUIRED COMPONENTS CXX)  # LibTorch's threads

add_library(pulmo_torch INTERFACE)
target_include_directories(pulmo_torch SYSTEM INTERFACE ${TORCH_INCLUDE_DIRS})
target_link_libraries(pulmo_torch INTERFACE ${TORCH_LIBRARIES} ${OpenMP_CXX_LIBRARIES})
if(PULMO_TORCH_HOME)  # CUDA's libraries are found by LibTorch's own run-time path, not by the linker
  target_link_options(pulmo_torch INTERFACE -Wl,--allow-shlib-undefined)
endif()
