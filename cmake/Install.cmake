# What a machine that runs memseal needs: the program, the helper that reads documents, its
# migrations, completions, manual pages, the pages of docs/ and examples.
#   cmake --build build/release --target memseal
#   cmake --install build/release --component program --prefix PREFIX
install(TARGETS memseal memseal-extract RUNTIME DESTINATION bin COMPONENT program)
# PDFium, with the notices of what it is made of.
install(FILES .deps/pdfium/libpdfium.so DESTINATION lib/memseal COMPONENT program OPTIONAL)
install(DIRECTORY .deps/pdfium/licenses/ DESTINATION share/doc/memseal/pdfium COMPONENT program
  OPTIONAL)
install(DIRECTORY config/migrations config/backup config/verify DESTINATION share/memseal
  COMPONENT program FILES_MATCHING PATTERN "*.sql")
install(FILES LICENSE DESTINATION share/doc/memseal RENAME copyright COMPONENT program)
install(FILES NOTICE DESTINATION share/doc/memseal COMPONENT program)
# The pages that messages name, and the proxy of a canary.
install(DIRECTORY docs DESTINATION share/doc/memseal COMPONENT program FILES_MATCHING PATTERN "*.md")
install(DIRECTORY deploy/haproxy DESTINATION share/doc/memseal/examples COMPONENT program)

# The program writes them itself, from its tables of commands and settings.
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
  set(example \${share}/doc/memseal/examples/memseal.yaml)
  file(MAKE_DIRECTORY \${share}/doc/memseal/examples)
  file(REMOVE \${example})  # it is never overwritten
  execute_process(COMMAND \${program} config init --quiet \${example} COMMAND_ERROR_IS_FATAL ANY)
" COMPONENT program)

# What only a package has (Package.cmake): systemd's unit, which names the program at /usr/bin, and
# completions where Debian's zsh looks for those of packages.
install(FILES deploy/systemd/memseal.service DESTINATION lib/systemd/system COMPONENT service)
install(CODE "
  set(zsh \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/share/zsh\")
  file(MAKE_DIRECTORY \${zsh}/vendor-completions)
  file(RENAME \${zsh}/site-functions/_memseal \${zsh}/vendor-completions/_memseal)
  file(REMOVE_RECURSE \${zsh}/site-functions)
" COMPONENT service)
install(DIRECTORY .deps/models/ DESTINATION share/memseal/models COMPONENT model OPTIONAL)
