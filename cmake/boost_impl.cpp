// The compiled parts of Boost.Asio and Boost.JSON, built once: every other file sees declarations.
#include <boost/asio/impl/src.hpp>
#include <boost/json/src.hpp>
