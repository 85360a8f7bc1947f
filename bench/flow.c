/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a request costs the gateway itself, in instructions: the flow harness of the unit tests (one
 * thread, connections and provider by script, the clock turned by hand), over and over. Two counts
 * differ by the requests alone, the same in each run:
 *
 *     for n in 1000 2000; do
 *         valgrind --tool=callgrind --callgrind-out-file=/dev/null bench-flow whole $n
 *     done
 */
#include "gateway/flow.h"

static void one(const char *body, int pieces)
{
    f.n_calls = 0;
    memset(f.calls, 0, sizeof(f.calls[0]));
    ask(body);
    for (int i = 0; i < pieces; i++)
        text("a piece of the answer ");
    usage(10, 20, 0);
    finish(CHAT_FINISH_STOP);
    settled();
    turn(f.l);
    wire_clear(&f.w);
}

int main(int argc, char **argv)
{
    bool is_stream = argc > 1 && strcmp(argv[1], "stream") == 0;
    uint64_t n = 0;

    if (argc != 3 || (!is_stream && strcmp(argv[1], "whole") != 0) ||
        str_to_u64(str_of(argv[2]), 1000000, &n) || n == 0) {
        fputs("Usage: bench-flow whole|stream REQUESTS\n", stderr);
        return 2;
    }
    begin();
    for (uint64_t i = 0; i < n; i++)
        one(is_stream ? STREAM : WHOLE, is_stream ? 20 : 1);
    expect_books((int64_t)n, 0, 0);
    end();
    printf("%llu requests\n", (unsigned long long)n);
    return 0;
}
