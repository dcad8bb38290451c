#include "pure/wire/turns_request.hpp"

#include "pure/wire/internal/body.hpp"
#include "pure/wire/internal/turn_shape.hpp"

#include <set>
#include <utility>

namespace memseal::wire {

namespace {

void read_labels(FieldReader& fields, TurnsRequest& request) {
  fields.tags("tags", request.tags);
  fields.attributes("attributes", request.attributes_json);
  std::string user;
  if (fields.text("user_id", user, {1, 256}, Presence::optional)) request.user_id = std::move(user);
}

void check_ids(const std::vector<ChatMessage>& turns, Fault& fault) {
  std::set<std::string_view> seen;
  for (std::size_t i = 0; i < turns.size(); ++i)
    if (!turns[i].id.empty() && !seen.insert(turns[i].id).second)
      return fault.add(pointer_at("/turns", i) + "/id", "is the id of an earlier turn too");
}

}  // namespace

Result<TurnsRequest> parse_turns_request(std::string_view body) {
  const auto object = object_of(body);
  if (!object) return object.error();
  Fault fault{Errc::invalid_field};
  FieldReader fields(*object, "", fault);
  TurnsRequest request;
  Adapted adapted;
  read_labels(fields, request);
  // A turn by itself may have any member, as a turn in the list may.
  if (!object->contains("turns") && object->contains("role")) {
    request.turns.push_back(read_turn(*object, "", TurnIds::strict, adapted, fault));
  } else {
    request.turns = read_turns(fields, "turns", TurnIds::strict, adapted);
    fields.close();
  }
  check_ids(request.turns, fault);
  if (fault.first) return *fault.first;
  return request;
}

}  // namespace memseal::wire
