#include "cases/auditing/settings.hpp"

namespace memseal::auditing {

SettingRows<Settings> Settings::rows() {
  using namespace setting;
  return {choice("audit.records",
                 "what is written to the audit log: changes leaves out what only reads, but for "
                 "exports and downloads; none writes nothing",
                 {"all", "changes", "none"}, &Settings::records),
          number("audit.checkpoint_s", "seconds between two signed checkpoints of the audit log", 1,
                 86'400, &Settings::checkpoint_s),
          number("audit.retention_days",
                 "days after which `memseal audit prune` deletes records", 1, 36'500,
                 &Settings::retention_days)};
}

}  // namespace memseal::auditing
