// Real processes: the helper on documents and on bombs, and one that a document has taken over.
#include "adapters/extractor/process_extractor.hpp"

#include "adapters/extractor/internal/helper_process.hpp"
#include "base/fd.hpp"
#include "base/on_exit.hpp"
#include "extract/formats.hpp"
#include "support/run_loop.hpp"
#include "support/zip_writer.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include <gtest/gtest.h>

#include <linux/capability.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <optional>
#include <thread>

namespace memseal::extractor {
namespace {

using namespace std::chrono_literals;
using test::docx_of;
using test::office_relations;
using test::zip_of;

constexpr std::size_t text_max = 1u << 20;

ByteView bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

class ProcessExtractorTest : public ::testing::Test {
 protected:
  ProcessExtractor& with(const char* program, std::chrono::milliseconds time = 60s) {
    extractor_.emplace(ExtractorOptions{.program = program, .concurrent = 1, .time = time},
                       metrics);
    return *extractor_;
  }

  /// "text: …", or the code of the error.
  std::string outcome(ProcessExtractor& extractor, std::string_view file) {
    std::string seen;
    test::run_to_end(loop,
                     [](ProcessExtractor& from, std::string_view bytes,
                        std::string& out) -> asio::awaitable<void> {
                       const runtime::RequestContext context{"test"};
                       const auto extraction = from.begin(bytes.size());
                       extraction->append(bytes_of(bytes));
                       const auto text = co_await extraction->finish(context, text_max);
                       out =
                           text ? "text: " + text->text : std::string(errc_name(text.error().code));
                     }(extractor, file, seen));
    return seen;
  }
  std::string helper(std::string_view file) { return outcome(with(MEMSEAL_EXTRACT_PROGRAM), file); }
  std::string evil(std::string_view deed, std::chrono::milliseconds time = 60s) {
    return outcome(with(MEMSEAL_EVIL_PROGRAM, time), deed);
  }

  asio::io_context loop{1};  // outlives the extractor
  runtime::Metrics registry;
  ExtractorMetrics metrics{registry};

