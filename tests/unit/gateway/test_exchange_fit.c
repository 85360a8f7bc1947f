/* SPDX-License-Identifier: Apache-2.0 */
/* Images: for the targets that take them, and an error in the client's own words where none does.
 */
#include "flow_routes.h"

#define PICTURE "{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,AA==\"}}"
#define LOOK(model)                                                                  \
    "{\"model\":\"" model "\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}," \
    "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"look\"}," PICTURE "]}]}"

static void an_image_goes_to_the_target_that_takes_it(void)
{
    static const char *const bodies[] = { LOOK("m"), LOOK("changed") };

    begin_routes();
    f.providers[1].capabilities = PROVIDER_IMAGES;
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        ask(bodies[i]);
        EXPECT_INT(f.n_calls, 1);
        EXPECT_Z(asked(), "b");
        answer("a cat");
        EXPECT(heard("HTTP/1.1 200 OK"));
        again();
    }
    end();
}

/* Whatever a target would have put before its messages. */
static void where_none_takes_it_it_is_named_as_the_client_wrote_it(void)
{
    static const char *const bodies[] = { LOOK("m"), LOOK("changed") };

    begin_routes();
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        ask(bodies[i]);
        EXPECT(has(wire_str(&f.w), "\"param\":\"messages[1].content[1]\""));
        EXPECT(has(wire_str(&f.w), "\"message\":\"messages[1].content[1] has an image"));
        expect_refusal(400, NULL);
        EXPECT_INT(f.n_calls, 0);
        again();
    }
    end();
}

static void another_formats_messages_are_not_counted(void)
{
    static const char body[] =
        "{\"model\":\"m\",\"max_tokens\":9,\"system\":\"Be kind.\",\"messages\":[{\"role\":"
        "\"user\",\"content\":[{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"media_type\":"
        "\"image/png\",\"data\":\"AA==\"}}]}]}";
    char text[1024];

    begin_routes();
    snprintf(text, sizeof(text),
             "POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
             "anthropic-version: 2023-06-01\r\nContent-Length: %zu\r\n\r\n%s",
             strlen(body), body);
    EXPECT(wire_feed_z(&f.w, text));
    EXPECT(heard("HTTP/1.1 400 Bad Request"));
    EXPECT(heard("\"message\":\"messages has an image"));
    EXPECT_INT(f.n_calls, 0);
    end();
}

static const struct test suite[] = {
    { "an image goes to the target that takes it", an_image_goes_to_the_target_that_takes_it },
    { "where none takes it it is named as the client wrote it",
      where_none_takes_it_it_is_named_as_the_client_wrote_it },
    { "another format's messages are not counted", another_formats_messages_are_not_counted },
};

TEST_MAIN(suite)
