// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// That something is under way. Private to peer/.

namespace aptward::peer {

/// Takes the flag back, also when what it stands for throws.
class Flag {
public:
    explicit Flag(bool& flag) : flag_(flag) {}
    ~Flag() { flag_ = false; }
    Flag(const Flag&) = delete;
    Flag& operator=(const Flag&) = delete;

private:
    bool& flag_;
};

}  // namespace aptward::peer
