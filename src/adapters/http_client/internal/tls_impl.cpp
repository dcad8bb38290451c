// The compiled part of Asio's TLS, built once: every other file sees declarations.
#include <boost/asio/ssl/impl/src.hpp>
