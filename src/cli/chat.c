/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chat: a terminal client of a running gateway. With TEXT, or a prompt on standard input, it prints
 * one answer; on a terminal without TEXT it keeps a conversation until end of file.
 */
#include <stdio.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/local_client.h"
#include "cli/terminal.h"
#include "http/sse.h"
#include "json/reader.h"
#include "json/writer.h"

enum { TEXT_MAX = 16 << 20, LINE_MAX_BYTES = 1 << 16 };

struct chat {
    struct local_client *client;
    const char *model;  /* NULL: the gateway's default */
    struct buf history; /* messages so far, as JSON with commas between */
    struct buf answer;  /* of this turn */
    struct sse sse;
    bool finished; /* [DONE] came */
    bool failed;   /* an error event came; said already */
};

static enum err add_message(struct buf *history, const char *role, struct str text)
{
    struct json_writer w;

    if (history->n && buf_add_char(history, ','))
        return ERR_TOO_BIG;
    json_w_init(&w, history);
    json_w_object(&w);
    json_w_member_str(&w, "role", str_of(role));
    json_w_member_str(&w, "content", text);
    json_w_object_end(&w);
    return json_w_end(&w);
}

static enum err write_request(const struct chat *c, struct buf *out)
{
    struct json_writer w;

    json_w_init(&w, out);
    json_w_object(&w);
    if (c->model)
        json_w_member_str(&w, "model", str_of(c->model));
    json_w_member_bool(&w, "stream", true);
    json_w_key(&w, "messages");
    json_w_array(&w);
    json_w_raw(&w, buf_str(&c->history));
    json_w_array_end(&w);
    json_w_object_end(&w);
    return json_w_end(&w);
}

/* choices[0].delta.content */
static bool find_content(struct str data, struct json_value *ret)
{
    struct json j;
    struct json_value choices, first = { .type = JSON_NONE };

    if (json_find(data, &choices, "choices", NULL) || choices.type != JSON_ARRAY)
        return false;
    json_init(&j, choices.raw, 32);
    if (!json_enter_array(&j) || !json_next_item(&j) || !json_read(&j, &first))
        return false;
    return json_find(first.raw, ret, "delta", "content", NULL) == ERR_NONE &&
           ret->type == JSON_STRING;
}

static void say_error(const struct json_value *message)
{
    struct arena a;
    struct str text;

    arena_init(&a);
    if (json_text(message, &a, &text))
        text = STR("(a malformed message)");
    fputs("\nenginelabs-2api: the answer broke off: ", stderr);
    terminal_print(stderr, text);
    fputc('\n', stderr);
    arena_deinit(&a);
}

static enum err on_event(void *arg, const struct sse_event *ev)
{
    struct chat *c = arg;
    struct json_value v;
    size_t before = c->answer.n;
    enum err err = ERR_NONE;

    if (str_eq(ev->data, STR("[DONE]"))) {
        c->finished = true;
    } else if (json_find(ev->data, &v, "error", "message", NULL) == ERR_NONE &&
               v.type == JSON_STRING) {
        say_error(&v);
        c->failed = true;
    } else if (find_content(ev->data, &v)) {
        err = json_text_add(&v, &c->answer);
        terminal_print(stdout, str_from(buf_str(&c->answer), before));
    }
    return err;
}

static void on_body(void *arg, struct str bytes)
{
    struct chat *c = arg;

    if (sse_feed(&c->sse, bytes) && !c->failed) {
        fprintf(stderr, "\nenginelabs-2api: the answer is malformed or too long\n");
        c->failed = true;
    }
}

static void explain(const struct chat *c, const struct local_response *response)
{
    if (c->answer.n)
        fputc('\n', stderr);
    if (!response->err && response->status == 200)
        fputs("enginelabs-2api: the answer broke off: its stream ended without [DONE]\n", stderr);
    else
        local_client_explain(c->client, response);
}

