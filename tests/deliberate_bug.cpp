// SPDX-License-Identifier: GPL-3.0-or-later
// Proves that the sanitizer presets sanitize: each name is one bug they must abort on.
#include <cstdio>
#include <cstring>
#include <thread>
#include <vector>

namespace {

int read_past_the_end(std::size_t count)
{
    const std::vector<int> numbers(count);
    return numbers.data()[count];
}

int overflow(int value)
{
    return value + 0x7fffffff;
}

int race()
{
    int shared = 0;
    std::thread other([&shared] { ++shared; });
    ++shared;
    other.join();
    return shared;
}

}  // namespace

int main(int argc, char** argv)
{
    const char* bug = argc > 1 ? argv[1] : "address";
    int result = 0;
    if (std::strcmp(bug, "address") == 0)
        result = read_past_the_end(static_cast<std::size_t>(argc));
    else if (std::strcmp(bug, "undefined") == 0)
        result = overflow(argc);
    else if (std::strcmp(bug, "thread") == 0)
        result = race();
    std::printf("the deliberate %s bug went unnoticed (%d)\n", bug, result);
    return 0;
}
