#include "cases/search/internal/matrix_builder.hpp"

#include "pure/matrix/scan_ops.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

namespace memseal::search {

namespace {

// Rows of one statement, about: they lie in memory twice while they are read.
constexpr std::int64_t read_rows = 4'096;
constexpr std::size_t name_bytes = 96;  // of a map's node, beside the text
constexpr std::size_t dead_rows_least = 4'096;

constexpr Uuid uuid_last = [] {
  Uuid last;
  last.bytes.fill(0xff);
  return last;
}();

/// The ids whose first 16 bits lie in one of `parts` equal shares.
std::pair<Uuid, Uuid> share(std::uint32_t part, std::uint32_t parts) {
  const auto edge = [&](std::uint32_t at) { return at * 0x10000u / parts; };
  Uuid first, last = uuid_last;
  const auto put = [](Uuid& id, std::uint32_t top) {
    id.bytes[0] = static_cast<std::uint8_t>(top >> 8);
    id.bytes[1] = static_cast<std::uint8_t>(top);
  };
  put(first, edge(part));
  put(last, edge(part + 1) - 1);
  return {first, last};
}

/// Calls `read` with batches of about read_rows rows. A document that is larger alone is read in
/// shares of its chunks.
void in_batches(const std::vector<ports::DocumentStamp>& documents,
                const std::function<void(const ports::MatrixBatch&)>& read) {
  ports::MatrixBatch batch{{}, {}, uuid_last};
  std::int64_t rows = 0;
  const auto flush = [&] {
    if (!batch.doc_ids.empty()) read(batch);
    batch.doc_ids.clear();
    rows = 0;
  };
  for (const auto& document : documents) {
    if (document.chunks > 2 * read_rows) {
      const auto parts = static_cast<std::uint32_t>(
          std::min<std::int64_t>(document.chunks / read_rows + 1, 4'096));
      for (std::uint32_t part = 0; part < parts; ++part) {
        const auto [first, last] = share(part, parts);
        read({{document.id}, first, last});
      }
      continue;
    }
    batch.doc_ids.push_back(document.id);
    rows += std::max<std::int64_t>(document.chunks, 1);
    if (rows >= read_rows) flush();
  }
  flush();
}

}  // namespace

MatrixBuilder::MatrixBuilder(const crypto::Tenant& owner, std::shared_ptr<const TenantMatrix> old,
                             std::int64_t chunks)
    : old_(old && old->fits() ? std::move(old) : nullptr),
      made_(old_ ? new TenantMatrix(*old_) : new TenantMatrix(owner)),
      expected_(static_cast<std::size_t>(std::max<std::int64_t>(chunks, 1))) {}

std::size_t MatrixBuilder::bytes_of(std::int64_t chunks, std::size_t dimension, bool with_terms) {
  // A chunk of the usual size has some 32 distinct terms, of 6 bytes each.
  constexpr std::size_t term_bytes = 32 * (sizeof(std::uint32_t) + sizeof(std::uint16_t));
  constexpr std::size_t columns = sizeof(float) + sizeof(Uuid) + 2 * sizeof(std::int64_t) +
                                  2 * sizeof(std::uint32_t) + sizeof(std::uint8_t) +
                                  sizeof(std::uint32_t) + sizeof(std::uint16_t);
  return static_cast<std::size_t>(std::max<std::int64_t>(chunks, 0)) *
         (2 * matrix::row_stride(dimension) + columns + sizeof(std::uint32_t) +
          (with_terms ? term_bytes : 0));
}

bool MatrixBuilder::read(ports::MatrixRows& rows, std::size_t dimension,
                         const std::function<bool(std::size_t bytes)>& admits,
                         TermOpener* opener) {
  const auto missing = outdated(rows.documents());
  std::int64_t chunks = 0;
  std::size_t names = 0;
  for (const auto& document : missing) {
    chunks += document.chunks;
    names += document.id.size() + name_bytes;
  }
  // What is read, and, of what stays, the copy that finish() may make.
  const auto copied = has_many_dead() ? static_cast<std::int64_t>(made_->rows_) : 0;
  if (!admits(names + bytes_of(chunks + copied, dimension, opener != nullptr))) return false;
  expected_ = static_cast<std::size_t>(std::max<std::int64_t>(chunks, 1));
  BatchTerms terms;
  in_batches(missing, [&](const ports::MatrixBatch& batch) {
    // The shares of one document have its terms together, because a block knows no shares.
    const bool is_first_share = batch.first == Uuid{};
    if (opener && is_first_share) terms.read(rows, batch.doc_ids, *opener);
    if (opener && opener->wanted()) return;
    rows.read(batch, [&](const ports::MatrixRow& row) { take(row, opener ? &terms : nullptr); });
  });
  close_block();
  return true;
}

bool MatrixBuilder::has_many_dead() const {
  return made_->dead_rows_ > made_->rows_ / 2 + dead_rows_least;
}

/// Forgets the documents that are gone or changed. Returns those to read, under new numbers.
std::vector<ports::DocumentStamp> MatrixBuilder::outdated(std::vector<ports::DocumentStamp> now) {
  auto& known = made_->documents_.values;
  std::vector<std::uint8_t> seen(made_->alive_.size());
  std::vector<ports::DocumentStamp> missing;
  for (auto& document : now) {
    const auto found = known.find(document.id);
    if (found != known.end() && found->second.written_by == document.written_by)
      seen[found->second.number] = 1;
    else
      missing.push_back(std::move(document));
  }
  std::vector<std::string> gone;
  for (const auto& [id, document] : known)
    if (seen[document.number] == 0) gone.push_back(id);
  for (const auto& id : gone) forget(id);
  for (const auto& document : missing) {
    known[document.id] = {static_cast<std::uint32_t>(made_->alive_.size()), document.written_by};
    made_->alive_.push_back(1);
  }
  return missing;
}

void MatrixBuilder::forget(const std::string& doc_id) {
  const auto found = made_->documents_.values.find(doc_id);
  made_->alive_[found->second.number] = 0;
  made_->rows_ -= found->second.rows;
  made_->dead_rows_ += found->second.rows;
  made_->documents_.drop(found);
}

std::uint32_t MatrixBuilder::tag_number(const std::string& tag) {
  auto& tags = made_->tags_.values;
  return tags.try_emplace(tag, static_cast<std::uint32_t>(tags.size())).first->second;
}

void MatrixBuilder::take(const ports::MatrixRow& row, const BatchTerms* terms) {
  const auto document = made_->documents_.values.find(row.doc_id);
  if (document == made_->documents_.values.end()) return;  // counted as missing in finish()
  if (row.vector.empty()) {
    ++document->second.rows_without_vector;
    return;
  }
  if (made_->dimension_ == 0) {
    made_->dimension_ = row.vector.size();
    made_->stride_ = matrix::row_stride(row.vector.size());
  }
  if (row.vector.size() != made_->dimension_) {
    made_->fits_ = false;
    return;
  }
  if (!open_ || open_->size == open_->capacity()) open_block();
  auto& block = *open_;
  const auto at = block.size++;
  std::memcpy(block.vectors.data() + at * made_->stride_, row.vector.data(),
              row.vector.size_bytes());
  block.ids[at] = row.id;
  block.created_us[at] = row.created_us;
  block.expires_us[at] = row.expires_us;
  block.documents[at] = document->second.number;
  block.origins[at] = static_cast<std::uint8_t>(row.origin);
  if (terms == nullptr)
    block.terms.put_none(at);
  else if (!terms->put(row.id, block.terms, at))
    ++without_terms_;
  for (const auto& tag : row.tags) block.tags.push_back(tag_number(tag));
  block.tags_end[at] = static_cast<std::uint32_t>(block.tags.size());
  made_->expires_ = made_->expires_ || row.expires_us != ports::MatrixRow::never_us;
  ++document->second.rows;
  ++made_->rows_;
}

// The last block is opened again while it is small, so that many small changes make few blocks.
void MatrixBuilder::open_block() {
  close_block();
  std::shared_ptr<const MatrixBlock> tail;
  if (!made_->blocks_.empty() && made_->blocks_.back()->size < block_rows) {
    tail = std::move(made_->blocks_.back());
    made_->blocks_.pop_back();
  }
  const auto kept = tail ? tail->size : 0;
  open_ = std::make_shared<MatrixBlock>(std::min(kept + expected_, block_rows), made_->stride_);
  for (std::size_t row = 0; row < kept; ++row) {
    const auto document = tail->documents[row];
    if (made_->alive_[document] != 0)
      copy_row(*tail, row, document);
    else
      --made_->dead_rows_;
  }
  const auto room = open_->capacity() - open_->size;
  // More rows than were announced: twice as many each time, so that no row is copied often.
  expected_ = expected_ > room ? expected_ - room : std::max<std::size_t>(64, open_->size);
}

void MatrixBuilder::copy_row(const MatrixBlock& from, std::size_t row, std::uint32_t document) {
  auto& to = *open_;
  const auto at = to.size++;
  const auto stride = made_->stride_;
  std::memcpy(to.vectors.data() + at * stride, from.vectors.data() + row * stride,
              stride * sizeof(std::uint16_t));
  to.ids[at] = from.ids[row];
  to.created_us[at] = from.created_us[row];
  to.expires_us[at] = from.expires_us[row];
  to.origins[at] = from.origins[row];
  to.documents[at] = document;
  to.terms.copy(at, from.terms, row);
  for (auto tag = from.tags_begin(row); tag < from.tags_end[row]; ++tag)
    to.tags.push_back(from.tags[tag]);
  to.tags_end[at] = static_cast<std::uint32_t>(to.tags.size());
}

void MatrixBuilder::close_block() {
  if (!open_) return;
  auto& block = *open_;
  matrix::best_scan_ops().squares(block.vectors.data(), made_->stride_, block.size,
                                  block.inverse_norms.data());
  for (std::size_t row = 0; row < block.size; ++row) {
    auto& norm = block.inverse_norms[row];
    // PostgreSQL gives such a vector the distance NaN; leave the whole tenant to it.
    if (!std::isfinite(norm) || norm == 0) made_->fits_ = false;
    norm = 1 / std::sqrt(norm);
  }
  if (block.size > 0) made_->blocks_.push_back(std::move(open_));
  open_.reset();
}

// Leaves dead rows out, and gives documents numbers from 0 again. The older matrix still has its
// blocks meanwhile, because others read it.
void MatrixBuilder::compact() {
  std::vector<std::uint32_t> numbers(made_->alive_.size());
  std::uint32_t next = 0;
  for (auto& [id, document] : made_->documents_.values) {
    numbers[document.number] = next;
    document.number = next++;
  }
  auto blocks = std::move(made_->blocks_);
  made_->blocks_.clear();
  expected_ = std::max<std::size_t>(made_->rows_, 1);
  const auto alive = std::move(made_->alive_);
  made_->alive_.assign(next, 1);
  made_->dead_rows_ = 0;
  for (const auto& block : blocks) {
    for (std::size_t row = 0; row < block->size; ++row) {
      if (alive[block->documents[row]] == 0) continue;
      if (!open_ || open_->size == open_->capacity()) open_block();
      copy_row(*block, row, numbers[block->documents[row]]);
    }
  }
  close_block();
}

std::shared_ptr<const TenantMatrix> MatrixBuilder::finish(const ports::TenantState& state) {
  if (has_many_dead()) compact();
  std::size_t without_vector = 0, bytes = sizeof(TenantMatrix) + made_->alive_.capacity();
  for (const auto& [id, document] : made_->documents_.values) {
    without_vector += document.rows_without_vector;
    bytes += id.size() + name_bytes;
  }
  for (const auto& [tag, number] : made_->tags_.values) bytes += tag.size() + name_bytes;
  // Rows that no document's row speaks for, or that were counted wrong: somebody wrote them by
  // hand, and stamps would not tell of their changes.
  if (made_->rows_ + without_vector != static_cast<std::size_t>(state.chunks)) made_->fits_ = false;
  if (!made_->fits_) {
    made_->blocks_.clear();
    made_->documents_.clear();
    made_->alive_.clear();
    made_->rows_ = made_->dead_rows_ = 0;
  }
  for (const auto& block : made_->blocks_) bytes += block->bytes();
  made_->bytes_ = bytes;
  made_->version_ = state.version;
  return std::move(made_);
}

}  // namespace memseal::search
