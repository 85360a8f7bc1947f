/* SPDX-License-Identifier: Apache-2.0 */
/*
 *     bench-upstream --answer FILE [--stream] [--one-write] [--delay-ms N] [--every-ms N]
 *
 * Prints its port; runs until its standard input ends, then says in JSON what it saw. --answer: a
 * JSON body, or the events of a stream; --spoil N: a letter of the N-th answer is another.
 */
#include <stdio.h>
#include <unistd.h>

#include "bench/options.h"
#include "bench/socket.h"
#include "bench/upstream.h"

enum { MS_MAX = 60000 };

static void print_seen(const struct upstream *u)
{
    size_t n = 0;
    const int64_t *us = upstream_left_us(u, &n);

    printf("{\"answered\":%llu,\"left_us\":[", (unsigned long long)upstream_answered(u));
    for (size_t i = 0; i < n; i++)
        printf("%s%lld", i ? "," : "", (long long)us[i]);
    printf("]}\n");
}

int main(int argc, char **argv)
{
    static const char *const names[] = { "--port",     "--answer",   "!--stream", "!--one-write",
                                         "--delay-ms", "--every-ms", "--spoil",   NULL };
    const struct options o = { "bench-upstream", argc, argv };

    options_check(&o, names);
    struct buf answer = options_file(&o, "--answer");
    const struct upstream_params p = {
        .port = (uint16_t)options_number(&o, "--port", UINT16_MAX),
        .answer = buf_str(&answer),
        .is_stream = options_flag(&o, "--stream"),
        .in_one_write = options_flag(&o, "--one-write"),
        .delay_us = (int64_t)options_number(&o, "--delay-ms", MS_MAX) * 1000,
        .every_us = (int64_t)options_number(&o, "--every-ms", MS_MAX) * 1000,
        .spoil_nth = options_number(&o, "--spoil", UINT64_MAX),
        .stop_fd = STDIN_FILENO,
    };
    socket_raise_limit();
    struct upstream *u = upstream_new(&p);
    printf("%u\n", upstream_port(u));
    fflush(stdout);
    upstream_run(u);
    print_seen(u);
    upstream_free(u);
    buf_deinit(&answer);
    return 0;
}