/* One turn: true when a whole answer came; it is in the history then. */
static bool turn(struct chat *c, struct str prompt)
{
    struct local_response response;
    struct buf request;
    bool good = false;

    buf_init(&request, 2 * (size_t)TEXT_MAX);
    buf_clear(&c->answer);
    c->finished = c->failed = false;
    sse_init(&c->sse, TEXT_MAX, on_event, c);
    if (add_message(&c->history, "user", prompt) || write_request(c, &request)) {
        fprintf(stderr, "enginelabs-2api: the conversation is longer than 16 MiB\n");
    } else {
        local_client_call(c->client, HTTP_POST, "/v1/chat/completions", buf_str(&request), on_body,
                          c, &response);
        good = !response.err && response.status == 200 && c->finished && !c->failed;
        if (!good && !c->failed)
            explain(c, &response);
        buf_deinit(&response.body);
    }
    if (good) {
        putchar('\n');
        good = add_message(&c->history, "assistant", buf_str(&c->answer)) == ERR_NONE;
    }
    sse_deinit(&c->sse);
    buf_deinit(&request);
    return good;
}

static bool read_all(FILE *f, struct buf *out)
{
    char piece[4096];
    size_t n;

    while ((n = fread(piece, 1, sizeof(piece), f)) > 0)
        if (buf_add(out, (struct str){ piece, n }))
            return false;
    return true;
}

/* Until end of file; a turn that failed is forgotten, so that the next can go on. */
static void converse(struct chat *c)
{
    static char line[LINE_MAX_BYTES];

    fputs("Type a message; end with Ctrl-D.\n> ", stdout);
    fflush(stdout);
    while (fgets(line, sizeof(line), stdin)) {
        struct str text = str_trim(str_of(line));
        size_t before = c->history.n;

        if (text.n && !turn(c, text))
            buf_truncate(&c->history, before);
        fputs("> ", stdout);
        fflush(stdout);
    }
    putchar('\n');
}

static bool speak(struct chat *c, char *const *words)
{
    struct buf text;
    bool good = true;

    buf_init(&text, TEXT_MAX);
    for (size_t i = 0; words[i] && good; i++)
        good = (i == 0 || !buf_add_char(&text, ' ')) && !buf_add(&text, str_of(words[i]));
    if (!words[0])
        good = read_all(stdin, &text);
    if (!good)
        fprintf(stderr, "enginelabs-2api: the prompt is longer than 16 MiB\n");
    else
        good = turn(c, words[0] ? buf_str(&text) : str_trim(buf_str(&text)));
    buf_deinit(&text);
    return good;
}

static int run(const struct cli_args *args)
{
    struct settings s;
    struct chat c = { .model = args->model };
    bool good = true;

    if (cli_load_settings(args, SETTINGS_CLIENT, &s))
        return EXIT_USAGE;
    buf_init(&c.history, TEXT_MAX);
    buf_init(&c.answer, TEXT_MAX);
    c.client = local_client_new(&s);
    if (!args->words[0] && isatty(STDIN_FILENO))
        converse(&c);
    else
        good = speak(&c, args->words);
    local_client_free(c.client);
    buf_deinit(&c.history);
    buf_deinit(&c.answer);
    settings_deinit(&s);
    return good ? EXIT_DONE : EXIT_FAILED;
}

const struct command command_chat = {
    .name = "chat",
    .options = "mlw",
    .summary = "Talk to a running gateway in the terminal",
    .help = "Usage: enginelabs-2api chat [-m MODEL] [--listen HOST:PORT] [TEXT]\n\n"
            "  -m, --model MODEL   which model (default: the gateway's)\n"
            "  --listen HOST:PORT  where the gateway listens (default: LISTEN)\n\n"
            "Without TEXT the prompt is read from standard input; on a terminal the conversation "
            "goes on\n"
            "until Ctrl-D.\n\n"
            "Examples:\n"
            "  enginelabs-2api chat Why is the sky blue?\n"
            "  enginelabs-2api chat -m GPT5 < question.txt\n",
    .run = run,
};
