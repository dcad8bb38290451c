#pragma once
#include <string_view>

namespace memseal::codec {

inline constexpr std::string_view markdown_type = "text/markdown";

/// The media type of a text by the name of its file: markdown_type or "text/plain".
constexpr std::string_view text_type_of(std::string_view file_name) noexcept {
  const bool is_markdown = file_name.ends_with(".md") || file_name.ends_with(".markdown");
  return is_markdown ? markdown_type : "text/plain";
}

}  // namespace memseal::codec
