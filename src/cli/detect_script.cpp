// SPDX-License-Identifier: GPL-3.0-or-later
// The program that apt on a client machine asks for a proxy (Acquire::http::Proxy-Auto-Detect).
//
// It must work where nothing but Debian's essential packages and apt is installed, after this
// program is gone, and whatever the nodes and name servers do. So: sh, which always has an answer,
// around perl-base (essential, and with sockets). One child asks one node, so that nothing a child
// waits for, be it a name server, can hold up the parent, which listens with two deadlines:
//
//   0 ............... 0.4 s ............... 0.75 s
//   | the first node  | any node that         | DIRECT
//   | is preferred    | answered is taken     |
//
// The machine's own small peer comes after the nodes, and for the hosts alone that it serves. It
// asks the peers and the vendor by itself, so apt never speaks to a stranger's machine.
//
// apt asks once for each host and run. A node that was found dead is not asked again for 30 s;
// that memory is a folder of the user who runs apt's methods, and nobody else's word is taken.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/client_parts.h"

namespace aptward::cli {
namespace {

constexpr std::string_view kScript = R"SCRIPT(#!/bin/sh
# Written by `aptward client setup`; `aptward client undo` removes it.
# Prints the first of these nodes that answers, for these hosts else the small peer of this machine,
# or DIRECT, within one second:
#   proxy-detect URI       for apt
#   proxy-detect --report  one line for each node: URL, yes or no, milliseconds, why
nodes='@NODES@'
peer='@PEER@'
hosts='@HOSTS@'
memory='@MEMORY@'

unset PERL5OPT PERL5LIB PERLLIB PERLIO
answer=$(/usr/bin/perl -e '
use strict;
use Socket qw(:DEFAULT :addrinfo SOCK_NONBLOCK);
$| = 1;
my ($memory, $asked, $peer, $hosts, @nodes) = @ARGV;
my ($prefer_first, $give_up, $dead_for, $most) = (0.4, 0.75, 30, 8192);
my $is_report = $asked eq "--report";
my ($host_asked) = $asked =~ m{^http://([^/]+)}i;
my $is_shared = defined $host_asked && grep { $_ eq lc $host_asked } split / /, $hosts;
push @nodes, $peer if length $peer && ($is_report || $is_shared);

# Runs in a child. Gives "" for an Aptward node, else the reason why not.
sub ask {
    my ($host, $port) = @_;
    my ($error, @found) = getaddrinfo($host, $port,
        {socktype => SOCK_STREAM, flags => AI_ADDRCONFIG, protocol => 6});
    ($error, @found) = getaddrinfo($host, $port, {socktype => SOCK_STREAM, protocol => 6}) if $error;
    return "its name cannot be resolved" if $error;
    my $why = "it has no address";
    for my $one (@found) {
        socket(my $line, $one->{family}, SOCK_STREAM | SOCK_NONBLOCK, 6) or next;
        if (!connect($line, $one->{addr})) {
            my $writable = "";
            vec($writable, fileno($line), 1) = 1;
            select(undef, $writable, undef, @found > 1 ? 0.15 : 5) or $why = "it does not answer", next;
            $! = unpack("i", getsockopt($line, SOL_SOCKET, SO_ERROR));
            $why = lc "$!", next if $!;
        }
        my $name = $host =~ /:/ ? "[$host]" : $host;
        syswrite($line, "GET /.well-known/aptward HTTP/1.1\r\nHost: $name:$port\r\n" .
            "Connection: close\r\n\r\n");
        my $answer = "";
        while (length $answer < $most) {
            my $readable = "";
            vec($readable, fileno($line), 1) = 1;
            select($readable, undef, undef, 5);
            last unless sysread($line, $answer, 4096, length $answer);
            return "" if $answer =~ m{^HTTP/1\.[01] 200 } &&
                $answer =~ m{\r\n\r\n.*"program"\s*:\s*"aptward"}s;
        }
        return "what answers there is not an Aptward node";
    }
    return $why;
}

# A node remembered as dead by the user that owns the memory; others cannot write there.
sub is_remembered {
    my ($place) = @_;
    my ($owner, $file) = ((stat $memory)[4], "$memory/$place");
    return 0 unless defined $owner && !-l $file && -f $file && (stat $file)[4] == $owner;
    open(my $in, "<", $file) or return 0;
    my $when = <$in>;
    return 0 unless defined $when && $when =~ /^(\d{1,12})$/;
    return $1 <= time && $1 > time - $dead_for;
}

sub remember {
    my ($place) = @_;
    my @about = stat $memory;
    return unless @about && $about[4] == $> && !($about[2] & 022);
    open(my $out, ">", "$memory/$place.$$") or return;
    print $out time, "\n";
    close $out and rename "$memory/$place.$$", "$memory/$place";
}

my (@states, $elapsed);
for my $url (@nodes) {
    my ($host, $port) = $url =~ m{^http://(\[[^\]]+\]|[^:/]+):(\d+)$} or next;
    my $place = "$host:$port";
    # A source that names the node itself needs no proxy.
    if (!$is_report && $asked =~ m{^https?://\Q$host\E:$port(/|$)}i) {
        print "DIRECT\n";
        kill 9, map { $_->{child} || () } @states;
        exit;
    }
    $host =~ s/^\[(.*)\]$/$1/;
    my $state = {url => $url, place => $place, why => "it does not answer", open => 0};
    push @states, $state;
    if (!$is_report && is_remembered($place)) {
        $state->{known} = 1;
        next;
    }
    pipe(my $ear, my $mouth) or next;
    my $child = fork;
    next unless defined $child;
    if (!$child) {
        close STDOUT;
        close $ear;
        syswrite($mouth, "=" . ask($host, $port));
        exit;
    }
    @$state{qw(child ear open)} = ($child, $ear, 1);
}

$elapsed = 0;
for (;;) {
    my @open = grep { $_->{open} } @states;
    my ($first) = grep { $_->{open} || $_->{yes} } @states;
    my ($any) = grep { $_->{yes} } @states;
    last if !@open || $elapsed >= $give_up;
    last if !$is_report && $any && ($first == $any || $elapsed >= $prefer_first);
    my $until = $any && !$is_report ? $prefer_first : $give_up;
    my $ears = "";
    vec($ears, fileno($_->{ear}), 1) = 1 for @open;
    my $wait = $until - $elapsed;
    my ($count, $left) = select($ears, undef, undef, $wait);
    $elapsed += $wait - ($left > 0 ? $left : 0);
    next unless $count > 0;
    for my $state (grep { vec($ears, fileno($_->{ear}), 1) } @open) {
        sysread($state->{ear}, my $said, 300);
        @$state{qw(open ms)} = (0, int($elapsed * 1000 + 1));
        $state->{yes} = 1 if defined $said && $said eq "=";
        $state->{why} = substr $said, 1 if defined $said && length $said > 1;
    }
}
kill 9, map { $_->{child} || () } @states;
if ($is_report) {
    for my $state (@states) {
        $state->{ms} = int($give_up * 1000) unless defined $state->{ms};
        print join("\t", $state->{url}, $state->{yes} ? ("yes", $state->{ms}, "") :
            ("no", $state->{ms}, $state->{why})), "\n";
    }
    exit;
}
my ($best) = grep { $_->{yes} } @states;
print $best ? $best->{url} : "DIRECT", "\n";
close STDOUT;
for my $state (@states) {
    last if $best && $state == $best;
    remember($state->{place}) unless $state->{yes} || $state->{known};
}
' -- "$memory" "${1:-}" "$peer" "$hosts" $nodes 2> /dev/null)

case "$answer" in
    http://*) printf '%s\n' "$answer" ;;
    *) echo DIRECT ;;
esac
)SCRIPT";

void replace_all(std::string& text, std::string_view what, std::string_view by)
{
    for (auto at = text.find(what); at != text.npos; at = text.find(what, at + by.size()))
        text.replace(at, what.size(), by);
}

}  // namespace

std::string detect_script(const std::vector<std::string>& nodes, const OwnPeer& own)
{
    std::string text(kScript);
    replace_all(text, "@NODES@", fmt::format("{}", fmt::join(nodes, " ")));
    replace_all(text, "@PEER@", own.url);
    replace_all(text, "@HOSTS@", fmt::format("{}", fmt::join(own.hosts, " ")));
    replace_all(text, "@MEMORY@", kMemoryFolder);
    return text;
}

}  // namespace aptward::cli
