// Offsets and signatures: PKWARE's APPNOTE.TXT 6.3, sections 4.3.7, 4.3.12, 4.3.14 and 4.3.16.
#include "extract/zip.hpp"

#include <zlib.h>

namespace memseal::extract {

namespace {

constexpr std::uint32_t local_mark = 0x04034b50, entry_mark = 0x02014b50, end_mark = 0x06054b50;
constexpr std::uint32_t zip64_end_mark = 0x06064b50, zip64_locator_mark = 0x07064b50;
constexpr std::uint64_t elsewhere = 0xffffffff;  ///< the number stands in the ZIP64 field

struct EndInflate {
  z_stream& stream;
  ~EndInflate() { inflateEnd(&stream); }
};

}  // namespace

std::uint64_t Zip::number(std::uint64_t at, unsigned bytes) const {
  if (at > data_.size() || data_.size() - at < bytes) throw Stop(End::damaged, "zip: cut off");
  std::uint64_t value = 0;
  for (unsigned i = bytes; i-- > 0;)
    value = value << 8 | static_cast<unsigned char>(data_[static_cast<std::size_t>(at) + i]);
  return value;
}

std::uint64_t Zip::end_record() const {
  constexpr std::uint64_t bytes = 22, comment_max = 65'535;
  if (data_.size() < bytes) throw Stop(End::damaged, "zip: too short");
  const std::uint64_t last = data_.size() - bytes;
  // The record has a comment of unknown length behind it, so it is searched for from the end. The
  // last one counts: an earlier one may be part of a stored file.
  for (std::uint64_t back = 0; back <= std::min(last, comment_max); ++back)
    if (number(last - back, 4) == end_mark) return last - back;
  throw Stop(End::damaged, "zip: no end record");
}

Zip::Zip(std::string_view data) : data_(data) {
  const auto end = end_record();
  auto count = number(end + 10, 2), at = number(end + 16, 4);
  if ((count == 0xffff || at == elsewhere) && end >= 20 &&
      number(end - 20, 4) == zip64_locator_mark) {
    const auto record = number(end - 12, 8);
    if (number(record, 4) != zip64_end_mark) throw Stop(End::damaged, "zip: no zip64 record");
    count = number(record + 32, 8);
    at = number(record + 48, 8);
  }
  // Before the loop, because the number comes from the file and each entry costs memory.
  if (count > entries_max) throw Stop(End::too_large, "zip: too many entries");
  for (; count > 0; --count) at = read_entry(at);
}

std::uint64_t Zip::read_entry(std::uint64_t at) {
  if (number(at, 4) != entry_mark) throw Stop(End::damaged, "zip: bad directory");
  Entry entry{number(at + 10, 2), number(at + 8, 2), number(at + 20, 4), number(at + 24, 4),
              number(at + 42, 4)};
  const auto name_bytes = number(at + 28, 2), extra_bytes = number(at + 30, 2);
  const auto comment_bytes = number(at + 32, 2);
  const auto extra = at + 46 + name_bytes;
  if (extra + extra_bytes > data_.size()) throw Stop(End::damaged, "zip: cut off");
  std::string name(
      data_.substr(static_cast<std::size_t>(at) + 46, static_cast<std::size_t>(name_bytes)));
  read_zip64_field(entry, extra, extra + extra_bytes);
  // Two readers of one archive must not see two documents.
  if (!entries_.emplace(std::move(name), entry).second)
    throw Stop(End::damaged, "zip: two entries of one name");
  return extra + extra_bytes + comment_bytes;
}

void Zip::read_zip64_field(Entry& entry, std::uint64_t at, std::uint64_t end) const {
  while (at + 4 <= end) {
    const auto id = number(at, 2), bytes = number(at + 2, 2);
    auto value = at + 4;
    at = value + bytes;
    if (id != 1) continue;
    // The field holds only those numbers that did not fit, in this order.
    for (auto* field : {&entry.unpacked, &entry.packed, &entry.at})
      if (*field == elsewhere && value + 8 <= at) {
        *field = number(value, 8);
        value += 8;
      }
  }
}

std::string_view Zip::packed(const Entry& entry) const {
  if (entry.flags & 1) throw Stop(End::encrypted, "zip: encrypted");
  if (number(entry.at, 4) != local_mark) throw Stop(End::damaged, "zip: bad local header");
  // The local header repeats name and extra field in lengths of its own, which may differ from the
  // directory's. The size is the directory's.
  const auto from = entry.at + 30 + number(entry.at + 26, 2) + number(entry.at + 28, 2);
  if (from > data_.size() || data_.size() - from < entry.packed)
    throw Stop(End::damaged, "zip: cut off");
  return data_.substr(static_cast<std::size_t>(from), static_cast<std::size_t>(entry.packed));
}

void Zip::spend(std::size_t bytes) {
  if (bytes > left_) throw Stop(End::too_large, "zip: inflates to too much");
  left_ -= bytes;
}

bool Zip::read(std::string_view name, const std::function<bool(std::string_view)>& take) {
  const auto found = entries_.find(name);
  if (found == entries_.end()) return false;
  const auto bytes = packed(found->second);
  if (found->second.method == 0) {
    spend(bytes.size());
    take(bytes);
  } else if (found->second.method == 8) {
    inflate(bytes, take);
  } else {
    throw Stop(End::damaged, "zip: neither stored nor deflated");
  }
  return true;
}

void Zip::inflate(std::string_view packed, const std::function<bool(std::string_view)>& take) {
  constexpr int raw_deflate = -15;
  z_stream stream{};
  if (inflateInit2(&stream, raw_deflate) != Z_OK) throw Stop(End::too_large, "zip: no memory");
  const EndInflate at_exit{stream};
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  if (stream.avail_in != packed.size()) throw Stop(End::too_large, "zip: too large an entry");
  char piece[65'536];
  for (int state = Z_OK; state != Z_STREAM_END;) {
    stream.next_out = reinterpret_cast<Bytef*>(piece);
    stream.avail_out = sizeof piece;
    state = ::inflate(&stream, Z_NO_FLUSH);
    const auto size = sizeof piece - stream.avail_out;
    spend(size);
    // Counted as it comes out: the size that the directory states is the sender's claim.
    if (size > 0 && !take({piece, size})) return;
    if (state != Z_STREAM_END && (state != Z_OK || (size == 0 && stream.avail_in == 0)))
      throw Stop(End::damaged, "zip: bad deflated data");
  }
}

std::string Zip::whole(std::string_view name, std::size_t bytes_max) {
  std::string content;
  read(name, [&](std::string_view piece) {
    if (content.size() + piece.size() > bytes_max) throw Stop(End::too_large, "zip: a large part");
    content += piece;
    return true;
  });
  return content;
}

}  // namespace memseal::extract
