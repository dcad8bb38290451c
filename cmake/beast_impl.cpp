// The compiled parts of Boost.Beast, built once.
#include <boost/beast/src.hpp>
