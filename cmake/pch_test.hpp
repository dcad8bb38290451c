// The same for the tests.
#include "pch.hpp"

#include <gtest/gtest.h>
