# What a machine that runs memseal needs: the program, its migrations, completions and manual pages.
#   cmake --build build/release --target memseal
#   cmake --install build/release --component program --prefix PREFIX
install(TARGETS memseal RUNTIME DESTINATION bin COMPONENT program)
install(DIRECTORY config/migrations config/backup DESTINATION share/memseal COMPONENT program
  FILES_MATCHING PATTERN "*.sql")

# The program writes them itself, from its table of commands.
install(CODE "
  set(program \"$<TARGET_FILE:memseal>\")
  set(share \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/share\")
  foreach(shell_and_file
      bash:bash-completion/completions/memseal
      zsh:zsh/site-functions/_memseal
      fish:fish/vendor_completions.d/memseal.fish)
    string(REPLACE \":\" \";\" pair \${shell_and_file})
    list(GET pair 0 shell)
    list(GET pair 1 file)
    execute_process(COMMAND \${program} completion \${shell} OUTPUT_VARIABLE script
      COMMAND_ERROR_IS_FATAL ANY)
    file(WRITE \${share}/\${file} \"\${script}\")
  endforeach()
  execute_process(COMMAND \${program} man --quiet --dir \${share}/man/man1
    COMMAND_ERROR_IS_FATAL ANY)
" COMPONENT program)
