/* SPDX-License-Identifier: Apache-2.0 */
/* The digests against FIPS 180 vectors, fed at every cut, and copied on the way. */
#include "base/hash.h"

#include "base/encoding.h"
#include "test.h"

static const char *hex_of(struct sha256 *h)
{
    static char hex[2 * SHA256_LEN + 1];
    unsigned char out[SHA256_LEN];

    sha256_end(h, out);
    hex_encode(out, sizeof(out), hex);
    return hex;
}

static void hashes_the_known_texts_at_every_cut(void)
{
    static const char *const rows[][2] = {
        { "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
        { "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
        { "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
          "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
        { "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqr"
          "lmnopqrsmnopqrstnopqrstu",
          "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct str in = str_of(rows[i][0]);

        for (size_t cut = 0; cut <= in.n; cut++) {
            struct sha256 h;

            sha256_init(&h);
            sha256_add(&h, str_sub(in, 0, cut));
            sha256_add(&h, str_from(in, cut));
            EXPECT_Z(hex_of(&h), rows[i][1]);
        }
    }
}

/* FIPS 180-4's million of letters, in pieces of all sizes. */
static void hashes_many_pieces(void)
{
    static char text[131];
    struct sha256 h;
    size_t left = 1000000;

    memset(text, 'a', sizeof(text));
    sha256_init(&h);
    for (size_t n = 0; left > 0; n = (n + 1) % sizeof(text)) {
        size_t piece = n < left ? n : left;

        sha256_add(&h, (struct str){ text, piece });
        left -= piece;
    }
    sha256_add(&h, (struct str){ NULL, 0 });
    EXPECT_Z(hex_of(&h), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void a_copy_of_the_struct_goes_on_alone(void)
{
    struct sha256 h;
    struct sha256 copy;

    sha256_init(&h);
    sha256_add(&h, STR("ab"));
    copy = h;
    sha256_add(&h, STR("X"));
    sha256_add(&copy, STR("c"));
    EXPECT_Z(hex_of(&copy), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

/* Keys and tokens are told it; who ends a digest lets the struct lie on the stack. */
static void nothing_of_the_text_is_left_behind(void)
{
    struct str text = STR("ek-a key that is shorter than a block, twice of it is not");
    struct sha256 h;

    for (size_t times = 1; times <= 3; times++) {
        sha256_init(&h);
        for (size_t i = 0; i < times; i++)
            sha256_add(&h, text);
        sha256_add(&h, str_sub(text, 0, 8));
        hex_of(&h);
        for (size_t at = 0; at + 4 <= text.n; at++)
            EXPECT(!memmem(&h, sizeof(h), text.p + at, 4));
    }
}

static void makes_the_accept_value_of_a_websocket(void)
{
    struct str key = STR("dGhlIHNhbXBsZSBub25jZQ==258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    unsigned char digest[SHA1_LEN];
    struct buf b;

    sha1_of(key, digest);
    buf_init(&b, 64);
    EXPECT_INT(base64_add(&b, (struct str){ (const char *)digest, sizeof(digest) }), ERR_NONE);
    EXPECT_STR(buf_str(&b), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="); /* RFC 6455 1.3 */
    buf_deinit(&b);
}

static const struct test suite[] = {
    { "hashes the known texts at every cut", hashes_the_known_texts_at_every_cut },
    { "hashes many pieces", hashes_many_pieces },
    { "a copy of the struct goes on alone", a_copy_of_the_struct_goes_on_alone },
    { "nothing of the text is left behind", nothing_of_the_text_is_left_behind },
    { "makes the accept value of a WebSocket", makes_the_accept_value_of_a_websocket },
};

TEST_MAIN(suite)
