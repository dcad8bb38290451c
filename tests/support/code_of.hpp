#pragma once
#include "base/result.hpp"

#include <gtest/gtest.h>

namespace memseal::test {

/// The code of the Failure that `act` throws; fails the test if `act` returns.
template <class Act>
Errc code_of(Act act) {
  try {
    act();
  } catch (const Failure& failed) {
    return failed.error().code;
  }
  ADD_FAILURE() << "did not throw";
  return Errc::internal;
}

}  // namespace memseal::test
