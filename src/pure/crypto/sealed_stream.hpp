#pragma once
// Sealed streams, format SBS1: content of any length, sealed frame by frame in constant memory
// (the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizár, 2015).
//
//   SBS1   = header (48) ‖ frame 0 ‖ frame 1 ‖ … ‖ final frame, numbers big-endian
//   header = "MEMSEALF" (8) ‖ format 0x01 (1) ‖ frame bits (1) ‖ 0 (2) ‖ key_id u32 (4) ‖ salt (32)
//   frame  = ciphertext ‖ tag (16); its plaintext has 2^(frame bits) bytes, the last at most
//   key    = HKDF-SHA256(DEK, salt, "memseal/stream/v1"), 32 bytes, of this stream alone
//   nonce  = 0 (3) ‖ final (1) ‖ frame number u64 (8)
//   AAD    = header[0..16) ‖ user_hash (32) ‖ file id (16) ‖ final (1) ‖ 0 (7) ‖ frame number u64
//   (8)
//
// AES-256-GCM. `final` is 1 in the last frame and 0 in every other one, so a stream that was cut at
// a frame does not open. Only the single frame of an empty stream is empty.
#include "base/ids.hpp"
#include "base/secret.hpp"
#include "pure/crypto/sealer.hpp"
#include "pure/crypto/tenant.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <span>

namespace memseal::crypto {

inline constexpr std::size_t stream_header_bytes = 48, stream_frame_overhead = 16;
inline constexpr unsigned stream_frame_bits = 16;  ///< of a new stream: frames of 64 KiB
inline constexpr unsigned stream_frame_bits_min = 10, stream_frame_bits_max = 20;
inline constexpr std::uint64_t stream_frames_max = std::uint64_t{1} << 32;

/// Sealed bytes in the order of the stream. Only StreamSealer makes them, so that a store which
/// takes SealedPart cannot be given plaintext.
class SealedPart {
 public:
  ByteView view() const noexcept { return bytes_; }
  std::size_t size() const noexcept { return bytes_.size(); }
  void clear() noexcept { bytes_.clear(); }
  /// Makes room for `bytes`, so that a part which grows frame by frame is not copied as it grows.
  void reserve(std::size_t bytes) { bytes_.reserve(bytes); }

 private:
  friend class StreamSealer;
  Bytes bytes_;
};

/// Seals one stream. Holds at most one frame of plaintext, and wipes it.
/// Thread: one at a time.
class StreamSealer {
 public:
  /// Errors: seal_failed for a key without an id or of another length, or for other frame bits.
  /// Throws Outage when the random generator has no entropy.
  static Result<StreamSealer> start(const Tenant& owner, const TenantKey& key, const Uuid& file,
                                    unsigned frame_bits = stream_frame_bits);
  ~StreamSealer();
  StreamSealer(StreamSealer&&) noexcept;
  StreamSealer& operator=(StreamSealer&&) noexcept;

  /// Takes the next piece of the content and appends the frames that it completes to `to`, so `to`
  /// grows as the piece does.
  /// Error: seal_failed after finish(), after an error or an exception, in a forked child, or
  /// beyond stream_frames_max frames.
  [[nodiscard]] Result<void> write(ByteView plain, SealedPart& to);
  /// Appends the final frame. The stream is whole after it.
  [[nodiscard]] Result<void> finish(SealedPart& to);
  std::uint64_t plain_bytes() const noexcept;  ///< taken so far

 private:
  struct State;
  explicit StreamSealer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// Where the frames of a stream lie, by the stream's length alone.
/// NOTE: nothing authenticates the length. Whoever reads a part of a stream opens its final frame
///       first, because the number of that frame shows that the length is right.
class StreamLayout {
 public:
  struct Place {
    std::uint64_t offset = 0;  ///< of the sealed frame, from the start of the stream
    std::size_t bytes = 0;     ///< of the sealed frame
    bool final = false;
  };

  /// Error: open_failed for a length that no whole stream has.
  /// REQUIRES: frame_bytes as StreamOpener::frame_bytes() gives it.
  static Result<StreamLayout> of(std::uint64_t sealed_bytes, std::size_t frame_bytes);
  std::uint64_t plain_bytes() const noexcept { return plain_bytes_; }
  std::uint64_t frames() const noexcept { return frames_; }
  /// REQUIRES: number < frames().
  Place frame(std::uint64_t number) const noexcept;

 private:
  std::uint64_t plain_bytes_ = 0, frames_ = 0;
  std::size_t frame_bytes_ = 0;
};

/// Opens the frames of one stream in any order.
/// NOTE: an opener and a sealer hold their key for their life. Forgetting the tenant's keys does
///       not reach them.
/// Error of every method: open_failed, one for every cause.
/// Thread: one at a time.
class StreamOpener {
 public:
  /// `header`: the first stream_header_bytes of the stream.
  static Result<StreamOpener> start(const Tenant& owner, const TenantKey& key, const Uuid& file,
                                    ByteView header);
  ~StreamOpener();
  StreamOpener(StreamOpener&&) noexcept;
  StreamOpener& operator=(StreamOpener&&) noexcept;

  /// The key generation that a header names. Reads no secret.
  static Result<std::uint32_t> key_id_of(ByteView header);

  std::size_t frame_bytes() const noexcept;  ///< plaintext of a frame, at most
  /// Writes the plaintext to `out` and returns its length. After an error the first frame_bytes()
  /// of `out` are wiped. Error also where `out` is shorter than frame_bytes().
  /// REQUIRES: `sealed` and `out` do not overlap. NOTE: meanwhile `out` holds what no tag
  /// has proven.
  Result<std::size_t> open(std::uint64_t number, bool final, ByteView sealed,
                           std::span<std::uint8_t> out);

 private:
  struct State;
  explicit StreamOpener(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// Opens a stream from front to back, in pieces of any length. Holds one frame, and wipes it.
/// NOTE: the content is whole only after finish() succeeded. A caller that acts on earlier frames
///       knows that they are genuine and in their order, not that none is missing at the end.
/// Thread: one at a time.
class StreamReader {
 public:
  using Take = std::function<void(ByteView plain)>;  ///< gets one frame; the view ends with it

  explicit StreamReader(StreamOpener opener);
  ~StreamReader();
  StreamReader(StreamReader&&) noexcept = default;
  StreamReader& operator=(StreamReader&&) noexcept = delete;

  /// `sealed`: the next bytes after the header. Error: open_failed. After an error, and after an
  /// exception of `take`, every later call fails.
  [[nodiscard]] Result<void> write(ByteView sealed, const Take& take);
  /// Opens the final frame. Error: open_failed if the stream was cut.
  [[nodiscard]] Result<void> finish(const Take& take);

 private:
  Result<void> open_held(bool final, const Take& take);

  StreamOpener opener_;
  Bytes held_, plain_;
  std::uint64_t next_ = 0;
  bool ended_ = false;
};

}  // namespace memseal::crypto
