#pragma once
// Reads the conditions of an AttributeFilter.
#include "pure/wire/attribute_filter.hpp"
#include "pure/wire/internal/fields.hpp"

namespace memseal::wire {

inline constexpr std::size_t conditions_max = 32, condition_depth_max = 4;
inline constexpr std::size_t condition_values_max = 64;  // of one `in`

/// Reads the member `key` of `fields`, an object whose members all must hold: `"and"` and `"or"`
/// name lists of such objects, any other name is an attribute with a value that it must equal, or
/// with an object of operators (eq, ne, in, gt, lt) that all must hold. Empty when it is absent.
AttributeFilter read_attribute_filter(FieldReader& fields, std::string_view key);

}  // namespace memseal::wire
