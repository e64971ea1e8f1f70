// SPDX-License-Identifier: GPL-3.0-or-later
// Asio's own functions, compiled once (ASIO_SEPARATE_COMPILATION).
#include <asio/impl/src.hpp>
