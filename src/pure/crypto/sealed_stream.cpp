#include "pure/crypto/sealed_stream.hpp"

#include "base/assert.hpp"
#include "base/on_exit.hpp"
#include "pure/crypto/internal/nonces.hpp"
#include "pure/crypto/internal/stream_frames.hpp"
#include "pure/crypto/random.hpp"

#include <algorithm>

namespace memseal::crypto {

namespace {

Error does_not_open() { return {Errc::open_failed, "the sealed stream does not open"}; }

}  // namespace

struct StreamSealer::State {
  StreamFrames frames;
  StreamHeader header;
  Bytes held = {};  ///< plaintext of the frame that is not yet known to be final or not
  std::uint64_t next = 0, taken = 0;
  std::uint64_t fork = forks_seen();
  bool begun = false, ended = false;

  ~State() { wipe(held.data(), held.size()); }

  Result<void> append(bool final, ByteView plain, Bytes& to) {
    if (forks_seen() != fork) {
      ended = true;
      return Error{Errc::seal_failed, "a forked process cannot go on with its parent's stream"};
    }
    const auto at = to.size();
    to.resize(at + plain.size() + stream_frame_overhead);
    if (next >= stream_frames_max || !frames.seal(next++, final, plain, to.data() + at)) {
      // A frame number must never be used again for other bytes, so a failure ends the stream.
      ended = true;
      to.resize(at);
      return Error{Errc::seal_failed, "a frame of the stream could not be sealed"};
    }
    return {};
  }

  Result<void> append_held(bool final, Bytes& to) {
    auto done = append(final, held, to);
    wipe(held.data(), held.size());
    held.clear();
    return done;
  }

