# cmake -DPROGRAM=... -DNAME=... -DFOLDER=... -P CommandReference.cmake
# Asks a program for its manual page (gzipped) and its completions for bash (NAME) and zsh (_NAME).
file(MAKE_DIRECTORY ${FOLDER})
foreach(pair "man-page=${NAME}.1" "bash-completion=${NAME}" "zsh-completion=_${NAME}")
  string(REPLACE "=" ";" pair ${pair})
  list(GET pair 0 kind)
  list(GET pair 1 file)
  execute_process(COMMAND ${PROGRAM} --print ${kind} OUTPUT_FILE ${FOLDER}/${file} COMMAND_ERROR_IS_FATAL ANY)
endforeach()
execute_process(COMMAND gzip -9nf ${FOLDER}/${NAME}.1 COMMAND_ERROR_IS_FATAL ANY)