 private:
  std::optional<ProcessExtractor> extractor_;
};

/// What the same parsers make of a file without a sandbox.
std::string unsandboxed(std::string_view file) {
  FrameReader reader(text_max, extract::output_bytes_max(file.size()));
  const auto hand_on = [&](extract::Frame type, unsigned level, std::string_view payload) {
    std::string frame{static_cast<char>(type), static_cast<char>(level), 0, 0};
    frame += test::little(payload.size(), 4);
    reader.take(frame + std::string(payload));
  };
  hand_on(extract::Frame::begin, 0, "1");
  extract::Blocks out(hand_on, extract::output_bytes_max(file.size()));
  extract::extract(file, nullptr, out);
  return "text: " + std::move(reader).text().text;
}

TEST_F(ProcessExtractorTest, TheSandboxTakesNoTextAway) {
  const std::vector<std::string> files{
      docx_of("<w:p><w:pPr><w:pStyle w:val='h2'/></w:pPr><w:r><w:t>Tea</w:t></w:r></w:p>"
              "<w:p><w:r><w:t>hot</w:t></w:r></w:p>"),
      zip_of({{"mimetype", "application/epub+zip"},
              {"META-INF/container.xml", "<c><rootfile full-path='p.opf'/></c>"},
              {"p.opf", "<p><item id='i' href='a.html'/><itemref idref='i'/></p>"},
              {"a.html", "<html><h1>One</h1><p>\xe9t\xe9"}}),
      "<html><meta charset=shift_jis><h1>\x93\xfa\x96\x7b</h1>",
      "{\\rtf1{\\fonttbl{\\f0\\fcharset128 A;}}\\f0 \\'93\\'fa\\'96\\'7b \\u8364?}",
      std::string("\xff\xfe"
                  "a\0b\0",
                  6),
      "Stra\xdf"
      "e und Fl\xfc"
      "sse im M\xe4rz, s\xfc\xdf und sch\xf6n"};
  for (const auto& file : files) {
    const auto text = helper(file);
    EXPECT_EQ(text, unsandboxed(file));
    EXPECT_GT(text.size(), 6u) << text;
  }
}

/// A PDF of pages with one line each. Without a table of objects, which PDFium makes again.
std::string pdf_of(const std::vector<std::string>& pages, const std::string& trailer = {}) {
  std::string file = "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n", kids;
  file += "3 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>endobj\n";
  for (std::size_t i = 0; i < pages.size(); ++i) {
    const auto page = std::to_string(10 + 2 * i), content = std::to_string(11 + 2 * i);
    const auto stream = "BT /F 12 Tf 50 700 Td (" + pages[i] + ") Tj ET";
    kids += page + " 0 R ";
    file += page + " 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents " + content +
            " 0 R/Resources<</Font<</F 3 0 R>>>>>>endobj\n" + content + " 0 obj<</Length " +
            std::to_string(stream.size()) + ">>stream\n" + stream + "\nendstream endobj\n";
  }
  return file + "2 0 obj<</Type/Pages/Count " + std::to_string(pages.size()) + "/Kids[" + kids +
         "]>>endobj\ntrailer<</Root 1 0 R" + trailer + ">>\n%%EOF\n";
}

TEST_F(ProcessExtractorTest, APdfIsReadPageByPage) {
  EXPECT_EQ(helper(pdf_of({"The harbour opens", "at nine"})), "text: The harbour opens\n\nat nine");
  EXPECT_EQ(helper("%PDF-1.4 and then nothing"), "file_damaged");
  EXPECT_EQ(
      helper(pdf_of({"x"}, "/Encrypt<</Filter/Standard/V 1/R 2/P -1/O(" + std::string(32, 'o') +
                               ")/U(" + std::string(32, 'u') + ")>>/ID[(a)(a)]")),
      "file_encrypted");
}

TEST_F(ProcessExtractorTest, APdfThatRunsFromRightToLeftIsReadInItsOrder) {
  // The letters A to F stand for the first six of Hebrew, and lie as they are seen.
  const std::string map =
      "/CIDInit /ProcSet findresource begin 12 dict begin begincmap 1 begincodespacerange <00> <ff>"
      " endcodespacerange 1 beginbfrange <41> <46> <05d0> endbfrange endcmap end end";
  auto file = pdf_of({"FED 21 CBA"});
  const std::string font = "/BaseFont/Helvetica";
  file.replace(file.find(font), font.size() + std::string_view(">>endobj").size(),
               font + "/ToUnicode 4 0 R>>endobj\n4 0 obj<</Length " + std::to_string(map.size()) +
                   ">>stream\n" + map + "\nendstream endobj");
  EXPECT_EQ(helper(file), "text: \u05d0\u05d1\u05d2 21 \u05d3\u05d4\u05d5");
}

struct Bomb {
  const char* what;
  std::string file;
  std::string outcome;  ///< empty: any text
};

// Table: small files that unpack to much, or that many parsers take long for.
std::vector<Bomb> bombs() {
  std::string chapters, attributes, uses, deep, mails, nested;
  for (int i = 0; i < 20; ++i) chapters += "<itemref idref='i'/>";
  for (int i = 0; i < 300'000; ++i) attributes += " a" + std::to_string(i) + "='1'";
  for (int i = 0; i < 100'000; ++i) uses += "<c t='s'><v>0</v></c>";
  for (int i = 0; i < 300'000; ++i) deep += "<b><table>";
  const std::string head = "From: a\nTo: b\nDate: c\nContent-Type: ";
  std::string lines;
  for (int i = 0; i < 500; ++i) lines += "a\n";
  for (int i = 0; i < 8'000; ++i) mails += "From a\n" + head + "image/png\n\n" + lines + "\n";
  for (int i = 0; i < 18; ++i) nested += head + "message/rfc822\n\n";
  nested += head + "multipart/mixed; boundary=b\n\n--b\nContent-Type: image/png\n\n";
  nested.append(32u << 20, 'x');
  return {
      {"a chapter of 30 MiB, 20 times",
       zip_of({{"mimetype", "application/epub+zip"},
               {"META-INF/container.xml", "<c><rootfile full-path='p.opf'/></c>"},
               {"p.opf", "<p><item id='i' href='a'/>" + chapters + "</p>"},
               {"a", "<html><!--" + std::string(30u << 20, ' ')}}),
       "payload_too_large"},
      {"a string of 1 MiB, 100,000 times",
       zip_of({office_relations("xl/w.xml"),
               {"xl/w.xml", "<w xmlns:r='r'><sheet name='a' r:id='a'/></w>"},
               {"xl/_rels/w.xml.rels",
                "<R><Relationship Id='a' Type='t/w' Target='s.xml'/><Relationship Id='b' "
                "Type='t/sharedStrings' Target='t.xml'/></R>"},
               {"xl/t.xml", "<s><si><t>" + std::string(1u << 20, 'x') + "</t></si></s>"},
               {"xl/s.xml", "<s><row>" + uses + "</row></s>"}}),
       "payload_too_large"},
      {"a paragraph of 20 MiB",
       docx_of("<w:p><w:t>" + std::string(20u << 20, 'y') + "</w:t></w:p>"), "payload_too_large"},
      {"300,000 attributes", "<html><p" + attributes + ">tea", "text: tea"},
      {"600,000 elements deep", "<html>" + deep + "tea", ""},
      {"a mailbox of 8,000 mails", mails, ""},
      {"32 MiB in a mail in a mail, 18 times", nested, ""},
      {"a million groups", "{\\rtf1" + std::string(1'000'000, '{'), "file_damaged"}};
}

TEST_F(ProcessExtractorTest, ABombEndsByItself) {
  for (const auto& bomb : bombs()) {
    const auto seen = helper(bomb.file);
    EXPECT_EQ(bomb.outcome.empty() ? seen.substr(0, 5) : seen.substr(0, 100),
              bomb.outcome.empty() ? "text:" : bomb.outcome)
        << bomb.what;
  }
  EXPECT_EQ(metrics.killed.Value(), 0) << "none needs the sandbox to be stopped";
}

TEST_F(ProcessExtractorTest, AHelperThatIsTakenOverCanDoNothing) {
  EXPECT_EQ(evil("look"), "text: allowed: descriptors: 3");
  for (const char* deed : {"socket", "ptrace", "unshare", "uring", "exec", "crash", "lie", "hog"})
    EXPECT_EQ(evil(deed), "file_damaged") << deed;
  EXPECT_EQ(evil("flood"), "payload_too_large");
  EXPECT_EQ(evil("still", 300ms), "payload_too_large");
  EXPECT_EQ(evil("hide"), "payload_too_large") << "killed as soon as it seems to have ended";
  EXPECT_EQ(evil("nothing"), "text: lived on") << "and the service goes on";
}

TEST_F(ProcessExtractorTest, WhoeverLeavesEndsTheProcess) {
  auto& extractor = with(MEMSEAL_EVIL_PROGRAM);
  asio::cancellation_signal leave;
  bool ended = false;
  asio::co_spawn(
      loop,
      [&]() -> asio::awaitable<void> {
        const runtime::RequestContext context{"test"};
        const auto extraction = extractor.begin(5);
        extraction->append(bytes_of("still"));
        co_await extraction->finish(context, text_max);
      },
      asio::bind_cancellation_slot(leave.slot(),
                                   [&](std::exception_ptr thrown) { ended = thrown != nullptr; }));
  loop.restart();
  loop.poll();
  leave.emit(asio::cancellation_type::terminal);
  loop.run();
  EXPECT_TRUE(ended);
  // The one thread is free again, whether the process had started or not.
  EXPECT_EQ(outcome(extractor, "nothing"), "text: lived on");
}

TEST_F(ProcessExtractorTest, ThoseWhoWaitAreBounded) {
  auto& extractor = with(MEMSEAL_EVIL_PROGRAM);
  const auto first = extractor.begin(1), second = extractor.begin(1);
  EXPECT_THROW(extractor.begin(1), Outage);
}

TEST_F(ProcessExtractorTest, WhereNoDescriptorIsFreeAnotherTimeMayDo) {
  auto& extractor = with(MEMSEAL_EVIL_PROGRAM);
  EXPECT_EQ(outcome(extractor, "nothing"), "text: lived on");
  const auto extraction = extractor.begin(7);
  extraction->append(bytes_of("nothing"));
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none{STDERR_FILENO + 1, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  const OnExit restore([&] { ::setrlimit(RLIMIT_NOFILE, &before); });
  std::optional<Errc> seen;
  test::run_to_end(
      loop, [](ports::TextExtraction& from, std::optional<Errc>& out) -> asio::awaitable<void> {
        try {
          const runtime::RequestContext context{"test"};
          co_await from.finish(context, text_max);
        } catch (const Outage& outage) {
          out = outage.error().code;
        } catch (const Refused& refused) {
          out = refused.error().code;
        }
      }(*extraction, seen));
  EXPECT_EQ(seen, Errc::overloaded);
}

TEST_F(ProcessExtractorTest, WithoutAHelperNothingIsRead) {
  auto& extractor = with("/nonexistent/memseal-extract");
  EXPECT_THROW(outcome(extractor, "x"), Refused);
  EXPECT_EQ(try_helper("/nonexistent/memseal-extract").error().code, Errc::bad_config);
  EXPECT_EQ(try_helper("/bin/true").error().code, Errc::bad_config);
  EXPECT_TRUE(try_helper(MEMSEAL_EXTRACT_PROGRAM));
  Settings settings;
  EXPECT_FALSE(find_helper(settings).value()) << "none lies beside the tests";
  settings.extractor = MEMSEAL_EXTRACT_PROGRAM;
  EXPECT_EQ(find_helper(settings).value(), std::filesystem::path(MEMSEAL_EXTRACT_PROGRAM));
  settings.extractor = "/nonexistent";
  EXPECT_EQ(find_helper(settings).error().field, "files.extractor");
}

/// The one child of a process; 0: none yet.
pid_t child_of(pid_t parent) {
  const auto task = std::to_string(parent);
  std::ifstream list("/proc/" + task + "/task/" + task + "/children");
  pid_t child = 0;
  list >> child;
  return child;
}

/// The first word of what the kernel says of a process under `name`.
std::string status_of(pid_t process, const std::string& name) {
  std::ifstream status("/proc/" + std::to_string(process) + "/status");
  std::string word, value;
  while (status >> word)
    if (word == name + ":" && status >> value) return value;
  return {};
}

int oom_score_of(pid_t process) {
  int score = -1;
  std::ifstream("/proc/" + std::to_string(process) + "/oom_score_adj") >> score;
  return score;
}

TEST_F(ProcessExtractorTest, AServiceThatIsKilledLeavesNoProcess) {
  ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
  const Fd file(::memfd_create("test", MFD_CLOEXEC));
  ASSERT_EQ(::write(file.get(), "still", 5), 5);
  ASSERT_EQ(::lseek(file.get(), 0, SEEK_SET), 0);
  const pid_t service = ::fork();
  if (service == 0) {
    ::prctl(PR_CAPBSET_DROP, CAP_SETGID);
    FrameReader reader(100, 1'000);
    run_helper(MEMSEAL_EVIL_PROGRAM, file.get(), 60s, reader, {});
    _exit(0);
  }
  pid_t helper_process = 0;
  const auto deadline = std::chrono::steady_clock::now() + 30s;
  while (helper_process == 0 || status_of(helper_process, "Seccomp") != "2") {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline);
    helper_process = child_of(service);
    std::this_thread::yield();
  }
  constexpr unsigned nobody = 65'534;
  EXPECT_EQ(status_of(helper_process, "Uid"),
            std::to_string(::geteuid() == 0 ? nobody : ::geteuid()))
      << "also without the right to change its groups";
  EXPECT_EQ(oom_score_of(helper_process), 1'000) << "the kernel kills it before the service";
  ASSERT_EQ(::kill(service, SIGKILL), 0);
  int status = 0;
  ASSERT_EQ(::waitpid(service, &status, 0), service);
  ASSERT_EQ(::waitpid(helper_process, &status, 0), helper_process);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  ::prctl(PR_SET_CHILD_SUBREAPER, 0);
}

}  // namespace
}  // namespace memseal::extractor
