// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/pages.h"

#include <sys/mman.h>

#include <new>
#include <utility>

namespace aptward {
namespace {

constexpr std::size_t kHuge = 4 << 20;  // from here on, fewer page faults are worth the rounding

}  // namespace

Pages::Pages(std::size_t bytes) : size_(bytes)
{
    if (bytes == 0)
        return;
    void* mapped =
        ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED)
        throw std::bad_alloc();
    if (bytes >= kHuge)
        ::madvise(mapped, bytes, MADV_HUGEPAGE);  // a wish: a kernel without it is as right
    at_ = static_cast<char*>(mapped);
}

Pages::~Pages()
{
    if (at_ != nullptr)
        ::munmap(at_, size_);
}

Pages::Pages(Pages&& other) noexcept
    : at_(std::exchange(other.at_, nullptr)), size_(std::exchange(other.size_, 0))
{
}

Pages& Pages::operator=(Pages&& other) noexcept
{
    std::swap(at_, other.at_);
    std::swap(size_, other.size_);
    return *this;
}

}  // namespace aptward
