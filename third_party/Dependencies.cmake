# Where every library comes from. LibTorch: a pip wheel or a LibTorch folder; the rest: the system.
# third_party/setup.sh installs all of it.

# A library that is not there is one line with the way out, not a page of CMake's search paths.
function(keepsake_require found library package)
  if(NOT ${found})
    message(FATAL_ERROR "${library}: not found (Debian package: ${package}). Run third_party/setup.sh.")
  endif()
endfunction()

find_package(PkgConfig QUIET)
keepsake_require(PkgConfig_FOUND pkg-config pkg-config)
find_package(nlohmann_json QUIET)
keepsake_require(nlohmann_json_FOUND nlohmann_json nlohmann-json3-dev)
pkg_check_modules(ICU QUIET IMPORTED_TARGET icu-uc icu-i18n)
keepsake_require(ICU_FOUND ICU libicu-dev)
pkg_check_modules(VIPS QUIET IMPORTED_TARGET vips)
keepsake_require(VIPS_FOUND libvips libvips-dev)
find_package(JPEG QUIET)
keepsake_require(JPEG_FOUND libjpeg libjpeg-dev)
pkg_check_modules(WEBP QUIET IMPORTED_TARGET libwebp libwebpmux)
keepsake_require(WEBP_FOUND libwebp libwebp-dev)
pkg_check_modules(TIFF QUIET IMPORTED_TARGET libtiff-4>=4.5)
keepsake_require(TIFF_FOUND "libtiff 4.5" libtiff-dev)
pkg_check_modules(EXIF QUIET IMPORTED_TARGET libexif)
keepsake_require(EXIF_FOUND libexif libexif-dev)
pkg_check_modules(PNG QUIET IMPORTED_TARGET libpng16)
keepsake_require(PNG_FOUND libpng libpng-dev)
pkg_check_modules(EXEMPI QUIET IMPORTED_TARGET exempi-2.0)
keepsake_require(EXEMPI_FOUND Exempi libexempi-dev)
pkg_check_modules(LCMS QUIET IMPORTED_TARGET lcms2)
keepsake_require(LCMS_FOUND "Little CMS" liblcms2-dev)
find_package(OpenCV QUIET COMPONENTS core imgproc photo)
keepsake_require(OpenCV_FOUND "OpenCV (core, imgproc, photo)"
  "libopencv-core-dev, libopencv-imgproc-dev, libopencv-photo-dev")
find_package(cereal QUIET)
keepsake_require(cereal_FOUND cereal libcereal-dev)
find_package(CLI11 QUIET)
keepsake_require(CLI11_FOUND CLI11 libcli11-dev)
if(KEEPSAKE_TESTS)
  find_package(GTest QUIET)
  keepsake_require(GTest_FOUND GoogleTest libgtest-dev)
endif()

# The window's own libraries. Without them there is no target keepsake_gui; all else is the same.
set(KEEPSAKE_HAS_GUI OFF)
if(KEEPSAKE_GUI)
  pkg_check_modules(IMGUI QUIET IMPORTED_TARGET imgui)
  find_package(glfw3 3.3 QUIET)
  find_package(OpenGL QUIET COMPONENTS OpenGL GLX)
  if(IMGUI_FOUND AND glfw3_FOUND AND TARGET OpenGL::GL)
    set(KEEPSAKE_HAS_GUI ON)
  endif()
endif()
message(STATUS "Window: ${KEEPSAKE_HAS_GUI}")

# Training by several processes. Without MPI a program that is started several times says so.
set(KEEPSAKE_HAS_MPI OFF)
if(KEEPSAKE_MPI)
  set(MPI_CXX_SKIP_MPICXX ON) # the C interface; that of C++ left the standard in 2012
  find_package(MPI 3.0 QUIET COMPONENTS CXX)
  set(KEEPSAKE_HAS_MPI ${MPI_CXX_FOUND})
endif()
message(STATUS "MPI: ${KEEPSAKE_HAS_MPI}")

# keepsake::torch. TorchConfig.cmake of a CUDA build demands the CUDA toolkit, which linking does
# not need, so the libraries are linked by an imported target of our own.
set(KEEPSAKE_TORCH "" CACHE PATH "A LibTorch folder, or the torch package folder of a Python environment")
set(keepsake_torch_dir "${KEEPSAKE_TORCH}")
if(NOT keepsake_torch_dir)
  file(GLOB keepsake_torch_dir "${CMAKE_SOURCE_DIR}/build/venv/lib/python3*/site-packages/torch")
  if(NOT keepsake_torch_dir)
    message(FATAL_ERROR "LibTorch: none in ${CMAKE_SOURCE_DIR}/build/venv. "
      "Run third_party/setup.sh, or give -DKEEPSAKE_TORCH=<LibTorch or torch package folder>.")
  endif()
