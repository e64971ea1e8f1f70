// SPDX-License-Identifier: GPL-3.0-or-later
#include "http/client.h"

#include <gtest/gtest.h>

namespace aptward::http {
namespace {

TEST(Client, A19_TellsAddressesThatAStrangerMayNotMakeItContact)
{
    for (const char* address :
         {"0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.255.255.255", "169.254.169.254",
          "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.0.255", "192.168.1.1", "198.18.0.1",
          "198.19.255.255", "224.0.0.1", "255.255.255.255",
          // IPv6 proper
          "::", "::1", "fe80::1", "fec0::1", "feff::1", "fc00::1", "fd00:ec2::254", "ff02::1",
          // with an IPv4 address inside: mapped, compatible, 6to4, NAT64, local NAT64
          "::ffff:10.0.0.1", "::ffff:127.0.0.1", "::127.0.0.1", "::10.0.0.1",
          "2002:7f00:1::", "2002:a9fe:a9fe::1", "64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe",
          "64:ff9b:1::10.0.0.1", "64:ff9b:1:7f00:0:100::", "64:ff9b:1:7f00:1:2:3:4",
          // nothing to connect to
          "", "localhost", "127.1"})
        EXPECT_TRUE(is_private_address(address)) << address;
    for (const char* address : {"1.1.1.1",
                                "9.255.255.255",
                                "11.0.0.0",
                                "100.63.255.255",
                                "100.128.0.0",
                                "128.0.0.1",
                                "151.101.2.132",
                                "172.15.0.1",
                                "172.32.0.1",
                                "191.255.255.255",
                                "192.0.1.1",
                                "192.169.0.1",
                                "198.17.255.255",
                                "198.20.0.0",
                                "223.255.255.255",
                                "2a04:4e42::644",
                                "2001:67c:1562::15",
                                "::ffff:151.101.2.132",
                                "2002:9765:284::1",
                                "64:ff9b::151.101.2.132",
                                "64:ff9b:1::151.101.2.132",
                                "64:ff9b:1:9765:2:8400::"})
        EXPECT_FALSE(is_private_address(address)) << address;
}

}  // namespace
}  // namespace aptward::http
