// SPDX-License-Identifier: GPL-3.0-or-later
#include "deb/apt_messages.h"

#include <apt-pkg/error.h>

namespace aptward::deb {

std::string take_apt_errors()
{
    std::string errors;
    while (!_error->empty()) {
        std::string message;
        if (_error->PopMessage(message))
            errors.append(errors.empty() ? "" : "; ").append(message);
    }
    return errors;
}

}  // namespace aptward::deb
