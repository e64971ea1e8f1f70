// SPDX-License-Identifier: GPL-3.0-or-later
#include "http/client_transfer.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "base/text.h"
#include "base/version.h"
#include "http/message.h"

namespace aptward::http {
namespace {

// Whoever is on the way may have forgotten an idle connection without a word; guess.
constexpr long kMostIdleSeconds = 30;
constexpr std::uint64_t kUploadBuffer = 256 * 1024, kLeastUploadBuffer = 16 * 1024;  // curl's least
constexpr std::uint64_t kMostFraming = 8;  // chunks of a byte each have five more; guess

std::string address_text(const ::sockaddr& address)
{
    char text[INET6_ADDRSTRLEN] = "";
    if (address.sa_family == AF_INET) {
        ::sockaddr_in v4{};
        std::memcpy(&v4, &address, sizeof v4);
        ::inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
    } else if (address.sa_family == AF_INET6) {
        ::sockaddr_in6 v6{};
        std::memcpy(&v6, &address, sizeof v6);
        ::inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
    }
    return text;
}

// "bytes 100-199/200". Anything else counts as no range at all.
void read_content_range(std::string_view value, UpstreamHead& head)
{
    if (value.substr(0, 6) != "bytes ")
        return;
    value.remove_prefix(6);
    const std::size_t dash = value.find('-');
    const std::size_t slash = value.find('/');
    if (dash == std::string_view::npos || slash == std::string_view::npos || slash < dash)
        return;
    head.range_first = parse_number(value.substr(0, dash));
    head.range_total = parse_number(value.substr(slash + 1));
}

// Behind a proxy nobody here learns the target's address: its name alone is judged. curl reads
// "127.1" and "0x7f000001" as the addresses that they are.
bool is_private_host(const std::string& url)
{
    bool is_private = true;
    char* host = nullptr;
    CURLU* const parts = curl_url();
    if (curl_url_set(parts, CURLUPART_URL, url.c_str(), 0) == CURLUE_OK &&
        curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK) {
        std::string name = to_lower(host);
        while (!name.empty() && name.back() == '.')
            name.pop_back();
        ::in_addr v4{};
        if (!name.empty() && name.front() == '[')
            is_private = is_private_address(name.substr(1, name.size() - 2));
        else if (::inet_pton(AF_INET, name.c_str(), &v4) == 1)
            is_private = is_private_address(name);
        else
            is_private = ("." + name).ends_with(".localhost");
    }
    curl_free(host);
    curl_url_cleanup(parts);
    return is_private;
}

// The IPv4 address that one of IPv6 stands for, 0 where the form for that is broken. Nothing: it
// stands for none.
std::optional<std::uint32_t> embedded_v4(const std::uint8_t* b)
{
    const auto at = [b](int first, int second, int third, int fourth) {
        return std::uint32_t{b[first]} << 24 | std::uint32_t{b[second]} << 16 |
               std::uint32_t{b[third]} << 8 | b[fourth];
    };
    const auto are_zero = [b](int first, int end) {
        return std::all_of(b + first, b + end, [](std::uint8_t byte) { return byte == 0; });
    };
    if (are_zero(0, 10)) {  // compatible or mapped, RFC 4291 2.5.5; also :: and ::1
        const bool is_mapped = b[10] == 0xff && b[11] == 0xff;
        return is_mapped || are_zero(10, 12) ? at(12, 13, 14, 15) : 0;
    }
    if (b[0] == 0x20 && b[1] == 0x02)  // 6to4, RFC 3056
        return at(2, 3, 4, 5);
    if (b[0] != 0x00 || b[1] != 0x64 || b[2] != 0xff || b[3] != 0x9b)
        return std::nullopt;
    if (are_zero(4, 12) || (b[4] == 0 && b[5] == 1 && are_zero(6, 12)))  // RFC 6052, RFC 8215
        return at(12, 13, 14, 15);
    const bool is_48 = b[4] == 0 && b[5] == 1 && b[8] == 0 && are_zero(11, 16);  // RFC 6052 2.2
    return is_48 ? at(6, 7, 9, 10) : 0;
}

bool is_private_v4(std::uint32_t a)
{
    const auto in = [a](std::uint32_t network, unsigned bits) {
        return a >> (32 - bits) == network >> (32 - bits);
    };
    return in(0x00000000, 8) || in(0x0a000000, 8) || in(0x64400000, 10) || in(0x7f000000, 8) ||
           in(0xa9fe0000, 16) || in(0xac100000, 12) || in(0xc0000000, 24) || in(0xc0a80000, 16) ||
           in(0xc6120000, 15) || in(0xe0000000, 3);
}

// "chunked", once; "identity" says nothing.
bool are_chunks(std::string_view codings)
{
    std::size_t chunked = 0;
    while (!codings.empty()) {
        codings.remove_prefix(1);  // the comma
        const std::size_t end = std::min(codings.find(','), codings.size());
        const std::string_view coding = trim(codings.substr(0, end));
        codings.remove_prefix(end);
        if (equals_ignoring_case(coding, "chunked"))
            ++chunked;
        else if (!coding.empty() && !equals_ignoring_case(coding, "identity"))
            return false;
    }
    return chunked == 1;
}

}  // namespace

void read_head_line(std::string_view line, UpstreamHead& head)
{
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos)
        return;
    const std::string_view name = line.substr(0, colon);
    const std::string_view value = trim(line.substr(colon + 1));
    if (equals_ignoring_case(name, "Content-Length"))
        head.content_length = parse_number(value);
    else if (equals_ignoring_case(name, "Content-Range"))
        read_content_range(value, head);
    else if (equals_ignoring_case(name, "Last-Modified"))
        head.last_modified = value;
    else if (equals_ignoring_case(name, "ETag"))
        head.etag = value;
    else if (equals_ignoring_case(name, "Location"))
        head.location = value;
    else if (equals_ignoring_case(name, "Content-Type"))
        head.content_type = value;
    else if (equals_ignoring_case(name, "Aptward-Progress"))
        head.progress = parse_number(value);
    else if (equals_ignoring_case(name, "Transfer-Encoding"))
        head.transfer_codings.append(",").append(value);
}

