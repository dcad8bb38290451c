#include "cases/ingest/internal/health.hpp"

#include "cases/ingest/internal/blame.hpp"
#include "cases/ingest/internal/seal.hpp"

#include <algorithm>
#include <cmath>

namespace memseal::ingest {

namespace {

constexpr std::string_view fixed_text = "memseal checks that this text can be stored.";
constexpr std::string_view fixed_name = "memseal/health-check";

crypto::Tenant fixed_tenant(const crypto::TenantKeyer& keyer) {
  // A user of this name loses nothing, because the rows are rolled back.
  return keyer.tenant_of(UserId::parse(std::string(fixed_name)).value());
}

/// The second revision replaces the first, so that deleting is checked as well.
Prepared fixed_event(const PrepareDeps& deps, std::int64_t revision) {
  Document document{.origin = Origin::upload,
                    .doc_id = DocId::parse(std::string(fixed_name)).value(),
                    .revision = revision,
                    .chunk_revision = revision,
                    .name = std::string(fixed_name),
                    .meta_json = "{}",
                    .tags = {},
                    .chunks = {}};
  text::Chunk chunk;
  chunk.char_end = static_cast<std::int32_t>(fixed_text.size());
  chunk.text = fixed_text;
  document.chunks.push_back(std::move(chunk));
  Prepared event;
  event.tenant = fixed_tenant(deps.keyer);
  event.event_id = deps.ids.event_id(*event.tenant, fixed_name, std::to_string(revision));
  event.document = std::make_shared<Document>(std::move(document));
  return event;
}

ports::Embedding unit_vector(std::size_t dimension) {
  return ports::Embedding(dimension, 1.0f / std::sqrt(static_cast<float>(dimension)));
}

}  // namespace

bool is_sound(const ports::Embedding& vector, std::size_t dimension) noexcept {
  return vector.size() == dimension && ports::has_direction(vector);
}

bool sound_vectors(const std::vector<ports::Embedding>& vectors, std::size_t dimension) noexcept {
  return std::all_of(vectors.begin(), vectors.end(),
                     [&](const auto& vector) { return is_sound(vector, dimension); });
}

runtime::RequestContext HealthCheck::context() const {
  return {"health-check", runtime::Deadline::after(options_->check_timeout)};
}

asio::awaitable<std::optional<Error>> HealthCheck::failure_of(Stage stage) {
  std::exception_ptr failure;
  try {
    co_await ask(stage);
  } catch (...) {
    failure = std::current_exception();
  }
  if (!failure) co_return std::nullopt;
  co_return error_of(failure);
}

asio::awaitable<void> HealthCheck::ask(Stage stage) {
  if (stage == Stage::embed) co_await embed_fixed_text();
  if (stage == Stage::look || stage == Stage::store) co_await write_fixed_rows();
}

asio::awaitable<void> HealthCheck::embed_fixed_text() {
  std::vector<text::Token> tokens;
  deps_.tokenizer.encode(fixed_text, tokens);
  ports::EmbedInput input{.token_ids = {}, .text = std::string(fixed_text)};
  for (const auto& token : tokens) input.token_ids.push_back(token.id);
  std::vector<ports::EmbedInput> inputs(1, std::move(input));
  const auto vectors = co_await deps_.embedder.embed(context(), std::move(inputs));
  if (vectors.size() != 1 || !sound_vectors(vectors, deps_.embedder.dimension()))
    throw Refused({Errc::dimension_mismatch, "the embedder answers a fixed text wrongly"});
}

const std::vector<ports::EventWrite>& HealthCheck::fixed_rows() {
  if (!rows_.empty()) return rows_;
  const PrepareDeps deps{deps_.tokenizer, deps_.keyer, deps_.ids, deps_.gate, options_};
  const std::vector<ports::Embedding> vectors(1, unit_vector(deps_.embedder.dimension()));
  for (const std::int64_t revision : {1, 2}) {
    const auto event = fixed_event(deps, revision);
    rows_.push_back(seal_event(deps, *event.tenant, deps_.dead_letter_key(),
                               deps_.embedder.model_name(), event, vectors));
  }
  return rows_;
}

asio::awaitable<void> HealthCheck::write_fixed_rows() {
  auto rows = fixed_rows();
  co_await deps_.store.rehearse(context(), fixed_tenant(deps_.keyer), std::move(rows));
}

}  // namespace memseal::ingest
