// Any bytes as a text and as a question: terms within their limits, counted right, and a question
// of one of a text's words finds the text.
#include "base/assert.hpp"
#include "pure/text/terms.hpp"

#include <algorithm>
#include <string>

using namespace memseal::text;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto terms = terms_of(text);
  MEMSEAL_ASSERT(terms.distinct.size() <= terms_max);
  std::uint64_t words = 0;
  for (std::size_t i = 0; i < terms.distinct.size(); ++i) {
    const auto& term = terms.distinct[i];
    MEMSEAL_ASSERT(!term.text.empty() && term.text.size() <= 400 && term.count > 0);
    MEMSEAL_ASSERT(i == 0 || terms.distinct[i - 1].text < term.text);
    words += term.count;
  }
  MEMSEAL_ASSERT(words == terms.words);
  const auto asked = asked_words_of(text);
  MEMSEAL_ASSERT(asked.size() <= asked_words_max);
  if (terms.distinct.size() == terms_max) return 0;
  for (const auto& word : asked) {
    MEMSEAL_ASSERT(!word.empty() && word.size() <= 2);
    MEMSEAL_ASSERT(std::any_of(word.begin(), word.end(), [&](const std::string& form) {
      return std::any_of(terms.distinct.begin(), terms.distinct.end(),
                         [&](const Term& term) { return term.text == form; });
    }));
  }
  return 0;
}