Transfer::Transfer(std::uint64_t id, CURL* easy, UpstreamRequest request,
                   std::shared_ptr<Receiver> receiver)
    : id_(id), easy_(easy), request_(std::move(request)), receiver_(std::move(receiver))
{
    curl_easy_reset(easy_);
    const auto set = [this](CURLoption option, auto value) {
        curl_easy_setopt(easy_, option, value);
    };
    set(CURLOPT_URL, request_.url.c_str());
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_FOLLOWLOCATION, 0L);
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_PATH_AS_IS, 1L);              // what apt sent reaches the archive byte for byte
    set(CURLOPT_HTTP_TRANSFER_DECODING, 0L);  // ours counts what stands between the bytes (A4)
    set(CURLOPT_BUFFERSIZE, 256L * 1024);
    set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(request_.connect_limit.count()));
    set(CURLOPT_TCP_KEEPALIVE, 1L);
    set(CURLOPT_MAXAGE_CONN, kMostIdleSeconds);
    set(CURLOPT_PROXY, request_.proxy.c_str());  // "" also turns the environment's proxy off
    set(CURLOPT_PRIVATE, this);
    set(CURLOPT_ERRORBUFFER, error_);
    set(CURLOPT_HEADERFUNCTION, &Transfer::on_header);
    set(CURLOPT_HEADERDATA, this);
    set(CURLOPT_WRITEFUNCTION, &Transfer::on_write);
    set(CURLOPT_WRITEDATA, this);
    set(CURLOPT_OPENSOCKETFUNCTION, &Transfer::on_open_socket);
    set(CURLOPT_OPENSOCKETDATA, this);
    set(CURLOPT_PREREQFUNCTION, &Transfer::on_connected);
    set(CURLOPT_PREREQDATA, this);
    if (!request_.proxy.empty()) {
        set(CURLOPT_NOPROXY, "");  // nor does the environment say what goes past it
        is_target_private_ = is_private_host(request_.url);
    }
    if (!request_.ca.empty()) {
        set(CURLOPT_CAINFO, request_.ca.c_str());
        set(CURLOPT_CAPATH, static_cast<const char*>(nullptr));
    }
    const std::string agent = "Aptward/" + std::string(version());
    set(CURLOPT_USERAGENT, agent.c_str());
    if (request_.from) {
        const std::string range = std::to_string(*request_.from) + "-";
        set(CURLOPT_RANGE, range.c_str());
    }
    if (!request_.user.empty()) {
        set(CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
        set(CURLOPT_USERNAME, request_.user.c_str());
        set(CURLOPT_PASSWORD, request_.password.c_str());
    }
    set_method();
    for (const std::string& line : request_.header_lines)
        header_list_ = curl_slist_append(header_list_, line.c_str());
    set(CURLOPT_HTTPHEADER, header_list_);
}

