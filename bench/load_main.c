/* SPDX-License-Identifier: Apache-2.0 */
/*
 *     bench-load --port 8089 --request FILE --text FILE --connections 64 --requests 100000
 * --seconds 5
 *
 * --request: head and body as they are sent; --text: what the answer says; --body: the whole body
 * of the answer; --rate N: so many begin a second; --cancel-after N: leaves after N pieces.
 * --hold: each connection is used once, "held" is printed, and when the standard input ends each is
 * used once more. Prints one JSON object a run; ends with 1 when an answer was wrong or missing.
 */
#include <stdio.h>
#include <unistd.h>

#include "bench/load.h"
#include "bench/options.h"
#include "bench/socket.h"

enum { CONNECTIONS_MAX = 100000, REQUESTS_MAX = 100000000, SECONDS_MAX = 600 };

static void print_times(const char *name, struct samples *s)
{
    static const struct {
        const char *name;
        double share;
    } marks[] = { { "p50", 0.5 }, { "p99", 0.99 }, { "p999", 0.999 }, { "max", 1 } };

    samples_sort(s);
    printf(",\"%s\":{\"n\":%zu", name, s->n + s->dropped);
    for (size_t i = 0; i < COUNT_OF(marks); i++)
        printf(",\"%s\":%u", marks[i].name, samples_percentile_us(s, marks[i].share));
    printf("}");
}

/* Of what an answer said, letters that JSON takes as they are. */
static void print_sample(const char *text)
{
    for (; *text; text++)
        putchar(*text < ' ' || *text == '"' || *text == '\\' || *text > '~' ? '.' : *text);
}

static void print_result(struct load_result *r)
{
    printf("{\"whole\":%llu,\"wrong\":%llu,\"broken\":%llu,\"canceled\":%llu,\"pieces\":%llu,"
           "\"connects\":%llu,\"us\":%lld",
           (unsigned long long)r->whole, (unsigned long long)r->wrong,
           (unsigned long long)r->broken, (unsigned long long)r->canceled,
           (unsigned long long)r->pieces, (unsigned long long)r->connects, (long long)r->us);
    print_times("answer_us", &r->answer);
    print_times("first_us", &r->first);
    print_times("gap_us", &r->gap);
    printf(",\"left_us\":[");
    for (size_t i = 0; i < r->left.n; i++)
        printf("%s%lld", i ? "," : "", (long long)r->begun_us + r->left.us[i]);
    printf("],\"fault\":\"%s\",\"sample\":\"", r->fault ? r->fault : "");
    print_sample(r->sample);
    printf("\"}\n");
    fflush(stdout);
}

static bool run(struct load *l)
{
    struct load_result r;

    load_run(l, &r);
    print_result(&r);
    load_result_deinit(&r);
    return r.wrong == 0 && r.broken == 0;
}

static void wait_for_end_of_input(void)
{
    char room[64];

    printf("held\n");
    fflush(stdout);
    while (read(STDIN_FILENO, room, sizeof(room)) > 0)
        ;
}

static struct load_params read_params(const struct options *o)
{
    struct load_params p = {
        .port = (uint16_t)options_number(o, "--port", UINT16_MAX),
        .connections = options_number(o, "--connections", CONNECTIONS_MAX),
        .requests = options_number(o, "--requests", REQUESTS_MAX),
        .time_us = (int64_t)options_number(o, "--seconds", SECONDS_MAX) * 1000000,
        .rate = options_number(o, "--rate", 1000000),
        .cancel_after = options_number(o, "--cancel-after", 1000000),
    };

    p.connections = p.connections ? p.connections : 1;
    p.requests = p.requests ? p.requests : REQUESTS_MAX;
    p.time_us = p.time_us ? p.time_us : 10 * 1000000;
    if (options_flag(o, "--hold"))
        p.requests = p.connections;
    return p;
}

int main(int argc, char **argv)
{
    static const char *const names[] = {
        "--port",     "--request",     "--text",         "--body",  "--rate", "--seconds",
        "--requests", "--connections", "--cancel-after", "!--hold", NULL
    };
    const struct options o = { "bench-load", argc, argv };

    options_check(&o, names);
    struct load_params p = read_params(&o);
    struct buf request = options_file(&o, "--request");
    struct buf text = options_file(&o, "--text");
    struct buf body = options_file(&o, "--body");
    p.request = buf_str(&request);
    p.want = (struct answer_want){ buf_str(&text), buf_str(&body) };
    socket_raise_limit();
    struct load *l = load_new(&p);
    bool is_good = run(l);
    if (options_flag(&o, "--hold")) {
        wait_for_end_of_input();
        is_good = run(l) && is_good;
    }
    load_free(l);
    buf_deinit(&request);
    buf_deinit(&text);
    buf_deinit(&body);
    return !is_good;
}
