/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Load generator: opens many streamed chat completions at once, compares every byte of every answer
 * with the one it expects, and measures time to first text and the gaps between pieces. With
 * --cancel-after it leaves in the middle instead. Bounded in count; prints one JSON object.
 *
 *     bench-load --url http://127.0.0.1:8089 --streams 1000 --prompt '!frames 100 every 50'
 *
 * --at-once N: so many side by side; --rate N: so many begin a second; --turns N: the request is
 * the N-th turn of a conversation that nobody knows.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/mem.h"
#include "http/client.h"
#include "http/sse.h"
#include "net/timer.h"
#include "json/reader.h"
#include "json/writer.h"

enum { STREAMS_MAX = 200000, SAMPLES_MAX = 4 << 20, TEXT_MAX = 64 << 20 };

struct samples {
    uint32_t *us;
    size_t n;
};

struct stream {
    struct load *load;
    struct http_call *call;
    struct sse sse;
    int64_t started_us;
    int64_t last_us;
    size_t pieces;
    size_t offset; /* bytes of the answer that matched so far */
    bool wrong;
    bool done; /* [DONE] came */
    bool over;
};

struct load {
    struct loop *loop;
    struct http_client *client;
    struct url url;
    struct buf body;
    struct buf expected;
    bool learning; /* the first stream's text is what the others are compared with */
    size_t wanted, started, running, whole, wrong, failed, canceled;
    size_t cancel_after;
    size_t at_once; /* streams that run side by side */
    size_t rate;    /* streams that begin in a second; 0: as soon as may be */
    int64_t begun_us;
    struct timer tick;
    uint64_t chunks;
    struct samples first, gaps;
    struct str authorization;
    struct stream *streams;
};

static void add_sample(struct samples *s, int64_t us)
{
    if (s->n < SAMPLES_MAX)
        s->us[s->n++] = (uint32_t)us;
}

static int compare_samples(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static double percentile(struct samples *s, double p)
{
    if (!s->n)
        return 0;
    return s->us[(size_t)((double)(s->n - 1) * p)] / 1000.0;
}

static void start_more(struct load *l);

static void end(struct stream *s)
{
    struct load *l = s->load;

    s->over = true;
    sse_deinit(&s->sse);
    l->running--;
    start_more(l);
    if (!l->running && l->started == l->wanted)
        loop_stop(l->loop);
}

static void on_text(struct stream *s, struct str text)
{
    struct load *l = s->load;
    int64_t now = clock_now_us();

    if (!text.n)
        return;
    add_sample(s->pieces ? &l->gaps : &l->first, now - (s->pieces ? s->last_us : s->started_us));
    s->last_us = now;
    s->pieces++;
    l->chunks++;
    if (l->learning && buf_add(&l->expected, text))
        s->wrong = true;
    if (!str_eq(str_sub(buf_str(&l->expected), s->offset, text.n), text))
        s->wrong = true;
    s->offset += text.n;
}

static enum err on_event(void *arg, const struct sse_event *ev)
{
    struct stream *s = arg;
    struct json_value choices, content, first;
    struct json j;
    struct arena a;
    struct str text;

    if (str_eq(ev->data, STR("[DONE]"))) {
        s->done = true;
        return ERR_NONE;
    }
    arena_init(&a);
    if (json_find(ev->data, &choices, "choices", NULL) == ERR_NONE) {
        json_init(&j, choices.raw, 16);
        if (json_enter_array(&j) && json_next_item(&j) && json_read(&j, &first) &&
            json_find(first.raw, &content, "delta", "content", NULL) == ERR_NONE &&
            json_text(&content, &a, &text) == ERR_NONE)
            on_text(s, text);
    } else {
        s->wrong = true;
    }
    arena_deinit(&a);
    return ERR_NONE;
}

static void on_head(void *arg, const struct http_head *head)
{
    struct stream *s = arg;

    if (head->status != 200)
        s->wrong = true;
}

static void on_body(void *arg, struct str bytes)
{
    struct stream *s = arg;
    struct load *l = s->load;

    if (sse_feed(&s->sse, bytes))
        s->wrong = true;
    if (l->cancel_after && s->pieces >= l->cancel_after) {
        http_call_cancel(s->call);
        l->canceled++;
        end(s);
    }
}

static void on_done(void *arg, const struct http_outcome *outcome)
{
    struct stream *s = arg;
    struct load *l = s->load;

    if (outcome->err || !s->done)
        l->failed++;
    else if (s->wrong || s->offset != l->expected.n)
        l->wrong++;
    else
        l->whole++;
    l->learning = false;
    end(s);
}

static const struct http_call_handler handler = { .on_head = on_head,
                                                  .on_body = on_body,
                                                  .on_done = on_done };

static void start(struct load *l)
{
    struct stream *s = &l->streams[l->started++];
    const struct http_header headers[] = { { STR("content-type"), STR("application/json") },
                                           { STR("authorization"), l->authorization } };
    const struct http_call_params params = {
        .url = &l->url,
        .method = HTTP_POST,
        .target = STR("/v1/chat/completions"),
        .headers = headers,
        .n_headers = l->authorization.n ? 2 : 1,
        .body = buf_str(&l->body),
        .connect_timeout_ms = 30000,
        .head_timeout_ms = 120000,
        .idle_timeout_ms = 120000,
    };

    s->load = l;
    s->started_us = clock_now_us();
    sse_init(&s->sse, 16 << 20, on_event, s);
    s->call = http_call_start(l->client, &params, &handler, s);
    l->running++;
}

/* How many may have begun by now. */
static size_t due(const struct load *l)
{
    int64_t us = clock_now_us() - l->begun_us;

    return l->rate ? 1 + (size_t)(us * (int64_t)l->rate / 1000000) : SIZE_MAX;
}

static void on_tick(void *arg)
{
    start_more(arg);
}

/* The first alone, to learn what is expected; then all, or --at-once of them. */
static void start_more(struct load *l)
{
    while (l->started < l->wanted && l->running < l->at_once && l->started < due(l) &&
           !(l->learning && l->started))
        start(l);
    if (l->rate && l->started < l->wanted && !timer_is_armed(&l->tick))
        timer_arm(l->loop, &l->tick, 1, on_tick, l);
}

static void write_message(struct json_writer *w, const char *role, const char *content)
{
    json_w_object(w);
    json_w_member_str(w, "role", str_of(role));
    json_w_member_str(w, "content", str_of(content));
    json_w_object_end(w);
}

static void write_body(struct load *l, const char *model, const char *prompt, size_t turns)
{
    struct json_writer w;

    buf_init(&l->body, TEXT_MAX);
    json_w_init(&w, &l->body);
    json_w_object(&w);
    json_w_member_str(&w, "model", str_of(model));
    json_w_member_bool(&w, "stream", true);
    json_w_key(&w, "messages");
    json_w_array(&w);
    for (size_t i = 1; i < turns; i++) {
        write_message(&w, "user", "What was said before?");
        write_message(&w, "assistant", "This and that.");
    }
    write_message(&w, "user", prompt);
    json_w_array_end(&w);
    json_w_object_end(&w);
    BUG_ON(json_w_end(&w));
}

static void report(struct load *l, int64_t us)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    qsort(l->first.us, l->first.n, sizeof(uint32_t), compare_samples);
    qsort(l->gaps.us, l->gaps.n, sizeof(uint32_t), compare_samples);
    printf("{\"streams\":%zu,\"whole\":%zu,\"wrong\":%zu,\"failed\":%zu,\"canceled\":%zu,"
           "\"chunks\":%llu,\"seconds\":%.3f,\"first_ms\":{\"p50\":%.3f,\"p99\":%.3f,\"max\":%.3f},"
           "\"gap_ms\":{\"p50\":%.3f,\"p99\":%.3f,\"max\":%.3f},\"answer_bytes\":%zu}\n",
           l->wanted, l->whole, l->wrong, l->failed, l->canceled, (unsigned long long)l->chunks,
           (double)us / 1e6, percentile(&l->first, 0.5), percentile(&l->first, 0.99),
           percentile(&l->first, 1), percentile(&l->gaps, 0.5), percentile(&l->gaps, 0.99),
           percentile(&l->gaps, 1), l->expected.n);
}

