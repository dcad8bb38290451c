#pragma once
#include "ports/text_extractor.hpp"

#include <functional>
#include <memory>
#include <string>

namespace memseal::fakes {

namespace asio = boost::asio;

/// Makes of each file what the test says.
class TextExtractor final : public ports::TextExtractor {
 public:
  using Read = std::function<Result<ports::ExtractedText>(const std::string& file)>;

  explicit TextExtractor(Read read) : read_(std::move(read)) {}

  std::uint64_t file_bytes_max() const override { return 3'000'000; }
  std::unique_ptr<ports::TextExtraction> begin(std::uint64_t) override {
    return std::make_unique<Extraction>(read_);
  }

 private:
  class Extraction final : public ports::TextExtraction {
   public:
    explicit Extraction(const Read& read) : read_(read) {}
    void append(ByteView bytes) override { file_.append(bytes.begin(), bytes.end()); }
    asio::awaitable<Result<ports::ExtractedText>> finish(runtime::RequestContext,
                                                         std::size_t) override {
      co_return read_(file_);
    }

   private:
    const Read& read_;
    std::string file_;
  };

  const Read read_;
};

}  // namespace memseal::fakes
