# Where every library comes from. LibTorch: a pip wheel or a LibTorch folder; the rest: the system.
find_package(PkgConfig REQUIRED)
find_package(nlohmann_json REQUIRED)
pkg_check_modules(ICU REQUIRED IMPORTED_TARGET icu-uc icu-i18n)
pkg_check_modules(VIPS REQUIRED IMPORTED_TARGET vips)
find_package(OpenCV REQUIRED COMPONENTS core imgproc photo)
find_package(cereal REQUIRED)
find_package(CLI11 REQUIRED)
if(KEEPSAKE_TESTS)
  find_package(GTest REQUIRED)
endif()

# keepsake::torch. TorchConfig.cmake of a CUDA build demands the CUDA toolkit, which linking does
# not need, so the libraries are linked by an imported target of our own.
set(KEEPSAKE_TORCH "" CACHE PATH "A LibTorch folder, or the torch package folder of a Python environment")
set(keepsake_torch_dir "${KEEPSAKE_TORCH}")
if(NOT keepsake_torch_dir)
  file(GLOB keepsake_torch_dir ${CMAKE_SOURCE_DIR}/build/venv/lib/python3*/site-packages/torch)
endif()
if(NOT EXISTS "${keepsake_torch_dir}/lib/libtorch.so" OR NOT EXISTS "${keepsake_torch_dir}/include/ATen/ATen.h")
  message(FATAL_ERROR "LibTorch: no lib/libtorch.so and include/ATen/ATen.h under '${keepsake_torch_dir}'. "
    "Run third_party/setup.sh, or give -DKEEPSAKE_TORCH=<LibTorch or torch package folder>.")
endif()
message(STATUS "LibTorch: ${keepsake_torch_dir}")

add_library(keepsake_torch INTERFACE)
add_library(keepsake::torch ALIAS keepsake_torch)
target_include_directories(keepsake_torch SYSTEM INTERFACE
  ${keepsake_torch_dir}/include ${keepsake_torch_dir}/include/torch/csrc/api/include)
target_link_directories(keepsake_torch INTERFACE ${keepsake_torch_dir}/lib)
# torch_cuda registers its kernels when it is loaded and no symbol of it is named here, so the
# linker must keep it. Its own CUDA libraries are found at run time, not at link time.
target_link_libraries(keepsake_torch INTERFACE
  -Wl,--no-as-needed torch torch_cpu c10
)
if(EXISTS ${keepsake_torch_dir}/lib/libtorch_cuda.so)
  target_link_libraries(keepsake_torch INTERFACE torch_cuda c10_cuda)
endif()
target_link_options(keepsake_torch INTERFACE
  -Wl,--as-needed -Wl,--allow-shlib-undefined -Wl,-rpath,${keepsake_torch_dir}/lib)
