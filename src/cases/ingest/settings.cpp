#include "cases/ingest/settings.hpp"

namespace memseal::ingest {

SettingRows<Settings> Settings::rows() {
  using namespace setting;
  return {flag("kafka.enabled", "consume events; false: this process only answers queries",
               &Settings::enabled),
          flag("kafka.status_events", "publish to the status topic", &Settings::status_events),
          flag("kafka.require_authtoken", "refuse events without a valid authtoken header",
               &Settings::require_authtoken)};
}

}  // namespace memseal::ingest