  Result<void> begin(Bytes& to) {
    if (ended) return Error{Errc::seal_failed, "the stream has ended"};
    if (begun) return {};
    const auto bytes = header.bytes();
    to.insert(to.end(), bytes.begin(), bytes.end());
    begun = true;  // last, because insert() may throw
    return {};
  }
};

Result<StreamSealer> StreamSealer::start(const Tenant& owner, const TenantKey& key,
                                         const Uuid& file, unsigned frame_bits) {
  if (key.id == 0 || key.key.size() != gcm_key_bytes)
    return Error{Errc::seal_failed, "a sealing key has 32 bytes and an id from 1"};
  if (frame_bits < stream_frame_bits_min || frame_bits > stream_frame_bits_max)
    return Error{Errc::seal_failed, "a frame has 2^10 to 2^20 bytes"};
  StreamHeader header{frame_bits, key.id, {}};
  fill_random(header.salt);
  std::unique_ptr<State> state(new State{StreamFrames(owner.hash(), key, file, header), header});
  // At once, because a vector that grows leaves its old plaintext behind.
  state->held.reserve(state->frames.frame_bytes());
  return StreamSealer(std::move(state));
}

StreamSealer::StreamSealer(std::unique_ptr<State> state) : state_(std::move(state)) {}
StreamSealer::~StreamSealer() = default;
StreamSealer::StreamSealer(StreamSealer&&) noexcept = default;
StreamSealer& StreamSealer::operator=(StreamSealer&&) noexcept = default;

std::uint64_t StreamSealer::plain_bytes() const noexcept { return state_->taken; }

// A full frame waits until the next byte or finish() shows whether it is the final one.
Result<void> StreamSealer::write(ByteView plain, SealedPart& to) {
  auto& state = *state_;
  if (auto begun = state.begin(to.bytes_); !begun) return begun;
  // After an exception nobody knows how much of the piece is sealed: the stream has ended.
  OnExit failed([&] { state.ended = true; });
  const auto frame = state.frames.frame_bytes();
  state.taken += plain.size();
  while (!plain.empty()) {
    Result<void> done;
    if (state.held.size() == frame) {
      done = state.append_held(false, to.bytes_);
    } else if (state.held.empty() && plain.size() > frame) {
      done = state.append(false, plain.first(frame), to.bytes_);
      plain = plain.subspan(frame);
    } else {
      const auto part = plain.first(std::min(frame - state.held.size(), plain.size()));
      state.held.insert(state.held.end(), part.begin(), part.end());
      plain = plain.subspan(part.size());
    }
    if (!done) return done;
  }
  failed.cancel();
  return {};
}

Result<void> StreamSealer::finish(SealedPart& to) {
  auto& state = *state_;
  if (auto begun = state.begin(to.bytes_); !begun) return begun;
  state.ended = true;
  return state.append_held(true, to.bytes_);
}

Result<StreamLayout> StreamLayout::of(std::uint64_t sealed_bytes, std::size_t frame_bytes) {
  const auto sealed_frame = frame_bytes + stream_frame_overhead;
  if (sealed_bytes < stream_header_bytes + stream_frame_overhead) return does_not_open();
  const auto body = sealed_bytes - stream_header_bytes;
  StreamLayout layout;
  layout.frame_bytes_ = frame_bytes;
  layout.frames_ = body / sealed_frame + (body % sealed_frame != 0 ? 1 : 0);
  const auto last = body - (layout.frames_ - 1) * sealed_frame;
  if (last < stream_frame_overhead || layout.frames_ > stream_frames_max ||
      (last == stream_frame_overhead && layout.frames_ > 1))
    return does_not_open();
  layout.plain_bytes_ = body - layout.frames_ * stream_frame_overhead;
  return layout;
}

StreamLayout::Place StreamLayout::frame(std::uint64_t number) const noexcept {
  MEMSEAL_ASSERT(number < frames_);
  const auto before = number * frame_bytes_;
  const bool final = number + 1 == frames_;
  const auto plain = final ? static_cast<std::size_t>(plain_bytes_ - before) : frame_bytes_;
  return {stream_header_bytes + before + number * stream_frame_overhead,
          plain + stream_frame_overhead, final};
}

struct StreamOpener::State {
  StreamFrames frames;
};

Result<StreamOpener> StreamOpener::start(const Tenant& owner, const TenantKey& key,
                                         const Uuid& file, ByteView header) {
  const auto parsed = StreamHeader::parse(header);
  if (!parsed || key.key.size() != gcm_key_bytes || key.id != parsed->key_id)
    return does_not_open();
  return StreamOpener(
      std::unique_ptr<State>(new State{StreamFrames(owner.hash(), key, file, *parsed)}));
}

StreamOpener::StreamOpener(std::unique_ptr<State> state) : state_(std::move(state)) {}
StreamOpener::~StreamOpener() = default;
StreamOpener::StreamOpener(StreamOpener&&) noexcept = default;
StreamOpener& StreamOpener::operator=(StreamOpener&&) noexcept = default;

Result<std::uint32_t> StreamOpener::key_id_of(ByteView header) {
  const auto parsed = StreamHeader::parse(header);
  if (!parsed) return parsed.error();
  return parsed->key_id;
}

std::size_t StreamOpener::frame_bytes() const noexcept { return state_->frames.frame_bytes(); }

// The rules about lengths give every content exactly one cut into frames of one size.
Result<std::size_t> StreamOpener::open(std::uint64_t number, bool final, ByteView sealed,
                                       std::span<std::uint8_t> out) {
  const auto frame = frame_bytes();
  // What an earlier frame left there goes too.
  OnExit refused([&] { wipe(out.data(), std::min(out.size(), frame)); });
  // The header chose the size of a frame, so a buffer that is too small is the stream's fault.
  if (out.size() < frame) return does_not_open();
  if (sealed.size() < stream_frame_overhead || sealed.size() > frame + stream_frame_overhead ||
      number >= stream_frames_max)
    return does_not_open();
  const auto plain = sealed.size() - stream_frame_overhead;
  if ((!final && plain != frame) || (plain == 0 && number != 0)) return does_not_open();
  if (!state_->frames.open(number, final, sealed, out.data())) return does_not_open();
  refused.cancel();
  return plain;
}

StreamReader::StreamReader(StreamOpener opener)
    : opener_(std::move(opener)), plain_(opener_.frame_bytes()) {
  held_.reserve(plain_.size() + stream_frame_overhead);
}

StreamReader::~StreamReader() { wipe(plain_.data(), plain_.size()); }

Result<void> StreamReader::open_held(bool final, const Take& take) {
  // Until `take` has the frame: should it throw, the frame is lost, and no finish() may call the
  // content whole.
  ended_ = true;
  const OnExit clean([&] { wipe(plain_.data(), plain_.size()); });
  const auto opened = opener_.open(next_++, final, held_, plain_);
  held_.clear();
  if (!opened) return opened.error();
  if (*opened > 0) take(ByteView(plain_).first(*opened));
  ended_ = final;
  return {};
}

Result<void> StreamReader::write(ByteView sealed, const Take& take) {
  const auto full = plain_.size() + stream_frame_overhead;
  while (!sealed.empty() && !ended_) {
    if (held_.size() == full)
      if (auto done = open_held(false, take); !done) return done;
    const auto part = sealed.first(std::min(full - held_.size(), sealed.size()));
    held_.insert(held_.end(), part.begin(), part.end());
    sealed = sealed.subspan(part.size());
  }
  if (ended_) return does_not_open();
  return {};
}

Result<void> StreamReader::finish(const Take& take) {
  if (ended_) return does_not_open();
  return open_held(true, take);
}

}  // namespace memseal::crypto
