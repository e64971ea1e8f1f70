// SPDX-License-Identifier: GPL-3.0-or-later
// Bundles are written as they read, and nothing that is not what was signed passes for one.
#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "base/file.h"
#include "bundle/bundle.h"
#include "bundle/frames.h"
#include "bundle/tar_header.h"
#include "code_of.h"
#include "crypto/crypto.h"

namespace aptward::bundle {
namespace {

using testing::HasSubstr;

const SystemTime kMade = from_unix(1'777'000'000);

bool go_on(std::uint64_t, std::uint64_t)
{
    return true;
}

class BundleTest : public testing::Test {
protected:
    void SetUp() override
    {
        folder =
            std::filesystem::temp_directory_path() / ("aptward-bundle-" + crypto::random_hex(8));
        std::filesystem::create_directories(folder);
        auto opened = store::Blobs::open(folder / "state");
        ASSERT_TRUE(opened);
        blobs = *opened;
    }
    void TearDown() override { std::filesystem::remove_all(folder); }

    void add_blob(const std::string& bytes, const std::string& path)
    {
        const auto digest = blobs->put(bytes);
        ASSERT_TRUE(digest);
        members[blob_name(*digest)] = {blob_name(*digest), *digest, std::nullopt, path};
    }

    // Of a release that nobody signed: what it says is not the business of the format.
    Plan make_plan()
    {
        const std::string id = crypto::digest_of("release").hex();
        const std::string name = release_name(id, "InRelease");
        members[name] = {name, crypto::digest_of("signed text"), std::nullopt, "stable/InRelease"};
        Plan plan;
        plan.purpose = "test stable: all that was held";
        plan.texts[name] = "signed text";
        plan.manifest.releases = {{"test", "stable", id, kMade}};
        for (const auto& [key, member] : members)
            plan.manifest.members.push_back(member);
        return plan;
    }

    Result<void> write_bundle(std::uint64_t split_bytes = 0)
    {
        return write(make_plan(), *blobs, signer, kMade, {file, split_bytes}, go_on);
    }

    // What reading all of it says.
    Result<void> read_whole()
    {
        TRY(Reader reader, Reader::open(file));
        return reader.verify(go_on);
    }

    void put(const std::string& bytes) const { std::ofstream(file, std::ios::binary) << bytes; }

    static std::string make_noise(std::size_t size)
    {
        std::minstd_rand random;
        std::string noise(size, '\0');
        for (char& c : noise)
            c = static_cast<char>(random() >> 8);
        return noise;
    }

    std::filesystem::path folder, file = "unset";
    std::shared_ptr<store::Blobs> blobs;
    std::map<std::string, Member> members;
    tlog::SignerKey signer{"node.example", crypto::Ed25519Key{1}};
};

TEST_F(BundleTest, IsReadAsItWasWritten)
{
    file = folder / "x.bundle";
    const std::string large(3'000'000, 'x');
    add_blob("small", "pool/small.deb");
    add_blob("", "pool/empty.deb");
    add_blob(large, "pool/large.deb");
    ASSERT_TRUE(write_bundle());
    auto reader = Reader::open(file);
    ASSERT_TRUE(reader) << reader.error().message();
    ASSERT_TRUE(reader->verify(go_on));
    EXPECT_EQ(reader->signer(), signer.verifier());
    EXPECT_EQ(reader->heading().created, kMade);
    EXPECT_EQ(reader->heading().purpose, "test stable: all that was held");
    EXPECT_EQ(to_json(reader->manifest()), to_json(make_plan().manifest));
    const auto files = reader->files_of(reader->manifest().releases.front());
    ASSERT_TRUE(files);
    EXPECT_EQ(files->inrelease, "signed text");
    std::string bytes;
    const Member* member = reader->manifest().find(blob_name(crypto::digest_of(large)));
    ASSERT_NE(member, nullptr);
    ASSERT_TRUE(reader->read(*member, [&](std::string_view some) {
        bytes += some;
        return Result<void>();
    }));
    EXPECT_EQ(bytes, large);
}

TEST_F(BundleTest, NoPrefixAndNoLongerFilePasses)
{
    file = folder / "x.bundle";
    add_blob("small", "pool/small.deb");
    ASSERT_TRUE(write_bundle());
    const auto whole = read_file(file, 1 << 20);
    ASSERT_TRUE(whole);
    for (std::size_t size = 0; size < whole->size(); ++size) {
        put(whole->substr(0, size));
        EXPECT_EQ(code_of(read_whole()), Errc::malformed) << size;
    }
    put(*whole + "x");
    EXPECT_EQ(code_of(read_whole()), Errc::malformed);
    put("x" + *whole);
    EXPECT_EQ(code_of(read_whole()), Errc::malformed);
    put(*whole);
    EXPECT_TRUE(read_whole());
}

// RFC 8878 has bits that mean nothing: those may pass, because what comes out is the same.
TEST_F(BundleTest, AFlippedBitIsNoticedOrChangesNothing)
{
    file = folder / "x.bundle";
    add_blob("small", "pool/small.deb");
    ASSERT_TRUE(write_bundle());
    const auto whole = read_file(file, 1 << 20);
    ASSERT_TRUE(whole);
    std::size_t unnoticed = 0;
    constexpr std::size_t kStep = 7;  // of each byte another bit; all of them take half a minute
    for (std::size_t bit = 0; bit < whole->size() * 8; bit += kStep) {
        std::string changed = *whole;
        changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << bit % 8));
        put(changed);
        if (!read_whole())
            continue;
        ++unnoticed;
        auto reader = Reader::open(file);
        EXPECT_EQ(to_json(reader->manifest()), to_json(make_plan().manifest));
        EXPECT_EQ(reader->files_of(reader->manifest().releases.front())->inrelease, "signed text");
    }
    EXPECT_LT(unnoticed, whole->size() / 50);
}

TEST_F(BundleTest, AFileThatChangesAfterItWasVerifiedIsNotUsed)
{
    file = folder / "x.bundle";
    const std::string noise = make_noise(3'000'000);
    add_blob(noise, "pool/noise.deb");
    ASSERT_TRUE(write_bundle());
    auto reader = Reader::open(file);
    ASSERT_TRUE(reader && reader->verify(go_on));
    const Member* member = reader->manifest().find(blob_name(crypto::digest_of(noise)));
    ASSERT_NE(member, nullptr);
    const auto read = [&] {
        return reader->read(*member, [](std::string_view) { return Result<void>(); });
    };
    EXPECT_TRUE(read());
    // What cannot be packed stands in the file as it is.
    const Fd changed(::open(file.c_str(), O_WRONLY));
    ASSERT_TRUE(write_all_at(changed.get(), "x", std::filesystem::file_size(file) / 2));
    ASSERT_TRUE(reader->files_of(reader->manifest().releases.front()));  // another frame
    EXPECT_EQ(code_of(read()), Errc::untrusted);
}

TEST_F(BundleTest, AForgedNoteIsNoticed)
{
    file = folder / "x.bundle";
    add_blob("small", "pool/small.deb");
    ASSERT_TRUE(write_bundle());
    auto reader = Reader::open(file);
    ASSERT_TRUE(reader);
    const tlog::VerifierKey stranger =
        tlog::SignerKey("node.example", crypto::Ed25519Key{2}).verifier();
    EXPECT_TRUE(check_signer(*reader, {}));
    EXPECT_TRUE(check_signer(*reader, {stranger.to_string(), signer.verifier().to_string()}));
    EXPECT_EQ(code_of(check_signer(*reader, {stranger.to_string()})), Errc::untrusted);
    EXPECT_EQ(code_of(check_signer(*reader, {"nonsense"})), Errc::malformed);
}

TEST_F(BundleTest, OneFromTheFutureIsRefused)
{
    Heading heading;
    heading.created = kMade;
    EXPECT_TRUE(check_time(heading, kMade));
    EXPECT_TRUE(check_time(heading, kMade - kMaxAhead));
    const auto refused = check_time(heading, kMade - kMaxAhead - std::chrono::seconds(1));
    ASSERT_EQ(code_of(refused), Errc::stale);
    EXPECT_THAT(refused.error().message(), HasSubstr("from the future"));
}

TEST_F(BundleTest, WhatIsDamagedOrGoneIsNotWritten)
{
    file = folder / "x.bundle";
    add_blob("small", "pool/small.deb");
    const Digest digest = crypto::digest_of("small");
    const auto blob = folder / "state/blobs/sha256" / digest.hex().substr(0, 2) / digest.hex();
    std::filesystem::permissions(blob, std::filesystem::perms::owner_all);
    std::ofstream(blob, std::ios::binary) << "smell";
    EXPECT_EQ(code_of(write_bundle()), Errc::untrusted);
    std::filesystem::remove(blob);
    EXPECT_EQ(code_of(write_bundle()), Errc::not_found);
    for (const auto& entry : std::filesystem::directory_iterator(folder))
        EXPECT_EQ(entry.path().filename(), "state");
}

TEST_F(BundleTest, PiecesAreReadAsOne)
{
    file = folder / "x.bundle";
    add_blob(make_noise(100'000), "pool/noise.deb");
    ASSERT_TRUE(write_bundle(10'000));
    EXPECT_FALSE(std::filesystem::exists(file));
    EXPECT_TRUE(read_whole());
    EXPECT_EQ(code_of(write_bundle()), Errc::malformed);  // it would stand beside the pieces
    EXPECT_EQ(std::filesystem::file_size(folder / "x.bundle.001"), 10'000U);
}

TEST_F(BundleTest, APieceThatIsMissingOrOfAnotherBundleIsNamed)
{
    file = folder / "x.bundle";
    add_blob(make_noise(35'000), "pool/noise.deb");
    ASSERT_TRUE(write_bundle(10'000));
    const auto piece = [&](int number) { return folder / fmt::format("x.bundle.{:03}", number); };
    ASSERT_TRUE(std::filesystem::exists(piece(4)) && !std::filesystem::exists(piece(5)));
    std::ofstream(piece(5)) << "of an older bundle";
    auto read = read_whole();
    EXPECT_EQ(code_of(read), Errc::malformed);
    EXPECT_THAT(read.error().message(), HasSubstr("x.bundle.004"));
    EXPECT_THAT(read.error().message(), HasSubstr("x.bundle.005 is of another bundle"));
    std::filesystem::remove(piece(5));
    std::filesystem::resize_file(piece(3), 20'000);
    read = read_whole();
    EXPECT_EQ(code_of(read), Errc::malformed);
    EXPECT_THAT(read.error().message(), HasSubstr("x.bundle.003 20000: one of them is of another"));
    std::filesystem::remove(piece(2));
    read = read_whole();
    EXPECT_EQ(code_of(read), Errc::malformed);
    EXPECT_THAT(read.error().message(), HasSubstr("x.bundle.002 is missing"));
    for (const int number : {1, 3})
        std::filesystem::remove(piece(number));
    EXPECT_EQ(code_of(read_whole()), Errc::not_found);
    const auto written = write_bundle(10'000);
    EXPECT_EQ(code_of(written), Errc::malformed);
    EXPECT_THAT(written.error().message(), HasSubstr("x.bundle.004 is there already"));
}

TEST_F(BundleTest, OnlyAFileIsRead)
{
    file = folder / "pipe";
    ASSERT_EQ(::mkfifo(file.c_str(), 0600), 0);
    EXPECT_EQ(code_of(read_whole()), Errc::malformed);
    file = folder;
    EXPECT_EQ(code_of(read_whole()), Errc::malformed);
    file = folder / "nothing";
    EXPECT_EQ(code_of(read_whole()), Errc::not_found);
}

TEST(Manifest, OtherFormsAreRefused)
{
    const std::string id(64, 'a');
    const auto with = [&](const std::string& members) {
        return R"({"packages":[],"missing":[],"releases":[{"archive":"a","suite":"s","id":")" + id +
               R"(","date":1}],"members":[)" + members + "]}";
    };
    const auto member = [&](const std::string& name, const std::string& hex,
                            const std::string& size = "1") {
        return R"({"name":")" + name + R"(","sha256":")" + hex + R"(","size":)" + size + "}";
    };
    const std::string release = member("releases/" + id + "/InRelease", id);
    const std::string blob = member("blobs/sha256/" + id, id);
    ASSERT_TRUE(parse_manifest(with(blob + "," + release)));
    const std::vector<std::string> all_bad = {
        "",
        "[]",
        "{}",
        with(""),
        with(blob),
        with(release + "," + blob),
        with(release + "," + release),
        with(member("blobs/sha256/" + id, std::string(64, 'b')) + "," + release),
        with(member("blobs/sha256/" + std::string(64, 'A'), std::string(64, 'A')) + "," + release),
        with(member("blobs/sha256/../../x", id) + "," + release),
        with(member("/etc/passwd", id) + "," + release),
        with(release + "," + member("releases/" + id + "/evil", id)),
        with(release + "," + member("releases/" + std::string(64, 'b') + "/InRelease", id)),
        with(member("releases/" + id + "/InRelease", id, "-1")),
        with(member("releases/" + id + "/InRelease", id, "1e3")),
        with(member("releases/" + id + "/InRelease", id, "9000000000")),
        with(member("releases/" + id + "/InRelease", "short")),
        with(R"({"name":7,"sha256":"x","size":1})"),
        with(blob.substr(0, blob.size() - 1) + R"(,"archives":[7]},)" + release),
        with(blob.substr(0, blob.size() - 1) + R"(,"archives":["a\n"]},)" + release),
        std::string(100'000, '['),
    };
    for (const std::string& bad : all_bad)
        EXPECT_EQ(code_of(parse_manifest(bad)), Errc::malformed) << bad.substr(0, 300);
}

TEST(Manifest, SaysForWhichArchivesAMemberIs)
{
    const std::string id(64, 'a');
    Manifest manifest;
    manifest.releases = {{"own", "stable", id, kMade}};
    const auto add = [&](const std::string& name, std::vector<std::string> archives) {
        manifest.members.push_back(
            {name, *parse_digest(id, 1), std::nullopt, "", std::move(archives)});
    };
    add("blobs/sha256/" + id, {"own", "too"});
    add("releases/" + id + "/InRelease", {});
    const auto read = parse_manifest(to_json(manifest));
    ASSERT_TRUE(read) << read.error().message();
    EXPECT_TRUE(read->members[0].is_for("own") && read->members[0].is_for("too"));
    EXPECT_FALSE(read->members[0].is_for("other"));
    EXPECT_TRUE(read->members[1].is_for("other"));
}

TEST(Heading, OtherFormsAreRefused)
{
    Heading heading{kMade, crypto::digest_of("m"), "what for", "node+1+2"};
    const std::string good = to_text(heading);
    ASSERT_TRUE(parse_heading(good));
    EXPECT_EQ(to_text(*parse_heading(good)), good);
    const auto newer = parse_heading("aptward-bundle/v2\nwhatever\n");
    ASSERT_EQ(code_of(newer), Errc::malformed);
    EXPECT_THAT(newer.error().message(), HasSubstr("another version"));
    std::string zeros = good;
    zeros.replace(zeros.find("created "), 8, "created 0");
    heading.manifest.size_bytes = kMaxManifestBytes + 1;
    for (const std::string& bad :
         {std::string(), good + "x", good.substr(0, good.size() - 1), zeros, to_text(heading)})
        EXPECT_EQ(code_of(parse_heading(bad)), Errc::malformed) << bad;
}

TEST(SeekTable, IsReadAsItIsWritten)
{
    SeekTable table;
    table.add(10, 100);
    table.add(20, 1);
    table.add(5, 50);
    const auto parsed = SeekTable::parse(table.to_bytes(), 35 + table.to_bytes().size());
    ASSERT_TRUE(parsed) << parsed.error().message();
    EXPECT_EQ(parsed->stream_bytes(), 151U);
    EXPECT_EQ(parsed->at(0).at, 0U);
    EXPECT_EQ(parsed->at(99).at, 0U);
    EXPECT_EQ(parsed->at(100).at, 10U);
    EXPECT_EQ(parsed->at(101).at, 30U);
    EXPECT_EQ(parsed->at(150).at, 30U);
    EXPECT_FALSE(SeekTable::parse(table.to_bytes(), 36 + table.to_bytes().size()));
    SeekTable bomb;
    bomb.add(1, kMaxFrameBytes + 1);
    EXPECT_FALSE(SeekTable::parse(bomb.to_bytes(), 1 + bomb.to_bytes().size()));
}

TEST(TarHeader, SaysItsSizeAndNothingElse)
{
    const std::string header = make_tar_header("manifest.json", 1234, kMade);
    EXPECT_EQ(*size_in_tar_header(header, "manifest.json"), 1234U);
    EXPECT_FALSE(size_in_tar_header(header, "manifest.jso"));
    EXPECT_FALSE(size_in_tar_header(header.substr(1), "manifest.json"));
    for (std::size_t at = 0; at < header.size(); ++at) {
        std::string changed = header;
        changed[at] = static_cast<char>(changed[at] ^ 1);
        EXPECT_FALSE(size_in_tar_header(changed, "manifest.json")) << at;
    }
}

}  // namespace
}  // namespace aptward::bundle
