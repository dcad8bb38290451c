#include "cases/canary/reasons.hpp"

namespace memseal::canary {

namespace {

std::string breach_of(const policy::Guardrail& rail) {
  const auto number = [](double value) {
    auto text = std::to_string(value);
    text.erase(text.find_last_not_of('0') + 1);
    if (text.ends_with('.')) text.pop_back();
    return text;
  };
  std::string text = std::string(rail.name) + " " + number(rail.value);
  if (rail.samples_min > 0) text += " of " + std::to_string(rail.samples);
  return text + ", limit " + number(rail.limit);
}

}  // namespace

std::string joined(const std::vector<std::string>& texts) {
  std::string all;
  for (const auto& text : texts) all += (all.empty() ? "" : "; ") + text;
  return all;
}

std::vector<std::string> breaches_of(const std::vector<policy::Guardrail>& rails) {
  std::vector<std::string> all;
  for (const auto& rail : rails)
    if (rail.verdict == policy::Verdict::breach) all.push_back(breach_of(rail));
  return all;
}

std::vector<std::string> doubts_of(const std::vector<policy::Guardrail>& rails) {
  std::vector<std::string> all;
  for (const auto& rail : rails) {
    if (rail.verdict == policy::Verdict::warn)
      all.push_back(std::string(rail.name) + " warns");
    else if (rail.verdict == policy::Verdict::inconclusive)
      all.push_back(std::string(rail.name) + ": " + std::to_string(rail.samples) +
                    " samples prove too little");
  }
  if (all.empty()) all.emplace_back("a fault is neither proven nor excluded");
  return all;
}

}  // namespace memseal::canary
