// SPDX-License-Identifier: GPL-3.0-or-later
// The fetch thread: curl_multi_poll in a loop, jobs from other threads, timers.
// Measured against curl on Asio's sockets: half the CPU (docs/decisions/0002).
#include "http/client.h"

#include <curl/curl.h>

#include <map>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "base/text.h"
#include "base/version.h"
#include "http/client_transfer.h"

namespace aptward::http {

struct Client::State {
    CURLM* multi = nullptr;
    std::thread thread;
    std::mutex mutex;  // guards `jobs` and `is_stopping`
    std::vector<std::function<void()>> jobs;
    bool is_stopping = false;
    std::multimap<SteadyTime, std::function<void()>> timers;
    std::unordered_map<TransferId, std::unique_ptr<Transfer>> transfers;
    // libcurl takes no new and drops no running transfer inside its callbacks: both wait here.
    std::vector<std::unique_ptr<Transfer>> starting;
    std::vector<std::unique_ptr<Transfer>> doomed;
    std::vector<CURL*> spare;  // easy handles keep their buffers between transfers
    TransferId next_id = 1;

    void run();
    bool run_jobs();
    int run_timers();
    void settle();
    bool is_unsettled() const { return !starting.empty() || !doomed.empty(); }
    void reap();
    std::unique_ptr<Transfer> take(TransferId id);
};

Client::Client() : state_(std::make_unique<State>())
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
    state_->multi = curl_multi_init();
    curl_multi_setopt(state_->multi, CURLMOPT_MAXCONNECTS, 64L);
    state_->thread = std::thread([state = state_.get()] { state->run(); });
}

Client::~Client()
{
    stop();
    for (CURL* easy : state_->spare)
        curl_easy_cleanup(easy);
    curl_multi_cleanup(state_->multi);
}

void Client::stop()
{
    {
        const std::lock_guard lock(state_->mutex);
        state_->is_stopping = true;
    }
    curl_multi_wakeup(state_->multi);
    if (state_->thread.joinable())
        state_->thread.join();
    state_->starting.clear();
    state_->settle();
    for (auto& [id, transfer] : state_->transfers)
        curl_multi_remove_handle(state_->multi, transfer->easy());
    state_->transfers.clear();
    state_->timers.clear();
    state_->jobs.clear();
}

void Client::post(std::function<void()> job)
{
    {
        const std::lock_guard lock(state_->mutex);
        if (state_->is_stopping)
            return;
        state_->jobs.push_back(std::move(job));
    }
    curl_multi_wakeup(state_->multi);
}

void Client::at(SteadyTime time, std::function<void()> job)
{
    state_->timers.emplace(time, std::move(job));
}

Client::TransferId Client::start(UpstreamRequest request, std::shared_ptr<Receiver> receiver)
{
    const TransferId id = state_->next_id++;
    CURL* easy = nullptr;
    if (!state_->spare.empty()) {
        easy = state_->spare.back();
        state_->spare.pop_back();
    } else {
        easy = curl_easy_init();
    }
    state_->starting.push_back(
        std::make_unique<Transfer>(id, easy, std::move(request), std::move(receiver)));
    return id;
}

void Client::cancel(TransferId id)
{
    const auto is_it = [id](const auto& transfer) { return transfer->id() == id; };
    std::erase_if(state_->starting, is_it);
    auto transfer = state_->take(id);
    if (transfer == nullptr)
        return;
    transfer->mute();
    state_->doomed.push_back(std::move(transfer));
}

void Client::State::settle()
{
    for (auto& transfer : doomed)
        curl_multi_remove_handle(multi, transfer->easy());
    doomed.clear();
    for (auto& transfer : std::exchange(starting, {})) {
        curl_multi_add_handle(multi, transfer->easy());
        const TransferId id = transfer->id();
        transfers.emplace(id, std::move(transfer));
    }
}

std::unique_ptr<Transfer> Client::State::take(TransferId id)
{
    const auto found = transfers.find(id);
    if (found == transfers.end())
        return nullptr;
    auto transfer = std::move(found->second);
    transfers.erase(found);
    return transfer;
}

bool Client::State::run_jobs()
{
    std::vector<std::function<void()>> batch;
    {
        const std::lock_guard lock(mutex);
        if (is_stopping)
            return false;
        batch.swap(jobs);
    }
    for (auto& job : batch)
        job();
    return true;
}

int Client::State::run_timers()
{
    const SteadyTime now = steady_now();
    while (!timers.empty() && timers.begin()->first <= now) {
        const auto job = std::move(timers.begin()->second);
        timers.erase(timers.begin());
        job();
    }
    if (timers.empty())
        return 1000;
    const auto wait =
        std::chrono::ceil<std::chrono::milliseconds>(timers.begin()->first - steady_now()).count();
    return static_cast<int>(std::clamp<std::int64_t>(wait, 0, 1000));
}

void Client::State::reap()
{
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi, &left)) {
        if (message->msg != CURLMSG_DONE)
            continue;
        const CURLcode code = message->data.result;
        Transfer* found = nullptr;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &found);
        auto transfer = take(found->id());
        if (transfer == nullptr)
            continue;
        const TransferEnd end = transfer->end(code);
        auto receiver = transfer->receiver();
        curl_multi_remove_handle(multi, transfer->easy());
        if (spare.size() < 32)
            spare.push_back(transfer->release());
        transfer.reset();
        receiver->on_end(end);
    }
}

void Client::State::run()
{
    while (run_jobs()) {
        const int wait_ms = run_timers();
        int running = 0;
        settle();
        curl_multi_perform(multi, &running);
        reap();
        if (is_unsettled())
            continue;
        {
            const std::lock_guard lock(mutex);
            if (!jobs.empty() || is_stopping)
                continue;
        }
        curl_multi_poll(multi, nullptr, 0, wait_ms, nullptr);
    }
}

}  // namespace aptward::http
