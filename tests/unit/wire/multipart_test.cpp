#include "pure/wire/multipart.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace memseal::wire {
namespace {

using Step = MultipartReader::Step;

constexpr const char* form = "multipart/form-data; boundary=xYz";

/// What a form has, as "name(filename,type)=content;" for each part; else the message. The body is
/// fed in pieces of `piece` bytes.
std::string read_form(std::string_view body, std::size_t piece, const char* type = form) {
  auto reader = MultipartReader::of(type);
  if (!reader) return reader.error().message;
  std::string all;
  for (;;) {
    const auto step = reader->next();
    if (!step) {
      EXPECT_EQ(step.error().code, Errc::bad_request);
      EXPECT_FALSE(reader->next()) << "after an error";
      return step.error().message;
    }
    if (*step == Step::end) return all;
    if (*step == Step::more) {
      if (body.empty()) return all + "cut";
      reader->feed(body.substr(0, piece));
      body.remove_prefix(std::min(piece, body.size()));
    } else if (*step == Step::part) {
      const auto& part = reader->part();
      all += "|" + part.name + "(" + part.filename.value_or("-") + "," + part.media_type + ")=";
    } else {
      EXPECT_FALSE(reader->content().empty());
      all += reader->content();
    }
  }
}

/// A form of one part with this header.
std::string with_header(const std::string& header) {
  return "--xYz\r\n" + header + "\r\n\r\ntext\r\n--xYz--\r\n";
}

struct Case {
  const char* what;
  std::string body, seen;
};

const std::string disposition = "Content-Disposition: form-data; name=\"a\"";
const std::string end_of_name = "\r\n\r\n";

const std::vector<Case>& cases() {
  static const std::vector<Case> all{
      {"as curl sends it",
       "--xYz\r\nContent-Disposition: form-data; name=\"file\"; filename=\"r.pdf\"\r\n"
       "Content-Type: application/pdf\r\n\r\n%PDF\r\n\r\n--xY\r\n--xYz\r\n" +
           disposition + "\r\n\r\nwork\r\n--xYz--\r\n",
       "|file(r.pdf,application/pdf)=%PDF\r\n\r\n--xY|a(-,)=work"},
      {"no field at all", "--xYz--\r\n", ""},
      {"an empty content", "--xYz\r\n" + disposition + "\r\n\r\n\r\n--xYz--", "|a(-,)="},
      {"a preamble and an epilogue", "hello\r\n" + with_header(disposition) + "bye", "|a(-,)=text"},
      {"blanks behind a boundary", "--xYz \t\r\n" + disposition + "\r\n\r\nb\r\n--xYz--",
       "|a(-,)=b"},
      {"names in any case", with_header("content-DISPOSITION:form-data;NAME=a ; filename=\"b\""),
       "|a(b,)=text"},
      {"quotation marks",
       with_header("Content-Disposition: form-data; name=\"a\"; filename=\"x\\\"y%22z\\\\\""),
       "|a(x\"y\"z\\,)=text"},
      {"a path of a browser that sends one",
       with_header("Content-Disposition: form-data; name=\"a\"; filename=\"C:\\dir\\b\""),
       "|a(C:\\dir\\b,)=text"},
      {"a field that is not known", with_header(disposition + "\r\nX-Other: 1"), "|a(-,)=text"},
      {"a boundary inside a line",
       with_header(disposition + "\r\nContent-Type: x/y")
           .replace(0, 0, "--xYz is no boundary here: "),
       "what follows a boundary is neither a line end nor --"},
      {"no end", "--xYz\r\n" + disposition + "\r\n\r\ntext\r\n--xYz", "|a(-,)=textcut"},
      {"no boundary", std::string(5'000, '-'), "the form does not begin with its boundary"},
      {"another boundary", "--other\r\n", "cut"},
      {"no blank line end", "--xYz\r\n" + disposition, "cut"},
      {"a longer boundary", "--xYz\r\n" + disposition + "\r\n\r\nt\r\n--xYzz\r\n",
       "what follows a boundary is neither a line end nor --"},
      {"a header too large", "--xYz\r\nX: " + std::string(9'000, 'x'),
       "the header of a part is larger than 8192 bytes"},
  };
  return all;
}

TEST(Multipart, ReadsFormsInPiecesOfAnySize) {
  for (const auto& each : cases())
    for (const std::size_t piece : {1u, 2u, 7u, 64u, 100'000u})
      EXPECT_EQ(read_form(each.body, piece), each.seen) << each.what << ", pieces of " << piece;
}

TEST(Multipart, RefusesHeadersThatMeanTwoThingsOrNone) {
  const std::string refused =
      "a part needs Content-Disposition: form-data; name=\"…\", and no transfer encoding";
  const std::vector<std::string> headers{
      "Content-Type: text/plain",
      "Content-Disposition: attachment; name=\"a\"",
      "Content-Disposition: form-data",
      "Content-Disposition: form-data; name=\"a",
      "Content-Disposition: form-data; name=\"a\"; name=\"b\"",
      "Content-Disposition: form-data; name=\"a\" filename=\"b\"",
      disposition + "\r\n" + disposition,
      disposition + "\r\n folded: yes",
      disposition + "\r\nContent-Transfer-Encoding: base64",
      disposition + "\r\nContent-Type: a/b\r\nContent-Type: c/d",
      disposition + "\r\nno colon",
      disposition + "\r\nX: \x01",
      "Content-Disposition: form-data; name=\"\xff\"",
      std::string("Content-Disposition: form-data; name=\"a\0\"", 41),
      disposition + "\nX: a bare line end",
  };
  for (const auto& header : headers)
    EXPECT_EQ(read_form(with_header(header), 100'000), refused) << header;
}

TEST(Multipart, HasABoundOfParts) {
  std::string body;
  for (int i = 0; i < 33; ++i) body += "--xYz\r\n" + disposition + "\r\n\r\n\r\n";
  EXPECT_EQ(read_form(body + "--xYz--", 100'000), "a form has at most 32 parts");
}

TEST(Multipart, KeepsNoMoreThanItHasToOfAContent) {
  auto reader = MultipartReader::of(form).value();
  reader.feed("--xYz\r\n" + disposition + "\r\n\r\n");
  while (*reader.next() != Step::more) {
  }
  std::size_t seen = 0;
  for (int i = 0; i < 100; ++i) {
    reader.feed(std::string(1'000, '\r'));
    for (auto step = reader.next(); *step == Step::content; step = reader.next())
      seen += reader.content().size();
  }
  EXPECT_GT(seen, 100'000u - 80u);
}

TEST(Multipart, TakesOneTypeAndSaneBoundaries) {
  for (const char* type :
       {"multipart/form-data; boundary=\"xYz\"", "Multipart/Form-Data;boundary=xYz;charset=utf-8"})
    EXPECT_EQ(read_form(with_header(disposition), 9, type), "|a(-,)=text") << type;
  const std::string long_one = "multipart/form-data; boundary=" + std::string(71, 'x');
  for (const char* type :
       {"multipart/form-data", "multipart/mixed; boundary=x",
        "multipart/form-data; boundary=", "multipart/form-data; boundary=\"\"",
        "multipart/form-data; boundary=\"a\r\nb\"", "multipart/form-data; boundary=\"a \"",
        "multipart/form-data; boundary=a; boundary=b", "", long_one.c_str()}) {
    const auto reader = MultipartReader::of(type);
    ASSERT_FALSE(reader) << type;
    EXPECT_EQ(reader.error().code, Errc::unsupported_media_type);
  }
}

}  // namespace
}  // namespace memseal::wire
