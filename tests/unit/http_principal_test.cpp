// SPDX-License-Identifier: GPL-3.0-or-later
// Who a request is admitted as: tokens, client certificates, peers.
#include "http/principal.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include "http/tls.h"

namespace aptward::http {
namespace {

using testing::HasSubstr;

// SHA-256 of "alpha", "beta" by sha256sum.
constexpr std::string_view kTokens =
    "# tokens of the test\n"
    "\n"
    "operator alice 8ed3f6ad685b959ead7022518e1af76cd816f8e8ec7ccdda1ed4018e8f2223f8\n"
    "viewer bob F44E64E75F3948E9F73F8DFA94721C4CE8CBB4F265C4790C702B2D41CFBF2753\n"
    "admin web1.example cert\n";

Admission admission(Authentication authentication, Role role)
{
    Admission admission;
    admission.authentication = authentication;
    admission.role = role;
    admission.tokens = std::make_shared<const Tokens>(*Tokens::parse(kTokens));
    return admission;
}

RequestHead head_with(std::string_view name, std::string_view value)
{
    RequestHead head;
    head.headers.push_back({name, value});
    return head;
}

TEST(Tokens, BadLinesAreNamed)
{
    const std::string hash(64, 'a');
    for (const std::string& line : std::vector<std::string>{
             "operator alice", "boss alice " + hash, "viewer alice 1234",
             "viewer alice " + hash + " x", "viewer alice " + hash + hash,
             "viewer " + std::string(65, 'n') + " " + hash, "none alice cert"}) {
        const auto tokens = Tokens::parse("\n" + line + "\n");
        ASSERT_FALSE(tokens) << line;
        EXPECT_THAT(tokens.error().message(), HasSubstr("line 2"));
    }
}

TEST(Admit, ATokenGivesItsNameAndRole)
{
    const Admission door = admission(Authentication::token, Role::none);
    const auto alice = admit(door, {}, head_with("Authorization", "Bearer alpha"));
    ASSERT_TRUE(alice);
    EXPECT_EQ(alice->name, "alice");
    EXPECT_EQ(alice->role, Role::operating);
    EXPECT_EQ(alice->who(), "token alice");
    // As apt sends it from auth.conf, and as a proxy's credentials: base64 of "x:beta".
    EXPECT_EQ(admit(door, {}, head_with("authorization", "basic eDpiZXRh"))->name, "bob");
    EXPECT_EQ(admit(door, {}, head_with("Proxy-Authorization", "Basic eDpiZXRh"))->name, "bob");
}

TEST(Admit, UnknownMissingAndDoubleTokensAreRefused)
{
    const Admission door = admission(Authentication::token, Role::none);
    for (const std::string_view value :
         {"Bearer wrong", "Bearer ", "Bearer", "Bearer ALPHA", "Basic !!!!", "Basic eDpiZXR",
          "Basic YmV0YQ==", "Digest alpha", "alpha"})
        EXPECT_FALSE(admit(door, {}, head_with("Authorization", value))) << value;
    EXPECT_FALSE(admit(door, {}, RequestHead{}));
    RequestHead both = head_with("Authorization", "Bearer alpha");
    both.headers.push_back({"Authorization", "Bearer beta"});
    EXPECT_FALSE(admit(door, {}, both));
}

TEST(Admit, AProxiedRequestShowsItsTokenInProxyAuthorizationOnly)
{
    const Admission door = admission(Authentication::token, Role::none);
    for (const std::string_view target :
         {"http://archive.example/debian/x", "HTTPS://archive.example/x"}) {
        RequestHead both = head_with("Authorization", "Basic dTpwdw==");  // the archive's own
        both.method = "GET";
        both.target = target;
        EXPECT_FALSE(admit(door, {}, both)) << "no token of ours";
        both.headers.push_back({"Proxy-Authorization", "Basic eDpiZXRh"});
        const auto bob = admit(door, {}, both);
        ASSERT_TRUE(bob) << target;
        EXPECT_EQ(bob->name, "bob");
    }
    RequestHead tunnel = head_with("Authorization", "Bearer alpha");
    tunnel.method = "CONNECT";
    tunnel.target = "archive.example:443";
    EXPECT_FALSE(admit(door, {}, tunnel));
    RequestHead mapped = head_with("Authorization", "Bearer alpha");
    mapped.method = "GET";
    mapped.target = "/debian/x";
    EXPECT_TRUE(admit(door, {}, mapped));
}

TEST(Admit, AWrongTokenIsRefusedEvenWhereNoneIsNeeded)
{
    const Admission door = admission(Authentication::token, Role::viewer);
    EXPECT_EQ(admit(door, {}, RequestHead{})->role, Role::viewer);
    EXPECT_TRUE(admit(door, {}, RequestHead{})->may_show_token);
    EXPECT_FALSE(admit(door, {}, head_with("Authorization", "Bearer wrong")));
}

TEST(Admit, TokensCountOnListenersThatTakeThemOnly)
{
    const Admission door = admission(Authentication::none, Role::viewer);
    const auto anybody = admit(door, {}, head_with("Authorization", "Bearer alpha"));
    EXPECT_EQ(anybody->role, Role::viewer);
    EXPECT_EQ(anybody->name, "");
}

TEST(Admit, ACertificateGetsTheRoleOfItsNameOrTheListenersOwn)
{
    const Admission door = admission(Authentication::mtls, Role::viewer);
    Principal connection;
    connection.recognised_by = Authentication::mtls;
    connection.name = "web1.example";
    EXPECT_EQ(admit(door, connection, {})->role, Role::admin);
    connection.name = "alice";  // a token's name is no certificate's
    EXPECT_EQ(admit(door, connection, {})->role, Role::viewer);
    EXPECT_EQ(admit(door, connection, {})->who(), "certificate alice");
    Principal stranger;
    EXPECT_FALSE(admit(door, stranger, {})) << "connected before certificates were demanded";
}

TEST(Admit, PeersOfTheSocketHaveTheirRights)
{
    Admission door = admission(Authentication::peer, Role::viewer);
    door.admins = {4711};
    Principal peer;
    peer.is_local_socket = true;
    for (const ::uid_t uid : {::uid_t{0}, ::geteuid(), ::uid_t{4711}}) {
        peer.uid = uid;
        EXPECT_EQ(admit(door, peer, {})->role, Role::admin) << uid;
    }
    peer.uid = 4712;
    EXPECT_EQ(admit(door, peer, {})->role, Role::viewer);
    EXPECT_EQ(admit(door, peer, {})->who(), "uid 4712");
}

TEST(Certificates, AreChosenByExactNameThenWildcardThenTheFirst)
{
    const std::vector<std::vector<std::string>> names = {
        {"first.example"}, {"*.a.example", "b.example"}, {"x.a.example"}};
    EXPECT_EQ(choose_certificate(names, "b.example"), 1U);
    EXPECT_EQ(choose_certificate(names, "B.Example."), 1U);
    EXPECT_EQ(choose_certificate(names, "x.a.example"), 2U) << "exact before wildcard";
    EXPECT_EQ(choose_certificate(names, "y.a.example"), 1U);
    EXPECT_EQ(choose_certificate(names, "z.y.a.example"), 0U) << "a wildcard is one label";
    EXPECT_EQ(choose_certificate(names, "a.example"), 0U);
    EXPECT_EQ(choose_certificate(names, ".a.example"), 0U);
    EXPECT_EQ(choose_certificate(names, "unknown.example"), 0U);
    EXPECT_EQ(choose_certificate(names, ""), 0U);
}

}  // namespace
}  // namespace aptward::http
