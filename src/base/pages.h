// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Memory for what is large and short-lived, an index and its unpacked text: straight from the
// kernel, and back to it at once. The allocator would keep what was freed, and clear it first.

#include <cstddef>
#include <span>
#include <string_view>

namespace aptward {

/// Owns one anonymous mapping, all zero at first and untouched until it is written to. Move only.
class Pages {
public:
    Pages() = default;
    /// Throws std::bad_alloc.
    explicit Pages(std::size_t bytes);
    ~Pages();
    Pages(Pages&& other) noexcept;
    Pages& operator=(Pages&& other) noexcept;
    Pages(const Pages&) = delete;
    Pages& operator=(const Pages&) = delete;

    std::span<char> span() { return {at_, size_}; }
    std::string_view view() const { return {at_, size_}; }
    std::size_t size() const { return size_; }

private:
    char* at_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace aptward
