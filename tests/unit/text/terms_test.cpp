#include "pure/text/terms.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace memseal::text {
namespace {

/// "word×2 other": the terms of a text, each with its count where that is not 1.
std::string shown(std::string_view text) {
  std::string all;
  for (const auto& term : terms_of(text).distinct) {
    if (!all.empty()) all += ' ';
    all += term.text;
    if (term.count != 1) all += "×" + std::to_string(term.count);
  }
  return all;
}

std::string asked(std::string_view text) {
  std::string all;
  for (const auto& word : asked_words_of(text)) {
    if (!all.empty()) all += ' ';
    for (std::size_t i = 0; i < word.size(); ++i) all += (i == 0 ? "" : "|") + word[i];
  }
  return all;
}

TEST(Terms, AreTheWordsOfATextWithoutTheStopWordsOfEnglish) {
  const struct {
    std::string_view text, terms;
  } cases[]{
      {"", ""},
      {" \n\t...!?", ""},
      {"The cat sat.", "cat sat"},
      {"Running runs, RUN!", "run×3"},
      {"It's Melanie's dog; they'll don't.", "dog melani"},
      {"who are you and what is this", ""},
      {"generously generalizations", "general generous"},
      {"v1.2.3 of libfoo-bar_2", "2×2 3 bar libfoo v1"},  // Signs end words.
      {"e-mail: ada@example.org", "ada e exampl mail org"},
      {"0x1F600 😀", "0x1f600 😀"},
      {"東京タワー", "タワー 京 東"},
      {"Ärger über Straße", "arger straße uber"},  // Other letters: nothing is reduced.
      {"naïve café running", "cafe naive running"},
      {"\xff\xfe bad \xc3( bytes", "bad byte"},
  };
  for (const auto& one : cases) EXPECT_EQ(shown(one.text), one.terms) << one.text;
}

TEST(Terms, OfALongTextInAnotherLanguageStayAsTheyAreWritten) {
  const std::string_view german =
      "die hunde laufen schnell durch den wald und suchen ihre spielzeuge unter alten steinen";
  EXPECT_EQ(terms_of(german).words, 14u);
  EXPECT_NE(shown(german).find("spielzeuge"), std::string::npos);
  const std::string_view english =
      "the dogs were running through the forest and they looked for their toys under old stones";
  EXPECT_EQ(shown(english), "dog forest look old run stone toy");
  EXPECT_EQ(terms_of(english).words, 7u);
}

TEST(Terms, OfAQuestionStandForBothLanguages) {
  EXPECT_EQ(asked("Where are the spielzeuge?"), "spielzeug|spielzeuge");
  EXPECT_EQ(asked("runs running RUN"), "run|runs");
  EXPECT_EQ(asked("who is it"), "");
  EXPECT_EQ(asked("k8s Straße"), "k8s straße");
  // Whatever a text's language seems to be, a question with its word finds it.
  for (const std::string_view text : {"spielzeuge", "ärger spielzeuge"}) {
    const auto terms = terms_of(text).distinct;
    const auto words = asked_words_of("spielzeuge").at(0);
    EXPECT_TRUE(std::any_of(terms.begin(), terms.end(), [&](const Term& term) {
      return std::find(words.begin(), words.end(), term.text) != words.end();
    })) << text;
  }
}

TEST(Terms, AreBounded) {
  std::string many;
  for (int i = 0; i < 5'000; ++i) many += "w" + std::to_string(i) + " ";
  EXPECT_EQ(terms_of(many).distinct.size(), terms_max);
  EXPECT_EQ(asked_words_of(many).size(), asked_words_max);
  const auto long_word = terms_of(std::string(100'000, 'a')).distinct;
  ASSERT_EQ(long_word.size(), 1u);
  EXPECT_LE(long_word[0].text.size(), 400u);
}

}  // namespace
}  // namespace memseal::text
