#pragma once
// The files that a person names on the command line, as documents.
#include "app/cli/directory_walk.hpp"
#include "base/ids.hpp"
#include "base/result.hpp"

#include <string>
#include <vector>

namespace memseal::app {

/// One text to publish.
struct InputDocument {
  std::string label;     ///< names the document in messages: the path as it was given or found
  DocId doc_id;
  std::string name;      ///< of the file
  std::string text;      ///< see document_text()
  bool walked = false;   ///< found in a directory, so that a fault skips it
};

struct Inputs {
  std::vector<InputDocument> documents;  ///< no two with the same id
  std::vector<SkippedFile> skipped;
  std::size_t hidden = 0;                ///< files and folders whose names begin with a dot
  std::vector<Error> refused;            ///< every input that was named and cannot be published
};

/// The name of a file's document: its path relative to the working directory if the file lies
/// below, else its absolute path. `gym.md`, `./gym.md` and `$PWD/gym.md` are one document.
std::string document_path(const std::string& path);

/// The bytes of a file, or of standard input for "-"; at most `bytes_max`. `limit` says what has no
/// more: the end of a sentence.
/// Errors: bad_request, naming the path and the cause.
Result<std::string> read_input(const std::string& path, std::size_t bytes_max,
                               const std::string& limit);

/// Reads `paths`: files, directories, or "-" for standard input. A directory stands for all text
/// files below it; hidden ones and those that hold no text are left out. `doc_id` names the only
/// document, or is empty.
Inputs read_inputs(const std::vector<std::string>& paths, const std::string& doc_id);

}  // namespace memseal::app
