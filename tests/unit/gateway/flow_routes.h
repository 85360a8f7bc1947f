/* SPDX-License-Identifier: Apache-2.0 */
/* The flow with three upstreams "a", "b" and "c" and routes to them. */
#pragma once

#include <stdlib.h>
#include <unistd.h>

#include "flow.h"

#define UPSTREAM(name, model)                                                      \
    "  - {name: " name ", provider: openai, base_url: \"http://127.0.0.1:1/v1\", " \
    "models: [" model "]}\n"

static const char yaml[] =
    "default_model: m\n"
    "upstreams:\n" UPSTREAM("a", "ma") UPSTREAM("b", "mb") UPSTREAM(
        "c", "mc") "models:\n"
                   "  - name: m\n"
                   "    aliases: [m-latest]\n"
                   "    targets: [{upstream: a, model: ma}, {upstream: b, model: mb}, {upstream: "
                   "c, model: mc}]\n"
                   "  - name: alone\n"
                   "    targets: [{upstream: a, model: ma}]\n"
                   "  - name: w\n"
                   "    strategy: weighted\n"
                   "    targets: [{upstream: a, model: ma, weight: 2}, {upstream: b, model: mb, "
                   "weight: 2}]\n"
                   "  - name: changed\n"
                   "    targets:\n"
                   "      - upstream: a\n"
                   "        model: ma\n"
                   "        set: {temperature: 0.5, stop: [x]}\n"
                   "        drop: [logit_bias]\n"
                   "        rename: {max_completion_tokens: max_tokens}\n"
                   "        system_prompt: Be kind.\n"
                   "      - {upstream: b, model: mb}\n"
                   "  - name: \"star/*\"\n"
                   "    targets: [{upstream: c, model: \"*\"}, {upstream: b, model: mb}]\n";

#define ASK(model, rest) "{\"model\":\"" model "\"," rest HI "}"
#define M ASK("m", "")
#define M_STREAM ASK("m", "\"stream\":true,")

static inline void begin_routes(void)
{
    char path[] = "/tmp/routes-XXXXXX";
    int fd = mkstemp(path);

    EXPECT(fd >= 0);
    EXPECT_INT(write(fd, yaml, sizeof(yaml) - 1), sizeof(yaml) - 1);
    close(fd);
    begin_file(NULL, path);
    unlink(path);
}

/* Everything of the requests before is over and forgotten. */
static inline void again(void)
{
    if (f.w.is_closed) {
        wire_free(&f.w);
        open_wire(&f.w);
    }
    wire_clear(&f.w);
    expect_quiet(1);
    memset(f.calls, 0, sizeof(f.calls));
    f.n_calls = 0;
}

static inline struct failure failure_of(enum failure_kind kind)
{
    return (struct failure){ .kind = kind, .message = STR("It broke.") };
}

static inline void break_it(void)
{
    struct failure e = failure_of(FAILURE_UNAVAILABLE);

    error(&e);
}

static inline void answer(const char *said)
{
    text(said);
    finish(CHAT_FINISH_STOP);
    settled();
    turn(f.l);
}

static inline const char *asked(void)
{
    return f.upstreams[call()->instance - f.instances].name;
}

static inline bool heard(const char *what)
{
    turn(f.l);
    return has(wire_str(&f.w), what);
}
