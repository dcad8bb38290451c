#include "adapters/redis/internal/connection.hpp"

#include "base/assert.hpp"

#include <boost/asio/post.hpp>

namespace memseal::redis {

using boost::system::error_code;

std::shared_ptr<Connection> Connection::open(const asio::any_io_executor& executor,
                                             const std::string& ip, std::uint16_t port,
                                             Events events, std::string& cause) {
  redisOptions options{};
  REDIS_OPTIONS_SET_TCP(&options, ip.c_str(), port);
  redisAsyncContext* context = redisAsyncConnectWithOptions(&options);
  if (context == nullptr) return cause = "out of memory", nullptr;
  if (context->err != 0) {
    cause = context->errstr;
    redisAsyncFree(context);
    return nullptr;
  }
  std::shared_ptr<Connection> made(new Connection(executor, context, std::move(events)));
  made->install_hooks();
  return made;
}

Connection::Connection(const asio::any_io_executor& executor, redisAsyncContext* context,
                       Events events)
    : executor_(executor),
      context_(context),
      socket_(executor, context->c.fd),
      events_(std::move(events)) {}

// hiredis holds a shared_ptr to this object until it frees its context, so that is freed by now.
Connection::~Connection() { MEMSEAL_ASSERT(context_ == nullptr); }

void Connection::install_hooks() {
  // hiredis's shared_ptr lives until dataCleanup, its very last call, because callbacks of open
  // commands run after `cleanup` when the peer closed, but before `cleanup` when we free the
  // context.
  context_->data = new std::shared_ptr<Connection>(shared_from_this());
  context_->dataCleanup = [](void* data) {
    const std::unique_ptr<std::shared_ptr<Connection>> share(
        static_cast<std::shared_ptr<Connection>*>(data));
    (*share)->report_end();
  };
  auto& hooks = context_->ev;
  hooks.data = context_->data;
  hooks.addRead = [](void* data) {
    from(data).want_read_ = true;
    from(data).arm_read();
  };
  hooks.delRead = [](void* data) { from(data).want_read_ = false; };
  hooks.addWrite = [](void* data) {
    from(data).want_write_ = true;
    from(data).arm_write();
  };
  hooks.delWrite = [](void* data) { from(data).want_write_ = false; };
  hooks.cleanup = [](void* data) { from(data).on_context_freed(); };
  // Without a connect callback hiredis does not wait for writability and so never sees that the
  // connect ended.
  redisAsyncSetConnectCallback(context_, [](const redisAsyncContext*, int) {});
}

bool Connection::send(const std::vector<std::string>& words, std::uintptr_t id) {
  if (context_ == nullptr) return false;
  std::vector<const char*> texts;
  std::vector<std::size_t> sizes;
  for (const auto& word : words) {
    texts.push_back(word.data());
    sizes.push_back(word.size());
  }
  // hiredis copies the words. The id travels as a pointer that is never dereferenced, so a reply
  // that comes after its waiter left touches no memory of that waiter.
  const auto on_reply = [](redisAsyncContext* context, void* reply, void* privdata) {
    const auto& self = from(context->data);
    self.events_.replied(reinterpret_cast<std::uintptr_t>(privdata),
                         static_cast<const redisReply*>(reply));
  };
  return redisAsyncCommandArgv(context_, on_reply, reinterpret_cast<void*>(id),
                               static_cast<int>(words.size()), texts.data(),
                               sizes.data()) == REDIS_OK;
}

void Connection::drop(const char* cause) {
  if (context_ == nullptr) return;
  cause_ = cause;
  // Inside one of its callbacks hiredis only marks the context here, and frees it after the
  // callback.
  redisAsyncFree(context_);
}

// At most one wait is armed for each direction. The wait owns this object, and on_context_freed()
// cancels the wait.
void Connection::arm_read() {
  if (!want_read_ || read_armed_ || context_ == nullptr) return;
  read_armed_ = true;
  socket_.async_wait(socket_.wait_read, [self = shared_from_this()](error_code ec) {
    self->read_armed_ = false;
    if (ec || self->context_ == nullptr || !self->want_read_) return;
    redisAsyncHandleRead(self->context_);  // may free the context
    self->arm_read();
  });
}

void Connection::arm_write() {
  if (!want_write_ || write_armed_ || context_ == nullptr) return;
  write_armed_ = true;
  socket_.async_wait(socket_.wait_write, [self = shared_from_this()](error_code ec) {
    self->write_armed_ = false;
    if (ec || self->context_ == nullptr || !self->want_write_) return;
    redisAsyncHandleWrite(self->context_);  // may free the context
    self->arm_write();
  });
}

void Connection::on_context_freed() {
  if (cause_.empty() && context_->c.err != 0) cause_ = context_->c.errstr;
  context_ = nullptr;
  socket_.release();  // cancels the armed waits; hiredis closes the descriptor
}

void Connection::report_end() {
  asio::post(executor_, [ended = std::move(events_.ended), cause = std::move(cause_)] {
    ended(cause.empty() ? "closed" : cause);
  });
}

Reply copy_of(const redisReply& reply) {
  Reply copy;
  switch (reply.type) {
    case REDIS_REPLY_INTEGER:
      copy.kind = Reply::Kind::integer;
      copy.integer = reply.integer;
      break;
    case REDIS_REPLY_STRING:
    case REDIS_REPLY_STATUS:
      copy.kind = Reply::Kind::text;
      copy.text.assign(reply.str, reply.len);
      break;
    case REDIS_REPLY_ERROR:
      copy.kind = Reply::Kind::error;
      copy.text.assign(reply.str, reply.len);
      break;
    case REDIS_REPLY_ARRAY:
      copy.kind = Reply::Kind::list;
      copy.items.reserve(reply.elements);
      for (std::size_t i = 0; i < reply.elements; ++i)
        copy.items.push_back(copy_of(*reply.element[i]));
      break;
    default:
      break;
  }
  return copy;
}

}  // namespace memseal::redis
