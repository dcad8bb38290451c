#pragma once
// Reads ZIP archives of documents. Own code, because libzip and minizip keep no bound over a whole
// archive, take the first of two entries of one name without a word, and open files.
#include "extract/blocks.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace memseal::extract {

/// The central directory decides; stored and deflated entries.
/// Throws Stop: damaged, encrypted, too_large.
class Zip {
 public:
  static constexpr std::size_t entries_max = 20'000;
  static constexpr std::uint64_t inflated_bytes_max = 512u << 20;  ///< of everything that is read
  static constexpr std::size_t part_bytes_max = 32u << 20;         ///< of what whole() returns

  /// `data` must outlive it.
  explicit Zip(std::string_view data);

  bool has(std::string_view name) const { return entries_.contains(name); }
  /// Hands the content to `take` in pieces until that returns false. False: there is no such entry.
  bool read(std::string_view name, const std::function<bool(std::string_view)>& take);
  /// Empty where there is no such entry.
  std::string whole(std::string_view name, std::size_t bytes_max = part_bytes_max);

 private:
  struct Entry {
    std::uint64_t method = 0, flags = 0, packed = 0, unpacked = 0, at = 0;
  };

  std::uint64_t number(std::uint64_t at, unsigned bytes) const;
  std::uint64_t end_record() const;
  std::uint64_t read_entry(std::uint64_t at);
  void read_zip64_field(Entry& entry, std::uint64_t at, std::uint64_t end) const;
  std::string_view packed(const Entry& entry) const;
  void spend(std::size_t bytes);
  void inflate(std::string_view packed, const std::function<bool(std::string_view)>& take);

  std::string_view data_;
  std::map<std::string, Entry, std::less<>> entries_;
  std::uint64_t left_ = inflated_bytes_max;
};

}  // namespace memseal::extract