void Transfer::set_method()
{
    using Method = UpstreamRequest::Method;
    if (request_.method == Method::head)
        curl_easy_setopt(easy_, CURLOPT_NOBODY, 1L);
    if (request_.method == Method::remove)
        curl_easy_setopt(easy_, CURLOPT_CUSTOMREQUEST, "DELETE");
    if (request_.method != Method::put)
        return;
    const UpstreamBody& body = request_.body;
    const std::uint64_t size = body.file ? body.file_bytes : body.text.size();
    curl_easy_setopt(easy_, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(easy_, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(size));
    // What goes out at once is followed by a pause, where the rate is bounded: it is no stall.
    const std::uint64_t rate = request_.most_bytes_per_s;
    const std::uint64_t buffer = rate == 0 ? kUploadBuffer : std::min(kUploadBuffer, rate);
    curl_easy_setopt(easy_, CURLOPT_UPLOAD_BUFFERSIZE,
                     static_cast<long>(std::max(kLeastUploadBuffer, buffer)));
    if (rate == 0 || rate >= kLeastUploadBuffer) {
        curl_easy_setopt(easy_, CURLOPT_LOW_SPEED_LIMIT, 1L);
        curl_easy_setopt(easy_, CURLOPT_LOW_SPEED_TIME, kMostIdleSeconds);
    }
    curl_easy_setopt(easy_, CURLOPT_READFUNCTION, &Transfer::on_read);
    curl_easy_setopt(easy_, CURLOPT_READDATA, this);
    curl_easy_setopt(easy_, CURLOPT_SEEKFUNCTION, &Transfer::on_seek);
    curl_easy_setopt(easy_, CURLOPT_SEEKDATA, this);
    curl_easy_setopt(easy_, CURLOPT_MAX_SEND_SPEED_LARGE,
                     static_cast<curl_off_t>(request_.most_bytes_per_s));
}

std::size_t Transfer::on_read(char* to, std::size_t size, std::size_t count, void* self)
{
    return static_cast<Transfer*>(self)->read_body({to, size * count});
}

// A connection that was used before may turn out dead: then it is sent again from the beginning.
int Transfer::on_seek(void* self, curl_off_t offset, int origin)
{
    if (origin != SEEK_SET || offset < 0)
        return CURL_SEEKFUNC_FAIL;
    static_cast<Transfer*>(self)->sent_ = static_cast<std::uint64_t>(offset);
    return CURL_SEEKFUNC_OK;
}

std::size_t Transfer::read_body(std::span<char> to)
{
    const UpstreamBody& body = request_.body;
    const std::uint64_t size = body.file ? body.file_bytes : body.text.size();
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(to.size(), size - sent_));
    if (!body.file)
        std::copy_n(body.text.data() + sent_, count, to.data());
    else if (!read_all_at(body.file->get(), to.first(count), sent_))
        return CURL_READFUNC_ABORT;
    sent_ += count;
    return count;
}

Transfer::~Transfer()
{
    if (easy_ != nullptr)
        curl_easy_cleanup(easy_);
    curl_slist_free_all(header_list_);
}

CURL* Transfer::release()
{
    curl_easy_reset(easy_);
    return std::exchange(easy_, nullptr);
}

std::size_t Transfer::on_header(char* bytes, std::size_t size, std::size_t count, void* self)
{
    const std::string_view line(bytes, size * count);
    return static_cast<Transfer*>(self)->take_header(line) ? line.size() : 0;
}

bool Transfer::take_header(std::string_view line)
{
    head_bytes_ += line.size();
    if (head_bytes_ > kMaxHeadBytes) {  // also counts endless 1xx answers and trailers (A4)
        is_head_too_long_ = true;
        return false;
    }
    if (is_head_given_)
        return true;  // trailers say nothing that we use
    while (!line.empty() && (line.back() == '\r' || line.back() == '\n'))
        line.remove_suffix(1);
    if (line.substr(0, 5) == "HTTP/") {
        head_ = UpstreamHead{};  // the answer after a 1xx
        is_sign_ = line.substr(std::min(line.find(' '), line.size())).starts_with(" 102");
        return true;
    }
    if (line.empty()) {
        if (std::exchange(is_sign_, false) && !is_mute_)
            receiver_->on_sign(head_);
        return true;
    }
    read_head_line(line, head_);
    return true;
}

bool Transfer::give_head()
{
    is_head_given_ = true;
    long status = 0;
    curl_easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &status);
    head_.status = static_cast<int>(status);
    if (!head_.transfer_codings.empty()) {
        head_.content_length.reset();  // RFC 9112 6.3: it means nothing then
        is_chunked_ = are_chunks(head_.transfer_codings);
        if (!is_chunked_) {
            framing_error_ = "a transfer coding that nobody asked for: " +
                             printable(head_.transfer_codings.substr(1));
            return false;
        }
    }
    is_stopped_ = !receiver_->on_head(head_);
    return !is_stopped_;
}

