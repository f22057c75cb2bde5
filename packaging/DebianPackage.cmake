# `cpack --config build/release/CPackConfig.cmake` makes a package for the Debian that it is built on.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME keepsake)
set(CPACK_PACKAGE_DIRECTORY ${CMAKE_BINARY_DIR}/packages)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
# The group and others may read and nobody but the owner may write, whatever the builder's umask.
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
  OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_CURRENT_LIST_DIR}/debian_places.cmake)

set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
# Whoever makes the package answers for it: named as Debian's own tools do, else as in Git.
if(DEFINED ENV{DEBEMAIL})
  set(maintainer "$ENV{DEBFULLNAME} <$ENV{DEBEMAIL}>")
else()
  execute_process(COMMAND git config user.name WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}
    OUTPUT_VARIABLE maintainer_name OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  execute_process(COMMAND git config user.email WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}
    OUTPUT_VARIABLE maintainer_email OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  if(NOT maintainer_email)
    cmake_host_system_information(RESULT host QUERY FQDN)
    set(maintainer_email "root@${host}")
  endif()
  set(maintainer "${maintainer_name} <${maintainer_email}>")
endif()
string(STRIP "${maintainer}" maintainer)
if(maintainer MATCHES "^<")
  string(PREPEND maintainer "Keepsake's packager ")
endif()
set(CPACK_DEBIAN_PACKAGE_MAINTAINER "${maintainer}")
set(CPACK_DEBIAN_PACKAGE_SECTION graphics)
# Packs and installs in a tenth of the time that xz takes, for a tenth more bytes.
set(CPACK_DEBIAN_COMPRESSION_TYPE zstd)
# dpkg-shlibdeps names the packages of every library but those that lie in the package itself.
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(private_folders)
foreach(file IN LISTS keepsake_torch_files)
  get_filename_component(private_folder "${file}" DIRECTORY)
  list(APPEND private_folders "${private_folder}")
endforeach()
list(REMOVE_DUPLICATES private_folders)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${private_folders})
# The contact sheet's labels.
set(CPACK_DEBIAN_PACKAGE_DEPENDS fonts-dejavu-core)
# OpenGL's driver, for the window.
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS libgl1-mesa-dri)
if(KEEPSAKE_HAS_MPI)
  # mpirun, for training on many machines. Open MPI's library is among what dpkg-shlibdeps finds.
  set(CPACK_DEBIAN_PACKAGE_SUGGESTS openmpi-bin)
endif()
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
"Keepsake learns a photo first, then walks from the photo towards the words
that say what it should show, and you choose how far (Imagic on latent
diffusion). A window and a command line; no Python and no network at work.
.
A small model that knows five flowers is inside; for any other subject, give
it weights of Stable Diffusion 1 or 2. LibTorch's libraries are inside.")
include(CPack)
