#pragma once
// PostgreSQL's binary formats for parameters: arrays, half-precision vectors.
// Layouts: src/backend/utils/adt/arrayfuncs.c array_recv(), pgvector src/halfvec.c halfvec_recv().
#include "base/ids.hpp"
#include "base/secret.hpp"
#include "pure/codec/half.hpp"

#include <pqxx/pqxx>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace memseal::postgres {

using Oid = std::uint32_t;

/// Object ids of built-in element types; they are fixed (pg_type.dat).
namespace oid {
inline constexpr Oid bytea = 17, int8 = 20, int4 = 23, text = 25, uuid = 2950;
}

/// A binary parameter over bytes that outlive the call.
inline pqxx::bytes_view binary(std::span<const std::byte> bytes) {
  return {bytes.data(), bytes.size()};
}

using codec::half_bits;

/// A halfvec as halfvec_recv() reads it: dim i16, unused i16, dim × binary16, big-endian.
std::string halfvec(std::span<const float> values);

/// Builds a one-dimensional array, element by element, as one binary parameter.
class ArrayBuilder {
 public:
  explicit ArrayBuilder(Oid element);
  void reserve(std::size_t bytes) { buffer_.reserve(buffer_.size() + bytes); }

  void add_null();
  void add(std::int32_t value);
  void add(std::int64_t value);
  void add(const Uuid& value);
  void add(std::string_view text);
  void add(ByteView bytes);
  void add_halfvec(std::span<const float> values);

  std::size_t size() const noexcept { return count_; }
  /// The whole array; valid until the next add.
  std::span<const std::byte> bytes();

 private:
  void begin_element(std::size_t length);

  std::string buffer_;
  std::uint32_t count_ = 0;
  bool has_null_ = false;
};

/// A text[] in its textual form, e.g. {"a","b\"c"}.
std::string text_array(std::span<const std::string> values);
/// The reverse. A malformed array gives the elements that could be read.
std::vector<std::string> parse_text_array(std::string_view text);
/// "\x0a0b…" as the server prints a bytea; empty for anything else.
Bytes parse_bytea(std::string_view text);
/// The numbers of a halfvec that halfvec_send() made, as the server prints that bytea; empty for
/// anything else.
std::vector<float> parse_halfvec(std::string_view text);

}  // namespace memseal::postgres
