#include "cases/search/internal/term_opener.hpp"

#include "pure/crypto/term_hasher.hpp"
#include "runtime/log.hpp"

#include <utility>

namespace memseal::search {

void TermOpener::open(const ports::TermBlockRow& row, const Take& take) {
  if (wanted_) return;
  const auto key_id = crypto::Sealer::key_id_of(row.cipher);
  if (!key_id) return refuse("not_a_blob");
  const auto key = keys_.find(*key_id);
  if (key == keys_.end()) {
    wanted_ = *key_id;
    return;
  }
  if (!key->second) return refuse("key_missing");
  const auto block = crypto::Sealer::open_terms(owner_, *key->second, row.first_chunk, row.doc_id,
                                                row.cipher);
  if (!block) return refuse("not_authentic");
  if (!lexical::read_block(block->view(), take)) refuse("not_a_block");
}

void TermOpener::refuse(const char* cause) {
  metrics_.blocks_unopened.Increment();
  if (std::exchange(has_told_, true)) return;  // What damaged one block may have damaged all.
  runtime::log(runtime::LogLevel::error, "search.terms_unopened",
               {{"cause", cause}, {"user_hash", owner_.hash().prefix()}});
}

std::vector<lexical::WordHashes> TermOpener::hashes_of(
    const std::vector<std::vector<std::string>>& words) const {
  std::vector<lexical::WordHashes> all(words.size());
  for (const auto& [id, key] : keys_) {
    if (!key) continue;
    const crypto::TermHasher hasher(*key);
    for (std::size_t word = 0; word < words.size(); ++word)
      for (const auto& form : words[word]) all[word].push_back(hasher.hash(form));
  }
  return all;
}

}  // namespace memseal::search
