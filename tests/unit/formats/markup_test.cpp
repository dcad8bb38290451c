// HTML, RTF and texts, sound and hostile.
#include <gtest/gtest.h>

#include "unit/formats/support.hpp"

#include <utility>
#include <vector>

namespace memseal::extract {
namespace {

using Cases = std::vector<std::pair<std::string, std::string>>;

void expect_all(const Cases& cases) {
  for (const auto& [file, blocks] : cases) EXPECT_EQ(blocks_of(file), blocks) << file;
}

TEST(Markup, HtmlIsReadWithoutWhatIsNoText) {
  expect_all({
      {"<!doctype html><title>Tea &amp; co</title><h2>Black\n tea</h2>Hot<br>cup<p>caf&eacute; "
       "&#x41;&#66;&bogus; &lt;b&gt;",
       "P \nM title|Tea & co\nH2 Black tea\nT Hot\ncup\nT caf\u00e9 AB&bogus; <b>\nwhole"},
      {"<html><script>if (a<b) x()</script><style>p{}</style><nav>menu</nav><p>text<footer>f",
       "P \nT text\nwhole"},
      {"<html><table><tr><th>a<th>b</tr><tr><td>1<td><p>2</table>after",
       "P \nR a|b\nR 1|2\nT after\nwhole"},
      {"<html><pre>a\n  b</pre><p>x</p>", "P \nT a\n  b\nT x\nwhole"},
      {"<!-- c --> <HTML><body a=\"<p>no\" b='>'>yes", "P \nT yes\nwhole"},
      {"<html><meta charset=\"windows-1251\"><p>\xcf\xf0\xe8\xe2\xe5\xf2",
       "P \nT \u041f\u0440\u0438\u0432\u0435\u0442\nwhole"},
      {"<html><meta charset=windows-1252>\xff\xfe&#0;&#xffffffff;&#xd800;",
       "P \nT \u00ff\u00fe&#0;\ufffd\ufffd\nwhole"},
      {"<html><title>" + std::string(999, 'x') + "\u00e9</title>a",
       "P \nM title|" + std::string(999, 'x') + "\nT a\nwhole"},
      {"<html><", "P \nT <\nwhole"},
      {"<html></", "P \nwhole"},
      {"<html><!--", "P \nwhole"},
      {"<html><p", "P \nwhole"},
      {"<html><textarea>t", "P \nT t\nwhole"},
      {"<html></nav></nav>x</aside>", "P \nT x\nwhole"},
  });
}

TEST(Markup, RtfIsReadWithItsCharsets) {
  expect_all({
      {"{\\rtf1\\ansi{\\fonttbl{\\f0\\fcharset204 A;}}{\\stylesheet{\\s1 heading 1;}}"
       "\\pard\\s1 Head\\par\\pard\\f0 \\'cf\\'f0 \\u8364?\\par}",
       "P \nH1 Head\nT \u041f\u0440 \u20ac\nwhole"},
      {"{\\rtf1 a{\\*\\secret hidden}{\\info{\\title t}}b\\page c}", "P \nT ab\nP \nT c\nwhole"},
      {"{\\rtf1\\trowd\\intbl a\\cell b\\cell\\row\\pard x}", "P \nR a|b\nT x\nwhole"},
      {"{\\rtf1 \\bin99999999 x", "P \nwhole"},
      {"{\\rtf1 a\\bin-5 b\\u-10179?\\u-8704?c}", "P \nT ab\U0001f600c\nwhole"},
      {"{\\rtf1 }}}}x\\'4", "P \nT x\nwhole"},
      {"{\\rtf1 \\", "P \nwhole"},
      {"{\\rtf1 " + std::string(1'000, '{'), "P \ndamaged"},
  });
}

TEST(Markup, AMailIsReadWithWhatIsAttached) {
  const std::string head = "From: a@b\nTo: c@d\nDate: today\nMIME-Version: 1.0\n";
  const std::string told = "T From: a@b\nT To: c@d\nT Date: today\n";
  const auto docx = test::docx_of("<w:p><w:t>deal</w:t></w:p>");
  const std::string mixed = "Content-Type: multipart/mixed; boundary=\"x y\"\n\n--x y\n";
  expect_all({
      {head + "Subject: =?utf-8?q?caf=C3=A9_?= =?iso-8859-1?B?6Q==?= x\n\nHi",
       "P \nH1 caf\u00e9 \u00e9 x\n" + told + "C Hi\nwhole"},
      {head +
           "Content-Type: text/plain; charset=koi8-r\nContent-Transfer-Encoding: base64\n\n8NL3\n",
       "P \n" + told + "C \u041f\u0440\u0412\nwhole"},
      {head + "Content-Transfer-Encoding: quoted-printable\n\na=3Db=\r\nc=4",
       "P \n" + told + "C a=bc=4\nwhole"},
      {head + "Content-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: "
              "text/html\n\n<p>no"
              "\n--b\n\nyes\n--b--\nno",
       "P \n" + told + "C yes\n\nwhole"},
      {head + mixed +
           "Content-Type: text/html\n\n<b>hey\n--x y\nContent-Disposition: attachment; "
           "filename=a.docx\n\n" +
           docx + "\n--x y--",
       "P \n" + told + "T hey\nT [a.docx]\nP \nT deal\nwhole"},
      {head + mixed + "Content-Type: application/zip\n\nPK\x03\x04",
       "P \n" + told + "W zip: too short\nwhole"},
      {"From a@b now\n" + head + "\none\n\nFrom c@d then\n" + head + "\ntwo",
       "P \n" + told + "C one\nP \n" + told + "C two\nwhole"},
      {"From a@b now\r\n" + head + "\none\r\n\r\nFrom c@d then\n" + head + "\ntwo\nFrom me\n",
       "P \n" + told + "C one\r\nP \n" + told + "C two\nFrom me\n\nwhole"},
      {"From: me\nto you", "C From: me\nto you\nwhole"},
  });
  std::string nested = head + "Content-Type: message/rfc822\n\n", deep;
  for (int i = 0; i < 30; ++i) deep += nested;
  EXPECT_TRUE(blocks_of(deep + "x").ends_with("\ntoo large"));
}

TEST(Markup, ATextIsReadInAnyCharset) {
  const std::string utf16(
      "\xff\xfe"
      "a\0\x3d\xd8\x00\xde",
      8);
  expect_all({
      {"", "whole"},
      {"a,b\n1,2\n", "C a,b\n1,2\n\nwhole"},
      {utf16, "C a\U0001f600\nwhole"},
      {"\xef\xbb\xbf"
       "a",
       "C a\nwhole"},
      {"Stra\xdf"
       "e und Fl\xfc"
       "sse im M\xe4rz, s\xfc\xdf und sch\xf6n",
       "C Stra\u00dfe und Fl\u00fcsse im M\u00e4rz, s\u00fc\u00df und sch\u00f6n\nwhole"},
      {"<?xml version='1.0'?><a>b</a>", "C <?xml version='1.0'?><a>b</a>\nwhole"},
      {"<header>b</header>", "C <header>b</header>\nwhole"},
      {"<headword>b", "C <headword>b\nwhole"},
      {std::string("\x7f"
                   "ELF\0\0",
                   6),
       "unsupported"},
      {std::string("\x89PNG\r\n\x1a\n\0\0", 10), "unsupported"},
      {"%PDF-1.7", "needs pdfium"},
  });
}

// The service takes a frame that is none for a sign of an attack.
TEST(Markup, EveryFrameIsUtf8WhateverAParserHandsOn) {
  std::string seen;
  Blocks out(
      [&](Frame type, unsigned, std::string_view payload) {
        (seen += static_cast<char>(type)) += std::string(payload) + '\n';
      },
      output_bytes_max(0));
  out.page("\xff");
  out.warn("a\xc3");
  out.text(
      "a\xff"
      "b");
  out.put(Frame::metadata, 0, "title\tt\xc3");
  out.verbatim(" \xe2\x82");
  EXPECT_EQ(seen, "P\nW\nTa\ufffdb\nMtitle\tt\ufffd\nC \ufffd\n");
}

}  // namespace
}  // namespace memseal::extract
