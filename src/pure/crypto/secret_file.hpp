#pragma once
// Who may use a file that holds keys.
#include <sys/types.h>

namespace memseal::crypto {

/// Whether others than `self` and root may use a file of that mode and owner. A file of root's may
/// be readable for a group: for the service's, as in a Secret of Kubernetes, or for the mask of an
/// access list, as in a credential of systemd. PostgreSQL has the same rule for its keys.
bool others_may_use(mode_t mode, uid_t owner, uid_t self) noexcept;

}  // namespace memseal::crypto
