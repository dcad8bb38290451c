// Opens one value that memseal has sealed, seals it again, and opens that.
//
//   seal_example HMAC_KEY USER KEY_ID KEY FIELD OBJECT DOC_ID CHUNK_INDEX SEALED
//
// HMAC_KEY, KEY, OBJECT (a UUID) and SEALED are hex; FIELD is its number. Prints the user's hash
// and the plaintext in hex. A program for real use takes keys from a file instead, because other
// processes can read its command line.
#include <memseal/sb1.hpp>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace sb1 = memseal::sb1;

namespace {

sb1::Bytes from_hex(std::string text) {
  std::erase(text, '-');
  sb1::Bytes bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2)
    bytes.push_back(static_cast<std::uint8_t>(std::stoul(text.substr(i, 2), nullptr, 16)));
  return bytes;
}

void print(const char* name, sb1::ByteView bytes) {
  std::printf("%s ", name);
  for (const auto byte : bytes) std::printf("%02x", byte);
  std::printf("\n");
}

int fail(std::string_view why) {
  std::fprintf(stderr, "%.*s\n", static_cast<int>(why.size()), why.data());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 10) return fail("nine arguments are needed: see main.cpp");
  const auto user = sb1::hmac_user(from_hex(argv[1]), argv[2]);
  if (!user) return fail("the key for user ids or the user id is malformed");
  print("user", *user);

  const auto key_bytes = from_hex(argv[4]);
  const sb1::Key key{static_cast<std::uint32_t>(std::stoul(argv[3])), key_bytes};
  const auto field = static_cast<sb1::Field>(std::stoi(argv[5]));
  sb1::Binding binding{.user = *user, .doc_id = argv[7]};
  binding.chunk_index = static_cast<std::uint32_t>(std::stoul(argv[8]));
  const auto object = from_hex(argv[6]);
  if (object.size() != binding.object.size()) return fail("OBJECT is not a UUID");
  std::copy(object.begin(), object.end(), binding.object.begin());

  const auto plain = sb1::open_sealed(key, field, binding, from_hex(argv[9]));
  if (!plain) return fail(sb1::describe(plain.status));
  print("plain", plain.bytes);

  const auto sealed = sb1::seal(key, field, binding, plain.bytes);
  if (!sealed) return fail(sb1::describe(sealed.status));
  const auto again = sb1::open_sealed(key, field, binding, sealed.bytes);
  if (!again || again.bytes != plain.bytes) return fail("what was sealed does not open");
  std::printf("sealed again: %zu bytes under key %u\n", sealed.bytes.size(),
              sb1::key_id_of(sealed.bytes).value_or(0));
  return 0;
}
