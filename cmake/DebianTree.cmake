# Run by CPack on the installed trees before it packs them: under the prefix /usr, what `cmake --install` puts into PREFIX/etc
# belongs into /etc.
file(GLOB trees LIST_DIRECTORIES ON ${CPACK_TEMPORARY_DIRECTORY}/*)
foreach(tree ${trees})
  if(EXISTS ${tree}/usr/etc)
    file(RENAME ${tree}/usr/etc ${tree}/etc)
  endif()
endforeach()
