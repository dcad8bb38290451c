// The same for what speaks to PostgreSQL.
#include "pch.hpp"

#include <pqxx/pqxx>
