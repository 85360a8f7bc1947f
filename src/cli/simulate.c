/* SPDX-License-Identifier: Apache-2.0 */
/* simulate: the upstream simulator alone. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/demo.h"
#include "ops/signals.h"

enum { SCENARIO_MAX = 16 << 20 };

static bool read_scenario(const char *path, struct buf *out)
{
    char piece[4096];
    FILE *f = fopen(path, "re");
    size_t n;
    bool good = f != NULL;

    while (good && (n = fread(piece, 1, sizeof(piece), f)) > 0)
        good = buf_add(out, (struct str){ piece, n }) == ERR_NONE;
    if (!f || ferror(f))
        fprintf(stderr, "enginelabs-2api: %s: cannot be read: %s\n", path, strerror(errno));
    else if (!good)
        fprintf(stderr, "enginelabs-2api: %s: cannot be read: larger than 16 MiB\n", path);
    good = good && !ferror(f);
    if (f)
        fclose(f);
    return good;
}

static int serve_until_signal(struct endpoint *at, struct str scenario)
{
    char text[HOST_MAX + 9];
    struct buf cookie;
    struct demo *d;
    enum err err;

    signals_block();
    err = demo_start(at, scenario, &d);
    if (err)
        return err == ERR_BAD_INPUT ? EXIT_USAGE : EXIT_FAILED;
    buf_init(&cookie, SIMULATOR_COOKIE_MAX);
    if (simulator_cookie(1, 0, &cookie) == ERR_NONE)
        printf("simulator listening on http://%s\nCLERK_COOKIE=%.*s\n", endpoint_text(at, text),
               STR_ARGS(buf_str(&cookie)));
    fflush(stdout);
    buf_deinit(&cookie);
    signals_wait(0, -1);
    demo_free(d);
    return EXIT_DONE;
}

static int run(const struct cli_args *args)
{
    const char *listen = args->listen ? args->listen : "127.0.0.1:8090";
    struct endpoint at;
    struct buf scenario;
    int code = EXIT_USAGE;

    if (endpoint_parse(str_of(listen), &at)) {
        fprintf(stderr, "enginelabs-2api: --listen is \"%s\": expected HOST:PORT\n", listen);
        return EXIT_USAGE;
    }
    buf_init(&scenario, SCENARIO_MAX);
    if (!args->scenario || read_scenario(args->scenario, &scenario))
        code = serve_until_signal(&at, buf_str(&scenario));
    buf_deinit(&scenario);
    return code;
}

const struct command command_simulate = {
    .name = "simulate",
    .options = "ls",
    .summary = "Play the EngineLabs upstream on loopback, with its faults",
    .help = "Usage: enginelabs-2api simulate [--listen HOST:PORT] [--scenario FILE]\n\n"
            "  --listen HOST:PORT  where (default 127.0.0.1:8090; port 0: any free one)\n"
            "  --scenario FILE     JSON of settings, faults and recorded exchanges, see "
            "docs/internals/simulator.md\n\n"
            "Example: a gateway on a simulator that you can misuse\n"
            "  enginelabs-2api simulate --listen 127.0.0.1:8090\n"
            "  ENGINELABS_API_URL=http://127.0.0.1:8090 CLERK_URL=http://127.0.0.1:8090 \\\n"
            "    CLERK_COOKIE=... enginelabs-2api serve\n\n"
            "It is an OpenAI-compatible server as well, at http://HOST:PORT/v1, for the keys that\n"
            "the setting api_keys names.\n",
    .run = run,
};
