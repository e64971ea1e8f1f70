// SPDX-License-Identifier: GPL-3.0-or-later
// What a drill does to transfers where no network is needed; tests/apt/test_drill.py has the rest.
#include "fetch/pull.h"

#include <gtest/gtest.h>

#include <future>

namespace aptward::fetch {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

struct Outcome : PullEvents {
    bool on_head(const http::UpstreamHead&) override { return true; }
    bool on_body(std::string_view) override { return true; }
    void on_complete() override {}
    void on_fault(Fault fault, std::string message) override
    {
        fault_message.set_value({fault, std::move(message)});
    }
    std::promise<std::pair<Fault, std::string>> fault_message;
};

class DisturbedPull : public testing::Test {
protected:
    ~DisturbedPull() override { client_.stop(); }

    std::future<std::pair<Fault, std::string>> start(Disturbance::Kind kind)
    {
        disturbance_ = std::make_shared<Disturbance>(kind);
        SourceSettings settings;
        settings.url = "http://127.0.0.1:1/nobody";  // nothing may ask there
        PullRequest request;
        request.source = Source(settings).stand_in(disturbance_);
        request.path = "file";
        client_.post([this, request] { Pull::start(client_, request, outcome_); });
        return outcome_.fault_message.get_future();
    }

    http::Client client_;
    std::shared_ptr<Disturbance> disturbance_;
    Outcome outcome_;
};

TEST_F(DisturbedPull, ARefusalShowsAtOnceAndSaysWhoseItIs)
{
    auto fault = start(Disturbance::Kind::refuse);
    ASSERT_EQ(fault.wait_for(seconds(5)), std::future_status::ready);
    EXPECT_EQ(fault.get(), std::pair(Fault::refused, std::string("a drill lets nobody connect")));
}

TEST_F(DisturbedPull, ASilenceEndsWithTheDrill)
{
    auto fault = start(Disturbance::Kind::stall);
    EXPECT_EQ(fault.wait_for(milliseconds(300)), std::future_status::timeout);
    disturbance_->is_over = true;
    ASSERT_EQ(fault.wait_for(seconds(5)), std::future_status::ready);
    EXPECT_EQ(fault.get().first, Fault::stalled);
}

}  // namespace
}  // namespace aptward::fetch
