# What `cmake --install` and the Debian packages contain. Components: pulmo (prepare, train, cluster scripts), pulmo-serve.
include(GNUInstallDirs)

set(PULMO_MAINTAINER "pulmo maintainers <pulmo@pulmo.example>" CACHE STRING "Maintainer of the Debian packages")
set(packaging ${PROJECT_SOURCE_DIR}/packaging)
set(share ${CMAKE_INSTALL_DATADIR})

set(programs pulmo-prepare pulmo-train)
set(components pulmo)
if(PULMO_SERVING)
  list(APPEND programs pulmo-serve)
  list(APPEND components pulmo-serve)
endif()

# Manual page and completions, made by the program itself from its command line.
foreach(program ${programs})
  set(folder ${PROJECT_BINARY_DIR}/reference)
  set(outputs ${folder}/${program}.1.gz ${folder}/${program} ${folder}/_${program})
  add_custom_command(OUTPUT ${outputs}
    COMMAND ${CMAKE_COMMAND} -DPROGRAM=$<TARGET_FILE:${program}> -DNAME=${program} -DFOLDER=${folder}
            -P ${PROJECT_SOURCE_DIR}/cmake/CommandReference.cmake
    DEPENDS ${program} ${PROJECT_SOURCE_DIR}/cmake/CommandReference.cmake VERBATIM)
  list(APPEND reference_files ${outputs})

  set(component pulmo)
  if(program STREQUAL pulmo-serve)
    set(component pulmo-serve)
  endif()
  install(TARGETS ${program} RUNTIME COMPONENT ${component})
  install(FILES ${folder}/${program}.1.gz DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT ${component})
  install(FILES ${folder}/${program} DESTINATION ${share}/bash-completion/completions COMPONENT ${component})
  install(FILES ${folder}/_${program} DESTINATION ${share}/zsh/vendor-completions COMPONENT ${component})
endforeach()
add_custom_target(command_reference ALL DEPENDS ${reference_files})

set(changelog ${PROJECT_BINARY_DIR}/reference/changelog)
configure_file(${packaging}/debian/changelog.in ${changelog} @ONLY)
find_program(PULMO_GZIP gzip REQUIRED)
execute_process(COMMAND ${PULMO_GZIP} -9nkf ${changelog} COMMAND_ERROR_IS_FATAL ANY)
foreach(component ${components})
  install(FILES ${packaging}/debian/copyright ${changelog}.gz DESTINATION ${share}/doc/${component} COMPONENT ${component})
endforeach()

install(DIRECTORY configs/ DESTINATION ${share}/pulmo/configs COMPONENT pulmo)
install(DIRECTORY slurm/ DESTINATION ${share}/pulmo/slurm COMPONENT pulmo USE_SOURCE_PERMISSIONS)

if(PULMO_SERVING)
  # Where serving/isolation/decoder.cpp looks for it, whatever CMAKE_INSTALL_LIBEXECDIR says.
  install(TARGETS pulmo-decoder RUNTIME DESTINATION libexec/pulmo COMPONENT pulmo-serve)
  install(FILES configs/serve.yaml DESTINATION ${CMAKE_INSTALL_SYSCONFDIR}/pulmo COMPONENT pulmo-serve)
  install(FILES ${packaging}/pulmo-serve.default DESTINATION ${CMAKE_INSTALL_SYSCONFDIR}/default RENAME pulmo-serve
    COMPONENT pulmo-serve)
  install(FILES ${packaging}/pulmo-serve.service DESTINATION lib/systemd/system COMPONENT pulmo-serve)
  install(FILES ${packaging}/pulmo-serve.sysusers DESTINATION lib/sysusers.d RENAME pulmo-serve.conf COMPONENT pulmo-serve)
endif()

# cpack -G DEB --config build/release/CPackConfig.cmake -B DIR
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_CONTACT ${PULMO_MAINTAINER})
set(CPACK_COMPONENTS_ALL ${components})
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_STRIP_FILES ON)
set(CPACK_PRE_BUILD_SCRIPTS ${PROJECT_SOURCE_DIR}/cmake/DebianTree.cmake)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ
  WORLD_EXECUTE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)

# A BLAS beside the reference one: LibTorch takes whichever is there, and the reference one crawls.
set(CPACK_DEBIAN_PULMO_PACKAGE_NAME pulmo)
set(CPACK_DEBIAN_PULMO_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PULMO_PACKAGE_DEPENDS "libopenblas0-openmp | libopenblas0")
set(CPACK_DEBIAN_PULMO_PACKAGE_RECOMMENDS "openmpi-bin, slurm-client")
set(CPACK_DEBIAN_PULMO_PACKAGE_SUGGESTS pulmo-serve)
set(CPACK_DEBIAN_PULMO_DESCRIPTION "chest CT preparation and model training
 pulmo-prepare turns chest CT series with LIDC-IDRI readings into checked
 training data; pulmo-train trains, judges and compares models on it over MPI
 ranks. Batch scripts for Slurm are in /usr/share/pulmo/slurm.
 Research tool: not a medical device, never a diagnosis.")
set(CPACK_DEBIAN_PULMO-SERVE_PACKAGE_NAME pulmo-serve)
set(CPACK_DEBIAN_PULMO-SERVE_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PULMO-SERVE_PACKAGE_DEPENDS
  "libopenblas0-openmp | libopenblas0, procps, init-system-helpers (>= 1.54), systemd | systemd-standalone-sysusers | systemd-sysusers")
set(CPACK_DEBIAN_PULMO-SERVE_PACKAGE_SUGGESTS "pulmo, prometheus")
set(CPACK_DEBIAN_PULMO-SERVE_DESCRIPTION "prediction service for chest CT slices
 Serves a model trained by pulmo-train: REST interface, web page and Prometheus
 metrics, as a confined systemd service.
 Research tool and second opinion: not a medical device, never a diagnosis.")
set(control ${PROJECT_BINARY_DIR}/packaging)
foreach(file conffiles postinst prerm postrm)
  configure_file(${packaging}/debian/${file}-pulmo-serve ${control}/pulmo-serve/${file} COPYONLY)
  list(APPEND CPACK_DEBIAN_PULMO-SERVE_PACKAGE_CONTROL_EXTRA ${control}/pulmo-serve/${file})
endforeach()
include(CPack)
