/* SPDX-License-Identifier: Apache-2.0 */
/* Who listens in is told of everything, in order, and changes nothing. */
#include "websocket_client_test.h"

#include "http/wire_tap.h"

static struct told t;
static char heard[1024];
static size_t n_begun;

static void note(const char *format, ...) FORMAT(1, 2);
static void note(const char *format, ...)
{
    size_t n = strlen(heard);
    va_list args;

    va_start(args, format);
    vsnprintf(heard + n, sizeof(heard) - n, format, args);
    va_end(args);
}

static size_t on_begin(UNUSED void *arg, const struct wire_request *r)
{
    note("%zu begin%s %.*s %.*s %zu;", n_begun, r->is_socket ? " socket" : "", STR_ARGS(r->target),
         STR_ARGS(r->body), r->n_headers);
    return n_begun++;
}

static void on_wire_event(UNUSED void *arg, size_t number, const struct wire_event *e)
{
    static const char *const names[] = { "sent", "head", "body", "done", "open", "message" };

    note("%zu %s", number, names[e->type]);
    if (e->type == WIRE_HEAD)
        note(" %d", e->head->status);
    if (e->type == WIRE_BODY || e->type == WIRE_MESSAGE)
        note("%s %.*s", e->is_ours ? " out" : "", STR_ARGS(e->bytes));
    if (e->type == WIRE_DONE)
        note(" %s %d", err_name(e->err), e->close_code);
    note(";");
}

static const struct wire_tap tap = { on_begin, on_wire_event, NULL };

static void begin_heard(void)
{
    heard[0] = '\0';
    n_begun = 0;
    begin();
    connector_set_tap(f.connector, &tap);
}

static void hears_a_call(void)
{
    begin_heard();
    start(&t, HTTP_POST, STR("{}"));
    WAIT(f.l, far_accept(&f.far));
    WAIT(f.l, t.n_sent == 1);
    answer(&t, OK_HELLO);
    EXPECT_Z(t.body, "hello");
    EXPECT_Z(heard, "0 begin /x?y {} 0;0 sent;0 head 200;0 body hello;0 done ERR_NONE 0;");
    end();
}

static void hears_a_body_in_pieces_as_one(void)
{
    struct http_call_params p = params_of(HTTP_POST, STR("[1"));

    begin_heard();
    p.more[0] = STR(",2");
    p.more[1] = STR("]");
    memset(&t, 0, sizeof(t));
    t.call = http_call_start(f.c, &p, &telling, &t);
    EXPECT_Z(heard, "0 begin /x?y [1,2] 0;");
    http_call_cancel(t.call);
    end();
}

static void hears_how_a_call_fails(void)
{
    begin_heard();
    start(&t, HTTP_GET, STR(""));
    WAIT(f.l, far_accept(&f.far));
    WAIT(f.l, t.n_sent == 1);
    answer(&t, "nonsense\r\n\r\n");
    EXPECT_INT(t.err, ERR_PROTOCOL);
    EXPECT_Z(heard, "0 begin /x?y  0;0 sent;0 done ERR_PROTOCOL 0;");
    end();
}

static void ask_socket(void)
{
    begin_heard();
    connect_ws();
    WAIT(f.l, far_accept(&f.far));
    WAIT(f.l, far_has(&f.far, "\r\n\r\n"));
}

static void hears_a_socket(void)
{
    char text[512];

    ask_socket();
    make_101(text, sizeof(text), "");
    far_write(&f.far, text);
    WAIT(f.l, strcmp(told.log, "open;") == 0);
    EXPECT_INT(websocket_send(told.ws, true, STR("ping")), ERR_NONE);
    add_frame(&out, TEXT, false, STR("po"));
    add_frame(&out, FIN, false, STR("ng"));
    add_frame(&out, FIN | CLOSE, false, STR("\x03\xe8"));
    far_send_frames();
    WAIT(f.l, told.n_ends == 1);
    EXPECT_Z(told.log, "open;text=pong;end ERR_NONE 1000;");
    EXPECT_Z(heard, "0 begin socket /ws?token=T  1;0 open;0 message out ping;0 message pong;"
                    "0 done ERR_NONE 1000;");
    end_ws();
}

static void hears_a_refusal(void)
{
    ask_socket();
    far_write(&f.far, "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno");
    WAIT(f.l, told.n_ends == 1);
    EXPECT_INT(told.status, 404);
    EXPECT_Z(heard, "0 begin socket /ws?token=T  1;0 head 404;0 body no;0 done ERR_REFUSED 1006;");
    end_ws();
}

static void hears_nothing_when_nobody_listens(void)
{
    heard[0] = '\0';
    begin();
    EXPECT(!connector_tap(f.connector));
    start(&t, HTTP_GET, STR(""));
    WAIT(f.l, far_accept(&f.far));
    answer(&t, OK_HELLO);
    EXPECT_Z(heard, "");
    end();
}

static const struct test suite[] = {
    { "hears a call", hears_a_call },
    { "hears a body in pieces as one", hears_a_body_in_pieces_as_one },
    { "hears how a call fails", hears_how_a_call_fails },
    { "hears a socket", hears_a_socket },
    { "hears a refusal", hears_a_refusal },
    { "hears nothing when nobody listens", hears_nothing_when_nobody_listens },
};

TEST_MAIN(suite)
