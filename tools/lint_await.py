#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Allows co_await only in the forms that g++ 12.2 and g++ 15 compile correctly.

    co_await f(a, b);   auto x = co_await f(a, b);   x = co_await f(a, b);
    co_return co_await f(a, b);   CO_TRY(auto x, co_await f(a, b));

No second co_await, no condition, no '?:', no braces and no lambda in the same
statement; a coroutine has no default arguments.  Why: docs/decisions/0003-coroutines.md
"""
import re
import sys

LEAD = re.compile(
    r"^(?:co_return|(?:const\s+)?[\w:<>,\s*&]*?\b[\w.\->]+\s*=|CO_TRY\([\w:<>\s*&]+,)?\s*$"
)


def blank(text):
    """Replaces comments and literals by blanks of the same shape."""
    token = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
    return token.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)


def complaints(text):
    code = blank(text)
    for match in re.finditer(r"\bco_await\b", code):
        start = max(code.rfind(c, 0, match.start()) for c in ";{}") + 1
        lead = code[start : match.start()].strip()
        depth, end = 0, match.end()
        while end < len(code) and not (code[end] == ";" and depth <= 0):
            depth += {"(": 1, "{": 1, "[": 1, ")": -1, "}": -1, "]": -1}.get(code[end], 0)
            end += 1
        tail = code[match.end() : end]
        line = code.count("\n", 0, match.start()) + 1
        if re.match(r"(if|while|for|switch)\b", lead):
            yield line, "co_await in a condition: name the result first"
        elif not LEAD.match(lead):
            yield line, "co_await inside a larger expression: name the result first"
        elif "co_await" in tail:
            yield line, "two co_await in one statement"
        elif "?" in tail:
            yield line, "co_await with '?:'"
        elif "{" in tail:
            yield line, "braces or a lambda in a co_await statement: name it first"
    for match in re.finditer(r"\b(?:awaitable|[Tt]ask)<[^;{}()]*>\s+[\w:]+\([^(){};]*=", code):
        yield code.count("\n", 0, match.start()) + 1, "default argument on a coroutine"


def main(paths):
    bad = 0
    for path in paths:
        with open(path, encoding="utf-8") as file:
            for line, why in complaints(file.read()):
                print(f"{path}:{line}: {why}")
                bad += 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