std::size_t Transfer::on_write(char* bytes, std::size_t size, std::size_t count, void* self)
{
    auto& transfer = *static_cast<Transfer*>(self);
    const std::string_view body(bytes, size * count);
    transfer.came_ += body.size();
    return transfer.take_body(body) || transfer.has_come_whole() ? body.size() : 0;
}

bool Transfer::take_body(std::string_view body)
{
    if (is_mute_ || (!is_head_given_ && !give_head()))
        return false;
    return is_chunked_ ? give_chunks(body) : give_body(body);
}

// Then the transfer ends by itself, also one that the receiver stopped, and its connection is free
// for the next. An error would close it.
bool Transfer::has_come_whole() const
{
    return head_.content_length == came_;
}

bool Transfer::give_body(std::string_view bytes)
{
    is_stopped_ = !receiver_->on_body(bytes);
    return !is_stopped_;
}

bool Transfer::give_chunks(std::string_view bytes)
{
    std::string body;
    const auto decoded = chunks_.decode(bytes, body, bytes.size());
    body_bytes_ += body.size();
    if (!body.empty() && !give_body(body))
        return false;
    if (!decoded)
        framing_error_ = decoded.error().message();
    else if (came_ > kMostFraming * body_bytes_ + kMaxHeadBytes)
        framing_error_ = "chunked body: next to nothing but framing";
    return framing_error_.empty();
}

curl_socket_t Transfer::on_open_socket(void* self, curlsocktype, curl_sockaddr* address)
{
    auto& transfer = *static_cast<Transfer*>(self);
    if (transfer.is_kept_off(address_text(address->addr)))
        return CURL_SOCKET_BAD;
    return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

// Also for a connection that is used again: it may be one of a source that may be private.
int Transfer::on_connected(void* self, char* address, char*, int, int)
{
    return static_cast<Transfer*>(self)->is_kept_off(address) ? CURL_PREREQFUNC_ABORT
                                                              : CURL_PREREQFUNC_OK;
}

// `address` is the proxy's, where there is one.
bool Transfer::is_kept_off(const std::string& address)
{
    if (request_.may_use_private_addresses)
        return false;
    is_forbidden_ = request_.proxy.empty() ? is_private_address(address) : is_target_private_;
    return is_forbidden_;
}

TransferEnd Transfer::end(CURLcode code)
{
    using Reason = TransferEnd::Reason;
    if (code == CURLE_OK && !is_stopped_) {
        // A body of no bytes never called on_write: its head is still to be given.
        if (!is_head_given_ && !give_head())
            return {Reason::stopped, "stopped"};
        return {Reason::complete, ""};
    }
    if (is_stopped_)
        return {Reason::stopped, "stopped"};
    if (is_forbidden_)
        return {Reason::forbidden, "its address is private, and a redirect led there"};
    if (is_head_too_long_)
        return {Reason::protocol, "its answer's head has more than 64 kB"};
    if (!framing_error_.empty())
        return {Reason::protocol, framing_error_};
    const std::string said = error_[0] != '\0' ? error_ : curl_easy_strerror(code);
    switch (code) {
        case CURLE_COULDNT_RESOLVE_HOST:
        case CURLE_COULDNT_RESOLVE_PROXY:
            return {Reason::not_resolved, said};
        case CURLE_OPERATION_TIMEDOUT:
            return {Reason::timed_out, said};
        case CURLE_PARTIAL_FILE:
        case CURLE_RECV_ERROR:
        case CURLE_GOT_NOTHING:
            return {Reason::truncated, said};
        case CURLE_COULDNT_CONNECT:
        case CURLE_SSL_CONNECT_ERROR:
        case CURLE_PEER_FAILED_VERIFICATION:
        case CURLE_SEND_ERROR:
            return {Reason::refused, said};
        default:
            return {Reason::protocol, said};
    }
}

bool is_private_address(const std::string& address)
{
    ::in_addr v4{};
    ::in6_addr v6{};
    if (::inet_pton(AF_INET, address.c_str(), &v4) == 1)
        return is_private_v4(ntohl(v4.s_addr));
    if (::inet_pton(AF_INET6, address.c_str(), &v6) != 1)
        return true;  // not an address at all: nothing to connect to
    const std::uint8_t* b = v6.s6_addr;
    if (const auto inside = embedded_v4(b))
        return is_private_v4(*inside);
    return IN6_IS_ADDR_LINKLOCAL(&v6) || IN6_IS_ADDR_SITELOCAL(&v6) || IN6_IS_ADDR_MULTICAST(&v6) ||
           (b[0] & 0xfe) == 0xfc;  // unique local; fd00:ec2::254 is a metadata service
}

}  // namespace aptward::http
