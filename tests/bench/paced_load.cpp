// SPDX-License-Identifier: GPL-3.0-or-later
// A load at a fixed pace: requests are due at their moments whether or not the earlier ones are
// answered, and a latency counts from the moment at which its request was due. So a server that
// stalls is charged with everything that piled up meanwhile. The loop spins: it wants a core.
//
//     bench_paced ADDRESS PORT REQUESTS_PER_SECOND < PATHS      until SIGTERM; prints a line of
//     JSON
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <iostream>
#include <string>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

constexpr int kConnections = 16;

volatile std::sig_atomic_t must_stop = 0;

[[noreturn]] void end(const char* why)
{
    std::fprintf(stderr, "bench_paced: %s\n", why);
    std::exit(1);
}

struct Connection {
    int socket = -1;
    Clock::time_point due;
    std::string got;
    std::size_t wanted = 0;  // bytes of the whole answer; 0: its head is not here yet
};

int connect_to(const char* address, const char* port)
{
    const int made = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ::sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<std::uint16_t>(std::atoi(port)));
    const int on = 1;
    if (::inet_pton(AF_INET, address, &to.sin_addr) != 1 ||
        ::connect(made, reinterpret_cast<const ::sockaddr*>(&to), sizeof to) != 0 ||
        ::setsockopt(made, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0)
        end("no connection");
    return made;
}

// True when the answer is whole.
bool receive(Connection& connection)
{
    char buffer[65536];
    const ssize_t count = ::recv(connection.socket, buffer, sizeof buffer, 0);
    if (count <= 0)
        end("a connection ended");
    connection.got.append(buffer, static_cast<std::size_t>(count));
    const std::size_t head = connection.got.find("\r\n\r\n");
    if (connection.wanted == 0 && head != std::string::npos) {
        const std::size_t field = connection.got.find("Content-Length: ");
        if (connection.got.compare(0, 12, "HTTP/1.1 200") != 0 || field > head)
            end("an answer is no 200 with a length");
        connection.wanted =
            head + 4 + std::strtoul(connection.got.c_str() + field + 16, nullptr, 10);
    }
    return connection.wanted != 0 && connection.got.size() >= connection.wanted;
}

double percentile(const std::vector<double>& sorted, double part)
{
    return sorted[static_cast<std::size_t>(part * static_cast<double>(sorted.size() - 1))];
}

}  // namespace

int main(int count, char** words)
{
    if (count != 4)
        end("ADDRESS PORT REQUESTS_PER_SECOND");
    std::signal(SIGTERM, [](int) { must_stop = 1; });
    std::vector<std::string> requests;
    for (std::string path; std::getline(std::cin, path);)
        requests.push_back("GET " + path + " HTTP/1.1\r\nHost: bench\r\n\r\n");
    if (requests.empty())
        end("no paths");
    const int events = ::epoll_create1(EPOLL_CLOEXEC);
    std::vector<Connection> connections(kConnections);
    std::deque<Connection*> idle;
    for (Connection& connection : connections) {
        connection.socket = connect_to(words[1], words[2]);
        ::epoll_event event{EPOLLIN, {.ptr = &connection}};
        ::epoll_ctl(events, EPOLL_CTL_ADD, connection.socket, &event);
        idle.push_back(&connection);
    }
    const auto pace = std::chrono::nanoseconds(1'000'000'000 / std::atoi(words[3]));
    const auto began = Clock::now();
    auto due = began;
    std::vector<double> latencies_ms;
    for (std::size_t next = 0; must_stop == 0;) {
        while (!idle.empty() && due <= Clock::now()) {
            Connection& connection = *idle.front();
            idle.pop_front();
            connection.due = due;
            due += pace;
            const std::string& request = requests[next++ % requests.size()];
            if (::send(connection.socket, request.data(), request.size(), MSG_NOSIGNAL) !=
                static_cast<ssize_t>(request.size()))
                end("a request was not taken");
        }
        ::epoll_event ready[kConnections];
        const int many = ::epoll_wait(events, ready, kConnections, 0);
        for (int i = 0; i < many; ++i) {
            Connection& connection = *static_cast<Connection*>(ready[i].data.ptr);
            if (!receive(connection))
                continue;
            latencies_ms.push_back(
                std::chrono::duration<double, std::milli>(Clock::now() - connection.due).count());
            connection.got.clear();
            connection.wanted = 0;
            idle.push_back(&connection);
        }
    }
    if (latencies_ms.empty())
        end("no answer came");
    std::sort(latencies_ms.begin(), latencies_ms.end());
    const double seconds = std::chrono::duration<double>(Clock::now() - began).count();
    std::printf(
        "{\"requests\": %zu, \"seconds\": %.3f, \"p50_ms\": %.4f, \"p99_ms\": %.4f, "
        "\"p999_ms\": %.4f, \"most_ms\": %.4f}\n",
        latencies_ms.size(), seconds, percentile(latencies_ms, 0.5), percentile(latencies_ms, 0.99),
        percentile(latencies_ms, 0.999), latencies_ms.back());
    return 0;
}
