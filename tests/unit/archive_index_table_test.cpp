// SPDX-License-Identifier: GPL-3.0-or-later
#include <bzlib.h>
#include <fcntl.h>
#include <gtest/gtest.h>

#include <atomic>

#include "../packing.h"
#include "archive/index_table.h"
#include "catalog/table.h"
#include "code_of.h"
#include "crypto/crypto.h"
#include "temporary_folder.h"

namespace aptward::archive {
namespace {

std::string make_packages(int count)
{
    std::string text;
    for (int i = 0; i < count; ++i) {
        const std::string name = "package" + std::to_string(i);
        text += "Package: " + name + "\nFilename: pool/main/p/" + name +
                ".deb\nSize: 7\nSHA256: " + crypto::digest_of(name).hex() + "\n\n";
    }
    return text;
}

std::string bzip2(std::string plain)
{
    std::string packed(plain.size() + plain.size() / 50 + 600, '\0');
    auto size = static_cast<unsigned>(packed.size());
    EXPECT_EQ(BZ2_bzBuffToBuffCompress(packed.data(), &size, plain.data(),
                                       static_cast<unsigned>(plain.size()), 1, 0, 0),
              BZ_OK);
    packed.resize(size);
    return packed;
}

class IndexTable : public testing::Test {
protected:
    // As the node does: in a job of the pool that it may use besides.
    Result<void> build(const std::string& packed, const std::string& path,
                       std::optional<Digest> plain, unsigned workers)
    {
        EXPECT_TRUE(write_file_durably(folder / "packed", packed));
        const PackedIndex index{path, crypto::digest_of(packed), plain};
        auto outcome = std::make_unique<Result<void>>();
        std::atomic<bool> is_done = false;
        {
            WorkerPool pool(workers);
            pool.post([&] {
                const Fd file(::open((folder / "packed").c_str(), O_RDONLY | O_CLOEXEC));
                *outcome = build_table(file, index, folder / "table", pool);
                is_done = true;
            });
        }
        EXPECT_TRUE(is_done);
        return *outcome;
    }

    const TemporaryFolder temporary_;
    const std::filesystem::path& folder = temporary_.path();
};

TEST_F(IndexTable, IsMadeOfEveryFormOnAnyNumberOfWorkers)
{
    const std::string plain = make_packages(30'000);  // several steps of progress
    const std::pair<std::string, std::string> forms[] = {
        {"", plain}, {".gz", gzip(plain)}, {".xz", xz(plain)}, {".bz2", bzip2(plain)}};
    for (const auto& [suffix, packed] : forms)
        for (const unsigned workers : {1U, 2U})  // with one, nobody is there to hash beside it
            for (const bool is_listed : {true, false}) {
                SCOPED_TRACE(suffix);
                std::optional<Digest> wanted;
                if (is_listed)
                    wanted = crypto::digest_of(plain);
                const auto built = build(packed, "main/Packages" + suffix, wanted, workers);
                ASSERT_TRUE(built) << built.error().message();
                const auto table = catalog::Table::open(folder / "table");
                ASSERT_TRUE(table) << table.error().message();
                EXPECT_EQ((*table)->size(), 30'000U);
                const auto found = (*table)->find("pool/main/p/package77.deb");
                ASSERT_TRUE(found && *found);
                EXPECT_EQ((*found)->hex(), crypto::digest_of("package77").hex());
                std::filesystem::remove(folder / "table");
            }
}

TEST_F(IndexTable, V32_IsNotMadeOfAnotherTextThanTheReleaseLists)
{
    const std::string plain = make_packages(2'000);
    std::string other = plain;
    other[other.size() / 2] = static_cast<char>(other[other.size() / 2] ^ 1);
    const Digest wanted = crypto::digest_of(plain);
    const std::string longer = plain + "\n", shorter = plain.substr(0, plain.size() - 1);
    for (const std::string& text : {other, longer, shorter, std::string()})
        for (const auto& [suffix, packed] :
             {std::pair{".gz", gzip(text)}, std::pair{".xz", xz(text)}, std::pair{"", text}}) {
            SCOPED_TRACE(suffix);
            EXPECT_FALSE(build(packed, std::string("Packages") + suffix, wanted, 2));
            EXPECT_FALSE(std::filesystem::exists(folder / "table"));
        }
    EXPECT_EQ(code_of(build(gzip(other), "Packages.gz", wanted, 2)), Errc::untrusted);
    EXPECT_EQ(code_of(build(xz(longer), "Packages.xz", wanted, 2)), Errc::malformed);
}

TEST_F(IndexTable, IsNotMadeOfWhatIsBroken)
{
    const std::string plain = make_packages(2'000);
    const Digest wanted = crypto::digest_of(plain);
    const std::string packed = gzip(plain);
    EXPECT_FALSE(build(packed.substr(0, packed.size() / 2), "Packages.gz", wanted, 2));
    const std::string text = "Package: x\nFilename: ../x.deb\nSize: 1\nSHA256: 00\n";
    const auto refused = build(gzip(text), "Packages.gz", crypto::digest_of(text), 2);
    ASSERT_FALSE(refused);
    EXPECT_TRUE(refused.error().message().starts_with("Packages.gz: line "))
        << refused.error().message();
    EXPECT_FALSE(std::filesystem::exists(folder / "table"));
}

}  // namespace
}  // namespace aptward::archive