endif()
foreach(file lib/libtorch_cpu.so lib/libc10.so include/ATen/ATen.h)
  if(NOT EXISTS "${keepsake_torch_dir}/${file}")
    message(FATAL_ERROR "LibTorch: no ${file} under '${keepsake_torch_dir}'. "
      "Run third_party/setup.sh, or give -DKEEPSAKE_TORCH=<LibTorch or torch package folder>.")
  endif()
endforeach()

# The libraries that `library` cannot be loaded without and that are not on this machine.
function(keepsake_unloadable library result)
  execute_process(COMMAND ldd "${keepsake_torch_dir}/lib/${library}" OUTPUT_VARIABLE output ERROR_QUIET)
  string(REGEX MATCHALL "[^ \t\n]+ => not found" missing "${output}")
  list(TRANSFORM missing REPLACE " => not found" "")
  list(REMOVE_DUPLICATES missing)
  set(${result} "${missing}" PARENT_SCOPE)
endfunction()

# `library` and what it is loaded with that came in the same download: in the LibTorch folder, or in
# the same Python environment, where CUDA's libraries are packages of their own.
function(keepsake_torch_downloads library result)
  get_filename_component(parent "${keepsake_torch_dir}" DIRECTORY)
  set(download "${keepsake_torch_dir}")
  if(parent MATCHES "/(site|dist)-packages$")
    set(download "${parent}")
  endif()
  file(REAL_PATH "${download}" real)
  execute_process(COMMAND ldd "${keepsake_torch_dir}/lib/${library}" OUTPUT_VARIABLE output ERROR_QUIET)
  string(REGEX MATCHALL "=> /[^\n]+ \\(" needed "${output}")
  set(files "${keepsake_torch_dir}/lib/${library}")
  foreach(file IN LISTS needed)
    string(REGEX REPLACE "=> (/.+) \\(" "\\1" file "${file}")
    foreach(folder IN ITEMS "${download}" "${real}")
      string(FIND "${file}" "${folder}/" at)
      if(at EQUAL 0)
        list(APPEND files "${file}")
        break()
      endif()
    endforeach()
  endforeach()
  set(${result} "${files}" PARENT_SCOPE)
endfunction()

set(keepsake_torch_libraries torch_cpu c10)
# Every file that an installed program needs of it.
keepsake_torch_downloads(libtorch_cpu.so keepsake_torch_files)
set(keepsake_torch_kind "CPU")
keepsake_unloadable(libtorch_cpu.so missing)
if(missing)
  message(WARNING "LibTorch: ${keepsake_torch_dir} needs ${missing}, which this machine lacks. "
    "Programs will link but not start.")
endif()
if(EXISTS "${keepsake_torch_dir}/lib/libtorch_cuda.so")
  # Linked only where its CUDA libraries are: without them no program that names it would start,
  # while the CPU half of the same LibTorch works.
  keepsake_unloadable(libtorch_cuda.so missing)
  if(missing)
    set(keepsake_torch_kind "CPU (CUDA build, but this machine lacks ${missing})")
  else()
    set(keepsake_torch_kind "CPU and CUDA")
    list(APPEND keepsake_torch_libraries torch_cuda c10_cuda)
    keepsake_torch_downloads(libtorch_cuda.so files)
    list(APPEND keepsake_torch_files ${files})
    list(REMOVE_DUPLICATES keepsake_torch_files)
  endif()
endif()
message(STATUS "LibTorch: ${keepsake_torch_dir}, ${keepsake_torch_kind}")

add_library(keepsake_torch INTERFACE)
add_library(keepsake::torch ALIAS keepsake_torch)
target_include_directories(keepsake_torch SYSTEM INTERFACE
  "${keepsake_torch_dir}/include" "${keepsake_torch_dir}/include/torch/csrc/api/include")
target_link_directories(keepsake_torch INTERFACE "${keepsake_torch_dir}/lib")
# torch_cuda registers its kernels when it is loaded and no symbol of it is named here, so the linker
# must be told to keep it. What it needs itself (cuBLAS, cuDNN) is found at run time, not at link time.
target_link_libraries(keepsake_torch INTERFACE
  -Wl,--push-state,--no-as-needed ${keepsake_torch_libraries} -Wl,--pop-state)
target_link_options(keepsake_torch INTERFACE -Wl,--allow-shlib-undefined)
# A build's programs find it where it lies; what is installed finds it beside itself (packaging/).
set(CMAKE_BUILD_RPATH "${keepsake_torch_dir}/lib")