static const char *option(int argc, char **argv, const char *name, const char *fallback)
{
    for (int i = 1; i + 1 < argc; i++)
        if (strcmp(argv[i], name) == 0)
            return argv[i + 1];
    return fallback;
}

static size_t number(int argc, char **argv, const char *name, uint64_t max)
{
    uint64_t n = 0;

    if (str_to_u64(str_of(option(argc, argv, name, "0")), max, &n)) {
        fprintf(stderr, "bench-load: %s takes a number up to %llu\n", name,
                (unsigned long long)max);
        exit(2);
    }
    return (size_t)n;
}

int main(int argc, char **argv)
{
    struct load l = { .learning = true };
    struct rlimit files;
    struct proxy_rules direct = { .no_proxy = NULL };
    struct http_client_limits limits;
    char what[128], authorization[512];
    const char *key = option(argc, argv, "--key", "");

    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    if (url_parse(str_of(option(argc, argv, "--url", "http://127.0.0.1:8089")), &l.url, what)) {
        fprintf(stderr, "bench-load: --url: %s\n", what);
        return 2;
    }
    l.wanted = number(argc, argv, "--streams", STREAMS_MAX);
    l.cancel_after = number(argc, argv, "--cancel-after", 1000000);
    l.at_once = number(argc, argv, "--at-once", STREAMS_MAX);
    l.at_once = l.at_once ? l.at_once : STREAMS_MAX;
    l.learning = l.cancel_after == 0;
    snprintf(authorization, sizeof(authorization), "Bearer %s", key);
    l.authorization = key[0] ? str_of(authorization) : STR("");
    write_body(&l, option(argc, argv, "--model", "GPT5"),
               option(argc, argv, "--prompt", "!frames 100 every 50"),
               number(argc, argv, "--turns", 100));
    l.rate = number(argc, argv, "--rate", 100000);
    buf_init(&l.expected, TEXT_MAX);
    l.first.us = mem_alloc_array(SAMPLES_MAX, sizeof(uint32_t));
    l.gaps.us = mem_alloc_array(SAMPLES_MAX, sizeof(uint32_t));
    l.streams = mem_alloc_array(l.wanted + 1, sizeof(struct stream));
    l.loop = loop_new();
    http_client_limits_default(&limits);
    limits.max_idle = STREAMS_MAX;
    struct connector *connector = connector_new(l.loop, NULL, &direct);
    l.client = http_client_new(connector, &limits);
    l.begun_us = clock_now_us();
    start_more(&l);
    if (l.wanted)
        loop_run(l.loop);
    report(&l, clock_now_us() - l.begun_us);
    http_client_free(l.client);
    connector_free(connector);
    loop_free(l.loop);
    url_deinit(&l.url);
    buf_deinit(&l.body);
    buf_deinit(&l.expected);
    mem_free(l.first.us);
    mem_free(l.gaps.us);
    mem_free(l.streams);
    return l.wrong || l.failed;
}
