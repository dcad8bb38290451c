#pragma once

namespace memseal::app {

/// Closes the memory of this process, which holds keys and texts: no core dump is written, and no
/// other process of its user reads it (ptrace, /proc/PID/mem, /proc/PID/environ). A process that it
/// starts by exec writes no core dump either. REQUIRES: no key has been read yet.
void close_own_memory();

}  // namespace memseal::app
