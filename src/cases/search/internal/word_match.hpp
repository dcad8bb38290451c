#pragma once
#include "base/ids.hpp"

namespace memseal::search {

/// A chunk that has a word of the question.
struct WordMatch {
  Uuid id;
  float score = 0;  ///< BM25
};

}  // namespace memseal::search
