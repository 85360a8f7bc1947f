/* SPDX-License-Identifier: Apache-2.0 */
/* Part of flow.h, which includes it: what the client hears, with the words ID, NOW and DATE for
 * what differs from one run to the next. */
#pragma once

struct normal {
    char *out;
    size_t n;
    char id[24];
    bool has_id;
};

static inline void normal_add(struct normal *o, struct str s)
{
    EXPECT(o->n + s.n < FLOW_HEARD);
    if (s.n > 0)
        memcpy(o->out + o->n, s.p, s.n);
    o->n += s.n;
    o->out[o->n] = '\0';
}

/* Passes over `word` and the `n` bytes behind it, of which `name` is written. */
static inline bool normal_pass(struct normal *o, struct str *in, const char *word, size_t n,
                               const char *name, struct str *ret_value)
{
    if (!str_starts(*in, str_of(word)))
        return false;
    *ret_value = str_sub(*in, strlen(word), n);
    normal_add(o, str_of(word));
    normal_add(o, str_of(name));
    *in = str_from(*in, strlen(word) + n);
    return true;
}

/* Which upstream answered, how often it was asked, and how long it took here:
 * test_exchange_route.c.
 */
static inline bool normal_skip(struct str *in)
{
    static const char *const names[] = { "x-upstream: ", "x-attempts: ",
                                         "x-gateway-overhead-ms: " };

    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (str_starts(*in, str_of(names[i]))) {
            *in = str_from(*in, str_find(*in, STR("\r\n")) + 2);
            return true;
        }
    return false;
}

/* All ids of one answer are the same; `created` is when it was asked for. */
static inline void normalize(struct str in, char *out)
{
    struct normal o = { .out = out };
    struct str value;
    uint64_t created;

    out[0] = '\0';
    while (in.n > 0) {
        if (normal_pass(&o, &in, "\"id\":\"chatcmpl-", sizeof(o.id), "ID", &value)) {
            EXPECT_INT(value.n, sizeof(o.id));
            EXPECT(!o.has_id || memcmp(o.id, value.p, value.n) == 0);
            memcpy(o.id, value.p, value.n);
            o.has_id = true;
        } else if (normal_pass(&o, &in, "\"created\":", 10, "NOW", &value)) {
            EXPECT(str_to_u64(value, UINT64_MAX, &created) == ERR_NONE);
            EXPECT_INT(created, f.asked_s);
        } else if (!normal_skip(&in) && !normal_pass(&o, &in, "date: ", 29, "DATE", &value)) {
            normal_add(&o, str_sub(in, 0, 1));
            in = str_from(in, 1);
        }
    }
}

/* Looks at the first answer in *in and passes over it; returns whether it is whole. Its head and
 * body are in f.heard. */
static inline bool hear(struct str *in, enum http_method method)
{
    struct str before = *in;
    struct response r;
    bool is_whole;

    EXPECT(response_read(in, method, &r));
    normalize(str_sub(before, 0, str_find(before, STR("\r\n\r\n")) + 4), f.heard[0]);
    normalize((struct str){ r.body, r.n }, f.heard[1]);
    is_whole = r.is_whole;
    response_free(&r);
    return is_whole;
}

static inline const char *head(void)
{
    return f.heard[0];
}

static inline const char *body(void)
{
    return f.heard[1];
}

/* All that the wire holds is one answer, whole or not, with this body. */
static inline void expect_on(struct wire *w, bool is_whole, const char *want)
{
    struct str in;

    turn(f.l);
    in = wire_str(w);
    EXPECT_INT(hear(&in, HTTP_POST), is_whole);
    EXPECT_Z(body(), want);
    EXPECT_INT(in.n, 0);
}

static inline void expect_so_far(const char *want)
{
    expect_on(&f.w, false, want);
}

static inline void expect_whole(const char *want)
{
    expect_on(&f.w, true, want);
    wire_clear(&f.w);
}

static inline void expect_silence(void)
{
    turn(f.l);
    EXPECT_INT(f.w.n, 0);
    EXPECT(!f.w.is_closed);
}

/* All that the wire holds is one whole error with this status and code. */
static inline void expect_refusal(int status, const char *code)
{
    char line[32], member[64] = "\"code\":null";
    struct str in;

    turn(f.l);
    in = wire_str(&f.w);
    EXPECT(hear(&in, HTTP_POST));
    EXPECT_INT(in.n, 0);
    snprintf(line, sizeof(line), "HTTP/1.1 %d ", status);
    if (code)
        snprintf(member, sizeof(member), "\"code\":\"%s\"", code);
    EXPECT_STR(str_sub(str_of(head()), 0, strlen(line)), line);
    EXPECT(has(str_of(head()), "content-type: application/json\r\n"));
    EXPECT(has(str_of(head()), "x-request-id: "));
    EXPECT_STR(str_sub(str_of(body()), 0, 21), "{\"error\":{\"message\":\"");
    EXPECT(has(str_of(body()), member));
    wire_clear(&f.w);
}

#define CHUNK(choice)                                                     \
    "data: {\"id\":\"chatcmpl-ID\",\"object\":\"chat.completion.chunk\"," \
    "\"created\":NOW,\"model\":\"GPT5\",\"choices\":[{\"index\":0,\"delta\":{" choice "}]}\n\n"
#define OPEN "},\"logprobs\":null,\"finish_reason\":null"
#define ROLE CHUNK("\"role\":\"assistant\",\"content\":\"\"" OPEN)
#define SAID(text) CHUNK("\"content\":\"" text "\"" OPEN)
#define THOUGHT(text) CHUNK("\"reasoning_content\":\"" text "\"" OPEN)
#define CLOSED(why) CHUNK("},\"logprobs\":null,\"finish_reason\":\"" why "\"")
#define DONE "data: [DONE]\n\n"
#define ALIVE ": keep-alive\n\n"
#define FROM ": upstream=cto attempts=1\n\n"

/* Expects the end of a stream that broke off: an error event, and nothing that looks whole. */
static inline void expect_broken_off(const char *code)
{
    char member[64];
    struct str in;
    struct str last;
    size_t at;

    turn(f.l);
    in = wire_str(&f.w);
    EXPECT(hear(&in, HTTP_POST));
    EXPECT_INT(in.n, 0);
    EXPECT_STR(str_sub(str_of(head()), 0, 15), "HTTP/1.1 200 OK");
    at = str_find(str_of(body()), STR("data: {\"error\":{\"message\":\""));
    EXPECT(at != SIZE_MAX);
    last = str_from(str_of(body()), at);
    snprintf(member, sizeof(member), "\"code\":\"%s\"}}\n\n", code);
    EXPECT_INT(str_find(last, str_of(member)) + strlen(member), last.n);
    EXPECT(!has(str_of(body()), DONE));
    EXPECT(!has(str_of(body()), "finish_reason\":\""));
    wire_clear(&f.w);
}
