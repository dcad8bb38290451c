#include "pure/text/internal/stop_words.hpp"

#include <algorithm>
#include <iterator>

namespace memseal::text {

namespace {

// Pronouns, articles, prepositions, conjunctions, auxiliaries; in the order of their bytes.
constexpr std::string_view stop_words[]{
    "a", "about", "above", "after", "again", "against", "all", "also", "am", "an", "and", "any",
    "are", "aren", "as", "at", "be", "because", "been", "before", "being", "below", "between",
    "both", "but", "by", "can", "cannot", "could", "couldn", "d", "did", "didn", "do", "does",
    "doesn", "doing", "don", "down", "during", "each", "either", "else", "ever", "few", "for",
    "from", "further", "had", "hadn", "has", "hasn", "have", "haven", "having", "he", "her", "here",
    "hers", "herself", "him", "himself", "his", "how", "i", "if", "in", "into", "is", "isn", "it",
    "its", "itself", "just", "let", "ll", "m", "may", "me", "might", "mightn", "more", "most",
    "must", "mustn", "my", "myself", "neither", "no", "nor", "not", "now", "of", "off", "on",
    "once", "only", "or", "other", "ought", "our", "ours", "ourselves", "out", "over", "own", "re",
    "s", "same", "shall", "shan", "she", "should", "shouldn", "so", "some", "such", "t", "than",
    "that", "the", "their", "theirs", "them", "themselves", "then", "there", "these", "they",
    "this", "those", "through", "to", "too", "under", "until", "up", "upon", "us", "ve", "very",
    "was", "wasn", "we", "were", "weren", "what", "when", "where", "whether", "which", "while",
    "who", "whom", "whose", "why", "will", "with", "won", "would", "wouldn", "yes", "yet", "you",
    "your", "yours", "yourself", "yourselves",
};
static_assert(std::is_sorted(std::begin(stop_words), std::end(stop_words)));

}  // namespace

bool is_stop_word(std::string_view word) noexcept {
  return std::binary_search(std::begin(stop_words), std::end(stop_words), word);
}

}  // namespace memseal::text
