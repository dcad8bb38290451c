// What the database says of stored turns, before an event adds to their conversation.
#include "adapters/postgres/chunk_store.hpp"
#include "support/pg.hpp"

namespace memseal::test {
namespace {

class Turns : public MigratedPgTest {
 protected:
  void SetUp() override {
    MigratedPgTest::SetUp();
    if (IsSkipped()) return;
    store_ = std::make_unique<postgres::PgChunkStore>(*pool_);
  }

  /// Stores one chunk. Returns its id.
  Uuid say(const crypto::Tenant& owner, const std::string& conversation, std::int32_t index,
           std::optional<std::int64_t> at_ms, Origin origin = Origin::chat) {
    ChunkSpec spec{.doc_id = conversation, .origin = origin, .revision = ++revision_,
                   .index = index, .text = "turn " + std::to_string(revision_),
                   .created_at_ms = at_ms};
    auto write = event_of(spec);
    write.chunks.push_back(sealed_chunk(owner, spec, dimension));
    const auto id = write.chunks[0].header().id;
    std::vector<ports::EventWrite> writes(1, std::move(write));
    EXPECT_EQ(await(store_->store(context_, owner, std::move(writes))).at(0),
              ports::Stored::applied);
    return id;
  }
  static ports::TurnsKey key(const std::string& conversation, std::vector<Uuid> chunks,
                             std::optional<std::int64_t> until_ms = {}) {
    return {DocId::parse(conversation).value(), std::move(chunks), until_ms};
  }
  std::vector<ports::TurnsLook> look(const crypto::Tenant& owner,
                                     std::vector<ports::TurnsKey> keys) {
    return await(store_->look_at_turns(context_, owner, std::move(keys)));
  }
  static std::vector<Uuid> latest(const ports::TurnsLook& look) {
    std::vector<Uuid> ids;
    for (const auto& row : look.latest) ids.push_back(row.id);
    return ids;
  }

  std::unique_ptr<postgres::PgChunkStore> store_;
  std::int64_t revision_ = 0;
};

TEST_F(Turns, AreKnownByTheirChunksAndComeInTheOrderInWhichTheyWereSaid) {
  const auto owner = new_tenant(), stranger = new_tenant();
  constexpr std::int64_t t = 1'700'000'000'000;
  const auto third = say(owner, "c", 0, t + 2), first = say(owner, "c", 1, t),
             second = say(owner, "c", 2, t), other = say(owner, "d", 0, t + 9);
  const auto document = say(owner, "c", 0, t + 3, Origin::upload);
  const auto theirs = say(stranger, "c", 0, t + 4);
  const auto answers = look(owner, {key("c", {first, theirs, Uuid{}, third}), key("d", {first}),
                                    key("c", {first}), key("absent", {document})});
  ASSERT_EQ(answers.size(), 4u);
  EXPECT_EQ(answers[0].stored, (std::vector<bool>{true, false, false, true}));
  EXPECT_EQ(latest(answers[0]), (std::vector<Uuid>{second, third}));
  EXPECT_EQ(answers[0].latest[1].created_at_ms, t + 2);
  EXPECT_FALSE(answers[0].latest[1].text_cipher.empty());
  EXPECT_EQ(latest(answers[1]), std::vector<Uuid>{other});
  EXPECT_EQ(answers[2].stored, std::vector<bool>{true});
  EXPECT_TRUE(answers[2].latest.empty()) << "it follows the first of its conversation";
  EXPECT_EQ(answers[3].stored, std::vector<bool>{true});
  EXPECT_TRUE(answers[3].latest.empty());
  EXPECT_EQ(latest(look(owner, {key("c", {}, t)})[0]), (std::vector<Uuid>{first, second}))
      << "what was said until then";
  EXPECT_TRUE(look(owner, {key("c", {}, t - 1)})[0].latest.empty());
  EXPECT_EQ(latest(look(stranger, {key("c", {first})})[0]), std::vector<Uuid>{theirs});
  EXPECT_FALSE(look(stranger, {key("c", {first})})[0].stored[0]);
}

TEST_F(Turns, HaveTheirOwnTimeOrThatOfTheirStoring) {
  const auto owner = new_tenant();
  const auto created = [&](const Uuid& id) {
    return database_->super("SELECT created_at > now() - interval '1 hour', "
                            "(extract(epoch FROM created_at) * 1000)::bigint "
                            "FROM app.memory_chunks WHERE id = '" + id.to_string() + "'");
  };
  EXPECT_TRUE(created(say(owner, "c", 0, std::nullopt)).starts_with("t"));
  for (const std::int64_t at_ms : {-62'167'219'200'000l, -1'500l, 253'402'300'799'999l}) {
    const auto id = say(owner, "c", 0, at_ms);
    EXPECT_EQ(look(owner, {key("c", {id}, at_ms)})[0].stored[0], true) << at_ms;
    EXPECT_EQ(database_->super("SELECT (extract(epoch FROM created_at) * 1000)::bigint "
                               "FROM app.memory_chunks WHERE id = '" + id.to_string() + "'"),
              std::to_string(at_ms));
  }
}

TEST_F(Turns, ManyAreAskedInOneLook) {
  const auto owner = new_tenant();
  std::vector<ports::TurnsKey> keys;
  for (int i = 0; i < 256; ++i) keys.push_back(key("c" + std::to_string(i % 7), {Uuid{}}));
  const auto id = say(owner, "c3", 0, 1);
  const auto answers = look(owner, keys);
  for (std::size_t i = 0; i < answers.size(); ++i) {
    const auto expected = i == 3 ? std::vector<Uuid>{id} : std::vector<Uuid>{};
    EXPECT_EQ(latest(answers[i]), expected);
  }
  EXPECT_TRUE(look(owner, {}).empty());
}

}  // namespace
}  // namespace memseal::test
