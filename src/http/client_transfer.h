// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// One transfer of the outgoing client: curl's callbacks turned into a Receiver's. Private to http/.

#include <curl/curl.h>

#include <span>

#include "http/chunked.h"
#include "http/client.h"

namespace aptward::http {

/// Takes what we believe from one line of an answer's head ("ETag: ..."), without its line end.
/// Pure.
void read_head_line(std::string_view line, UpstreamHead& head);

class Transfer {
public:
    Transfer(std::uint64_t id, CURL* easy, UpstreamRequest request,
             std::shared_ptr<Receiver> receiver);
    ~Transfer();
    Transfer(const Transfer&) = delete;
    Transfer& operator=(const Transfer&) = delete;

    std::uint64_t id() const { return id_; }
    CURL* easy() const { return easy_; }
    std::shared_ptr<Receiver> receiver() const { return receiver_; }
    /// Hands the easy handle over for another transfer.
    CURL* release();

    TransferEnd end(CURLcode code);
    /// Its receiver hears nothing more.
    void mute() { is_mute_ = true; }

private:
    static std::size_t on_header(char* bytes, std::size_t size, std::size_t count, void* self);
    static std::size_t on_write(char* bytes, std::size_t size, std::size_t count, void* self);
    static std::size_t on_read(char* to, std::size_t size, std::size_t count, void* self);
    static int on_seek(void* self, curl_off_t offset, int origin);
    static curl_socket_t on_open_socket(void* self, curlsocktype purpose, curl_sockaddr* address);
    static int on_connected(void* self, char* address, char*, int, int);
    void set_method();
    std::size_t read_body(std::span<char> to);
    bool is_kept_off(const std::string& address);
    bool take_header(std::string_view line);
    bool give_head();
    bool take_body(std::string_view body);
    bool has_come_whole() const;
    bool give_chunks(std::string_view bytes);
    bool give_body(std::string_view bytes);

    std::uint64_t id_;
    CURL* easy_;
    UpstreamRequest request_;
    std::shared_ptr<Receiver> receiver_;
    curl_slist* header_list_ = nullptr;
    UpstreamHead head_;
    std::size_t head_bytes_ = 0;
    std::uint64_t sent_ = 0;  // of the request's body
    bool is_chunked_ = false;
    ChunkedDecoder chunks_{ChunkedDecoder::Padding::taken};
    std::uint64_t came_ = 0;        // of the body, with the framing of chunks
    std::uint64_t body_bytes_ = 0;  // that chunks held
    std::string framing_error_;
    bool is_head_given_ = false;
    bool is_stopped_ = false;
    bool is_mute_ = false;
    bool is_sign_ = false;  // the head that comes is one of a 102
    bool is_head_too_long_ = false;
    bool is_forbidden_ = false;
    bool is_target_private_ = false;  // as far as its name tells; with a proxy only
    char error_[CURL_ERROR_SIZE] = "";
};

}  // namespace aptward::http
