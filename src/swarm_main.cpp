// SPDX-License-Identifier: GPL-3.0-or-later
// aptward-swarm STAGING PID: what the node with this PID starts, with a socket as number 3.
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "torrent/serve.h"

int main(int argc, char** argv)
{
    constexpr int kControl = 3;
    if (argc != 3 || ::fcntl(kControl, F_SETFD, FD_CLOEXEC) != 0) {
        std::fprintf(stderr, "aptward-swarm is started by aptward, where [swarm] wants it\n");
        return 2;
    }
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (std::to_string(::getppid()) != argv[2])
        return 1;  // it died before
    ::umask(0077);
    // Not return: libtorrent says goodbye to everybody first, and who ended it does not wait.
    std::_Exit(aptward::torrent::serve(aptward::Fd(kControl), argv[1]));
}
