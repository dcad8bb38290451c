#include "pure/crypto/sealed_stream.hpp"

#include "pure/crypto/internal/stream_frames.hpp"
#include "support.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <stdexcept>

namespace memseal::crypto {
namespace {

using namespace testing;

constexpr unsigned bits = 10;
constexpr std::size_t frame = std::size_t{1} << bits, sealed_frame = frame + stream_frame_overhead;

Uuid file_id(std::uint8_t seed) {
  Uuid id;
  id.bytes.fill(seed);
  return id;
}

Bytes content(std::size_t size) {
  Bytes plain(size);
  for (std::size_t i = 0; i < size; ++i) plain[i] = static_cast<std::uint8_t>(i * 31 + i / 251);
  return plain;
}

Bytes seal(ByteView plain, const Tenant& owner, const TenantKey& key, const Uuid& file,
           std::size_t step = 700) {
  auto sealer = StreamSealer::start(owner, key, file, bits).value();
  SealedPart part;
  Bytes sealed;
  const auto drain = [&] {
    sealed.insert(sealed.end(), part.view().begin(), part.view().end());
    part.clear();
  };
  for (; !plain.empty(); plain = plain.subspan(std::min(step, plain.size()))) {
    EXPECT_TRUE(sealer.write(plain.first(std::min(step, plain.size())), part));
    drain();
  }
  EXPECT_TRUE(sealer.finish(part));
  drain();
  return sealed;
}

Bytes seal(std::size_t size, std::size_t step = 700) {
  return seal(content(size), tenant("alice"), tenant_key(), file_id(1), step);
}

// What the whole stream opens to, read front to back; nothing if any part of it is refused.
std::optional<Bytes> open(ByteView sealed, const Tenant& owner = tenant("alice"),
                          const TenantKey& key = tenant_key(), const Uuid& file = file_id(1),
                          std::size_t step = 900) {
  const auto head = sealed.first(std::min(stream_header_bytes, sealed.size()));
  auto opener = StreamOpener::start(owner, key, file, head);
  if (!opener) return std::nullopt;
  Bytes plain;
  const auto take = [&](ByteView bytes) { plain.insert(plain.end(), bytes.begin(), bytes.end()); };
  StreamReader reader(std::move(*opener));
  for (auto rest = sealed.subspan(head.size()); !rest.empty();) {
    const auto piece = rest.first(std::min(step, rest.size()));
    if (!reader.write(piece, take)) return std::nullopt;
    rest = rest.subspan(piece.size());
  }
  if (!reader.finish(take)) return std::nullopt;
  return plain;
}

TEST(SealedStream, EveryLengthAndEveryCutOfItsPiecesOpensAgain) {
  for (const std::size_t size : {0u, 1u, 1023u, 1024u, 1025u, 2047u, 2048u, 2049u, 5000u, 10240u})
    for (const std::size_t step : {1u, 7u, 1024u, 3000u, 20000u}) {
      const auto sealed = seal(size, step);
      EXPECT_EQ(open(sealed, tenant("alice"), tenant_key(), file_id(1), step), content(size));
      const auto layout = StreamLayout::of(sealed.size(), frame);
      ASSERT_TRUE(layout);
      EXPECT_EQ(layout->plain_bytes(), size);
    }
}

TEST(SealedStream, AnyFrameOpensByItself) {
  const auto sealed = seal(5000);
  auto opener = StreamOpener::start(tenant("alice"), tenant_key(), file_id(1),
                                    ByteView(sealed).first(stream_header_bytes))
                    .value();
  const auto layout = StreamLayout::of(sealed.size(), opener.frame_bytes()).value();
  ASSERT_EQ(layout.frames(), 5u);
  const auto whole = content(5000);
  Bytes plain(opener.frame_bytes());
  for (const std::uint64_t number : {4u, 0u, 2u, 2u, 1u, 3u}) {
    const auto at = layout.frame(number);
    const auto opened =
        opener.open(number, at.final,
                    ByteView(sealed).subspan(static_cast<std::size_t>(at.offset), at.bytes), plain);
    ASSERT_TRUE(opened) << number;
    EXPECT_TRUE(std::equal(plain.begin(), plain.begin() + static_cast<std::ptrdiff_t>(*opened),
                           whole.begin() + static_cast<std::ptrdiff_t>(number * frame)));
  }
}

TEST(SealedStream, TwoStreamsOfOneContentShareNoFrame) {
  const auto one = seal(3000), other = seal(3000);
  ASSERT_EQ(one.size(), other.size());
  for (std::size_t at = stream_header_bytes; at + 16 <= one.size(); at += 16)
    EXPECT_FALSE(std::equal(one.begin() + static_cast<std::ptrdiff_t>(at),
                            one.begin() + static_cast<std::ptrdiff_t>(at + 16),
                            other.begin() + static_cast<std::ptrdiff_t>(at)));
}

TEST(SealedStream, ABitTurnedAnywhereIsRefused) {
  auto sealed = seal(1100);
  ASSERT_TRUE(open(sealed));
  for (std::size_t bit = 0; bit < sealed.size() * 8; ++bit) {
    sealed[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
    ASSERT_FALSE(open(sealed)) << "bit " << bit;
    sealed[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
  }
  EXPECT_TRUE(open(sealed));
}

TEST(SealedStream, AStreamCutAnywhereIsRefused) {
  const auto sealed = seal(1100);
  for (std::size_t size = 0; size < sealed.size(); ++size)
    ASSERT_FALSE(open(ByteView(sealed).first(size))) << size;
}

// How a hostile disk may put the frames of genuine streams together.
using Change = std::function<Bytes(const Bytes& sealed, const Bytes& other)>;

Bytes frames_of(const Bytes& sealed, std::initializer_list<std::size_t> order) {
  Bytes made(sealed.begin(), sealed.begin() + stream_header_bytes);
  for (const auto number : order) {
    const auto from = stream_header_bytes + number * sealed_frame;
    const auto to = std::min(from + sealed_frame, sealed.size());
    made.insert(made.end(), sealed.begin() + static_cast<std::ptrdiff_t>(from),
                sealed.begin() + static_cast<std::ptrdiff_t>(to));
  }
  return made;
}

Bytes with_frame_of(const Bytes& sealed, const Bytes& other, std::size_t number) {
  auto made = sealed;
  const auto from = static_cast<std::ptrdiff_t>(stream_header_bytes + number * sealed_frame);
  std::copy_n(other.begin() + from, sealed_frame, made.begin() + from);
  return made;
}

TEST(SealedStream, FramesThatWereMovedAreRefused) {
  const auto sealed = seal(4 * frame), other = seal(4 * frame);
  const std::pair<const char*, Change> cases[] = {
      {"two frames changed places",
       [](auto& s, auto&) {
         return frames_of(s, {1, 0, 2, 3});
       }},
      {"the final frame first",
       [](auto& s, auto&) {
         return frames_of(s, {3, 0, 1, 2});
       }},
      {"a frame left out",
       [](auto& s, auto&) {
         return frames_of(s, {0, 2, 3});
       }},
      {"the final frame left out",
       [](auto& s, auto&) {
         return frames_of(s, {0, 1, 2});
       }},
      {"the final frame alone", [](auto& s, auto&) { return frames_of(s, {3}); }},
      {"no frame", [](auto& s, auto&) { return frames_of(s, {}); }},
      {"a frame twice",
       [](auto& s, auto&) {
         return frames_of(s, {0, 1, 1, 2, 3});
       }},
      {"the final frame twice",
       [](auto& s, auto&) {
         return frames_of(s, {0, 1, 2, 3, 3});
       }},
      {"a frame of another stream", [](auto& s, auto& o) { return with_frame_of(s, o, 1); }},
      {"the final frame of another one", [](auto& s, auto& o) { return with_frame_of(s, o, 3); }},
      {"the header of another stream",
       [](auto& s, auto& o) {
         auto made = s;
         std::copy_n(o.begin(), stream_header_bytes, made.begin());
         return made;
       }},
      {"another stream behind",
       [](auto s, auto& o) {
         s.insert(s.end(), o.begin(), o.end());
         return s;
       }},
      {"a byte behind",
       [](auto s, auto&) {
         s.push_back(0);
         return s;
       }},
      {"other frame bits", [](auto s, auto&) {
         s[9] = bits + 1;
         return s;
       }}};
  ASSERT_EQ(open(frames_of(sealed, {0, 1, 2, 3})), content(4 * frame));
  for (const auto& [name, change] : cases) EXPECT_FALSE(open(change(sealed, other))) << name;
}

TEST(SealedStream, OpensForItsTenantFileAndKeyOnly) {
  const auto sealed = seal(1500);
  EXPECT_TRUE(open(sealed));
  EXPECT_FALSE(open(sealed, tenant("bob")));
  EXPECT_FALSE(open(sealed, tenant("alice"), tenant_key(), file_id(2)));
  EXPECT_FALSE(open(sealed, tenant("alice"), tenant_key(1, 3)));
  EXPECT_FALSE(open(sealed, tenant("alice"), tenant_key(2)));
  EXPECT_FALSE(open(sealed, tenant("alice"), TenantKey{1, key_of(2, 16)}));
}

// A frame that the writer would not make is refused although its tag is right: one content has one
// stream.
TEST(SealedStream, FramesOfTheWrongLengthAreRefused) {
  const StreamHeader header{bits, 1, {9}};
  const auto bytes_of_header = header.bytes();
  StreamFrames frames(tenant("alice").hash(), tenant_key(), file_id(1), header);
  auto opener =
      StreamOpener::start(tenant("alice"), tenant_key(), file_id(1), bytes_of_header).value();
  Bytes out(frame);
  const auto made = [&](std::uint64_t number, bool final, std::size_t size) {
    Bytes sealed(size + stream_frame_overhead);
    EXPECT_TRUE(frames.seal(number, final, content(size), sealed.data()));
    return sealed;
  };
  EXPECT_FALSE(opener.open(0, false, made(0, false, frame - 1), out));
  EXPECT_FALSE(opener.open(0, false, made(0, false, 0), out));
  EXPECT_FALSE(opener.open(1, true, made(1, true, 0), out));
  EXPECT_FALSE(opener.open(0, true, made(0, true, frame + 1), out));
  EXPECT_FALSE(opener.open(0, true, Bytes(15), out));
  EXPECT_FALSE(opener.open(stream_frames_max, true, made(stream_frames_max, true, 1), out));
  EXPECT_TRUE(opener.open(0, true, made(0, true, 0), out));
  EXPECT_TRUE(opener.open(1, true, made(1, true, 1), out));
  EXPECT_TRUE(opener.open(7, false, made(7, false, frame), out));
}

TEST(SealedStream, NoPlaintextStaysAfterAWrongTag) {
  auto sealed = seal(900);
  sealed.back() ^= 1;
  auto opener = StreamOpener::start(tenant("alice"), tenant_key(), file_id(1),
                                    ByteView(sealed).first(stream_header_bytes))
                    .value();
  Bytes out(frame, 0xee);
  EXPECT_FALSE(opener.open(0, true, ByteView(sealed).subspan(stream_header_bytes), out));
  EXPECT_TRUE(std::all_of(out.begin(), out.end(), [](auto byte) { return byte == 0; }));
}

TEST(SealedStream, NoPlaintextOfAnEarlierFrameStaysAfterARefusal) {
  const auto sealed = seal(900);
  const auto body = ByteView(sealed).subspan(stream_header_bytes);
  auto opener = StreamOpener::start(tenant("alice"), tenant_key(), file_id(1),
                                    ByteView(sealed).first(stream_header_bytes))
                    .value();
  for (const auto& hostile : {body.first(15), body, body.first(body.size() - 1)}) {
    Bytes out(frame, 0xee);
    EXPECT_FALSE(opener.open(1, false, hostile, out));
    EXPECT_TRUE(std::all_of(out.begin(), out.end(), [](auto byte) { return byte == 0; }));
  }
  Bytes small(frame - 1, 0xee);
  EXPECT_EQ(opener.open(0, true, body, small).error().code, Errc::open_failed);
}

TEST(SealedStream, ATakerThatThrowsEndsTheReading) {
  const auto sealed = seal(3 * frame);
  auto opener = StreamOpener::start(tenant("alice"), tenant_key(), file_id(1),
                                    ByteView(sealed).first(stream_header_bytes))
                    .value();
  StreamReader reader(std::move(opener));
  const auto body = ByteView(sealed).subspan(stream_header_bytes);
  const auto keep = [](ByteView) {};
  EXPECT_TRUE(reader.write(body.first(sealed_frame), keep));
  const auto fail = [](ByteView) { throw std::runtime_error("no room"); };
  EXPECT_THROW(static_cast<void>(reader.write(body.subspan(sealed_frame), fail)),
               std::runtime_error);
  EXPECT_FALSE(reader.write(body.subspan(sealed_frame), keep));
  EXPECT_FALSE(reader.finish(keep));
}

// Parent and child would seal other content under the same nonces.
TEST(SealedStream, AForkedChildCannotGoOn) {
  auto sealer = StreamSealer::start(tenant("alice"), tenant_key(), file_id(1), bits).value();
  SealedPart part;
  EXPECT_TRUE(sealer.write(content(2 * frame), part));
  const auto child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    SealedPart own;
    const bool refused = !sealer.write(content(frame), own) && !sealer.finish(own);
    ::_exit(refused && own.size() == 0 ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(sealer.finish(part)) << "the parent goes on";
}

TEST(SealedStream, LengthsThatNoStreamHasAreRefused) {
  const std::size_t none[] = {0,
                              1,
                              47,
                              48,
                              63,
                              stream_header_bytes + sealed_frame + 1,
                              stream_header_bytes + sealed_frame + 15,
                              stream_header_bytes + sealed_frame + 16};
  for (const auto size : none) EXPECT_FALSE(StreamLayout::of(size, frame)) << size;
  EXPECT_FALSE(StreamLayout::of(~std::uint64_t{0}, frame));
  EXPECT_EQ(StreamLayout::of(64, frame).value().frames(), 1u);
  const auto two = StreamLayout::of(stream_header_bytes + sealed_frame + 17, frame).value();
  EXPECT_EQ(two.plain_bytes(), frame + 1);
  EXPECT_FALSE(two.frame(0).final);
  EXPECT_TRUE(two.frame(1).final);
}

TEST(SealedStream, AnEndedStreamTakesNothingMore) {
  auto sealer = StreamSealer::start(tenant("alice"), tenant_key(), file_id(1), bits).value();
  SealedPart part;
  EXPECT_TRUE(sealer.write(content(10), part));
  EXPECT_EQ(part.size(), stream_header_bytes);  // the frame may still be the final one
  EXPECT_TRUE(sealer.finish(part));
  EXPECT_EQ(sealer.plain_bytes(), 10u);
  const auto size = part.size();
  EXPECT_EQ(sealer.write(content(1), part).error().code, Errc::seal_failed);
  EXPECT_EQ(sealer.finish(part).error().code, Errc::seal_failed);
  EXPECT_EQ(part.size(), size);
}

TEST(SealedStream, OnlyWholeKeysAndAllowedFramesSeal) {
  const auto start = [](const TenantKey& key, unsigned frame_bits) {
    return StreamSealer::start(tenant("alice"), key, file_id(1), frame_bits);
  };
  EXPECT_FALSE(start(TenantKey{0, key_of(2)}, bits));
  EXPECT_FALSE(start(TenantKey{1, key_of(2, 31)}, bits));
  EXPECT_FALSE(start(tenant_key(), stream_frame_bits_min - 1));
  EXPECT_FALSE(start(tenant_key(), stream_frame_bits_max + 1));
  EXPECT_TRUE(start(tenant_key(), stream_frame_bits_max));
}

TEST(SealedStream, TheHeaderNamesTheKey) {
  const auto sealed = seal(content(5), tenant("alice"), tenant_key(7), file_id(1));
  const auto header = ByteView(sealed).first(stream_header_bytes);
  EXPECT_EQ(StreamOpener::key_id_of(header).value(), 7u);
  EXPECT_FALSE(StreamOpener::key_id_of(header.first(47)));
}

// Made by another implementation (see docs/sealed-streams.md), so whoever opens the valid ones and
// refuses the others reads what memseal writes.
TEST(SealedStreamVectors, OpenOrAreRefused) {
  const auto all = read_json(MEMSEAL_SOURCE_DIR "/tests/data/sealed_stream/vectors.json");
  const TenantKeyer keyer{SecretBytes(ByteView(from_hex(text(all, "tenant_key"))))};
  std::size_t valid = 0, invalid = 0;
  for (const auto& vector : all.at("vectors").as_array()) {
    const TenantKey key{static_cast<std::uint32_t>(vector.at("key_id").to_number<std::uint64_t>()),
                        SecretBytes(ByteView(from_hex(text(vector, "key"))))};
    const auto owner = keyer.tenant_of(UserId::parse(text(vector, "user_id")).value());
    const auto file = Uuid::parse(text(vector, "file_id")).value();
    const auto opened = open(from_hex(text(vector, "sealed")), owner, key, file);
    if (vector.at("valid").as_bool()) {
      ASSERT_TRUE(opened) << text(vector, "name");
      EXPECT_EQ(hex(*opened), text(vector, "plain")) << text(vector, "name");
      ++valid;
    } else {
      EXPECT_FALSE(opened) << text(vector, "name");
      ++invalid;
    }
  }
  EXPECT_EQ(valid, 8u);
  EXPECT_EQ(invalid, 22u);
}

}  // namespace
}  // namespace memseal::crypto
