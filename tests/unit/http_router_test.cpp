// SPDX-License-Identifier: GPL-3.0-or-later
#include "http/router.h"

#include <gtest/gtest.h>

#include "http/event_stream.h"

namespace aptward::http {
namespace {

using Outcome = Router::Match::Outcome;

Route route(std::string host, std::string path, std::vector<std::string> methods)
{
    Route route;
    route.host = std::move(host);
    route.path = std::move(path);
    route.methods = std::move(methods);
    return route;
}

Router example()
{
    Router router("admin");
    router.add(route("", "/api/", {"GET"}));
    router.add(route("", "/api/v1/jobs/", {"GET", "DELETE"}));
    router.add(route("", "/api/v1/jobs/", {"POST"}));
    router.add(route("", "/healthz", {"GET"}));
    router.add(route("status.example", "/healthz", {"POST"}));
    return router;
}

TEST(Router, TheLongestPathWinsAndASlashMeansAllBelow)
{
    const Router router = example();
    EXPECT_EQ(router.match("GET", "a", "/api/v1/jobs/7").route->path, "/api/v1/jobs/");
    EXPECT_EQ(router.match("GET", "a", "/api/v1/else").route->path, "/api/");
    EXPECT_EQ(router.match("GET", "a", "/healthz").outcome, Outcome::found);
    EXPECT_EQ(router.match("GET", "a", "/healthz/x").outcome, Outcome::no_path);
    EXPECT_EQ(router.match("GET", "a", "/apix").outcome, Outcome::no_path);
    EXPECT_EQ(router.match("GET", "a", "/").outcome, Outcome::no_path);
}

TEST(Router, MethodsOfOnePlaceAreJoinedAndGetMeansHead)
{
    const Router router = example();
    EXPECT_EQ(router.match("HEAD", "a", "/healthz").outcome, Outcome::found);
    EXPECT_EQ(router.match("POST", "a", "/api/v1/jobs/7").outcome, Outcome::found);
    const auto refused = router.match("PUT", "a", "/api/v1/jobs/7");
    EXPECT_EQ(refused.outcome, Outcome::no_method);
    EXPECT_EQ(refused.allowed, "GET, HEAD, DELETE, POST");
    EXPECT_EQ(router.match("get", "a", "/healthz").outcome, Outcome::no_method);
}

TEST(Router, ARouteThatNamesTheHostComesFirst)
{
    const Router router = example();
    EXPECT_EQ(router.match("POST", "status.example", "/healthz").outcome, Outcome::found);
    EXPECT_EQ(router.match("GET", "status.example", "/healthz").outcome, Outcome::no_method);
    EXPECT_EQ(router.match("POST", "other.example", "/healthz").outcome, Outcome::no_method);
}

TEST(ServerEvents, EveryLineOfATextIsADataLine)
{
    EXPECT_EQ(format_server_event("7", "node.started", "{}"),
              "id: 7\nevent: node.started\ndata: {}\n\n");
    EXPECT_EQ(format_server_event("8", "a", "x\ny\r\nz\rw\n"),
              "id: 8\nevent: a\ndata: x\ndata: y\ndata: z\ndata: w\ndata: \n\n");
}

}  // namespace
}  // namespace aptward::http
