# Run by cpack when the files of its packages lie ready: others may read them, whatever the umask is.
file(GLOB packages "${CPACK_TEMPORARY_DIRECTORY}/*")
foreach(package IN LISTS packages)
  file(CHMOD_RECURSE "${package}" DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE
    GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
  file(CHMOD_RECURSE "${package}/usr/share" FILE_PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ
    WORLD_READ)
endforeach()
