/* SPDX-License-Identifier: Apache-2.0 */
/* The frames of an answer: every shape, and every fault at its place. */
#include "simulator/script.h"

#include "simulator/wire.h"
#include "test.h"

static struct sim_settings settings;
static struct sim_faults faults;
static char what[SIM_WHAT_MAX];

static struct sim_script *make(const char *text, const char *thinking)
{
    static const struct sim_asker asker;
    const struct sim_fault *taken[SIM_FRAME_FAULTS_MAX];
    struct sim_order order = { .settings = &settings,
                               .faults = taken,
                               .text = str_of(text),
                               .thinking = str_of(thinking),
                               .prompt = STR("say it"),
                               .message_id = "m",
                               .task_id = "t" };
    struct sim_script *s = NULL;

    order.n_faults =
        sim_faults_take_all(&faults, SIM_AT_FRAMES, &asker, taken, SIM_FRAME_FAULTS_MAX);
    EXPECT_INT(sim_script_new(&order, &s), ERR_NONE);
    return s;
}

static void begin(const char *line)
{
    sim_faults_init(&faults);
    sim_settings_default(&settings);
    settings.words = 1;
    EXPECT_INT(sim_settings_line(&settings, str_of(line), what), ERR_NONE);
}

static void fault(const char *line)
{
    EXPECT_INT(sim_faults_add_line(&faults, str_of(line), 0, what), ERR_NONE);
}

static uint64_t number(const char *p, size_t n)
{
    uint64_t x = 0;

    while (n-- > 0)
        x = x << 8 | (unsigned char)*p++;
    return x;
}

/* Unmasked frames as text: fragments joined by '+', others as "<first byte>". */
static void show_bytes(struct str in, struct buf *out)
{
    while (in.n > 1) {
        unsigned first = (unsigned char)in.p[0];
        size_t head = 2;
        uint64_t n = (unsigned char)in.p[1] & 0x7f;

        if (n >= 126) {
            head += n == 126 ? 2 : 8;
            n = number(in.p + 2, head - 2);
        }
        if ((unsigned char)in.p[1] & 0x80)
            head += 4;
        if (first != (WIRE_FIN | WIRE_TEXT))
            EXPECT_INT(buf_addf(out, "<%02x>", first), ERR_NONE);
        EXPECT_INT(buf_add(out, str_sub(in, head, n < 400 ? (size_t)n : 3)), ERR_NONE);
        in = str_from(in, head + (n < in.n ? (size_t)n : in.n));
    }
}

/* Packets, one a line: what it waits for (. F E), what it sends, what it does then. */
static void show(const struct sim_script *s, struct buf *out)
{
    static const char waits[] = ".FE";
    static const char *const acts[] = { "", "RESET", "CUT", "CLOSE", "SILENT", "PAUSE" };

    for (size_t i = 0; i < s->n; i++) {
        const struct sim_packet *p = &s->packets[i];
        size_t start = i > 0 ? s->packets[i - 1].end : 0;

        EXPECT_INT(buf_addf(out, "%c%s", waits[p->wait], p->is_fault ? "!" : ""), ERR_NONE);
        show_bytes(str_sub(buf_str(&s->bytes), start, p->end - start), out);
        EXPECT_INT(buf_addf(out, p->arg ? "%s%d\n" : "%s\n", acts[p->act], p->arg), ERR_NONE);
    }
}

static void expect_script(const char *text, const char *thinking, const char *want)
{
    struct sim_script *s = make(text, thinking);
    struct buf out;

    buf_init(&out, 1 << 20);
    show(s, &out);
    EXPECT_STR(buf_str(&out), want);
    buf_deinit(&out);
    sim_script_unref(s);
    sim_faults_deinit(&faults);
}

#define STATE(running)                                           \
    "{\"type\":\"state\",\"state\":{\"inProgress\":" running "," \
    "\"taskId\":\"t\"}}\n"
#define UPDATE(inner) "{\"type\":\"update\",\"buffer\":\"" inner "\"}\n"
#define CHAT(id, text)                                                                           \
    UPDATE("{\\\"id\\\":\\\"" id "\\\",\\\"type\\\":\\\"chat\\\",\\\"chat\\\":{\\\"content\\\":" \
           "\\\"" text "\\\"}}")
#define THINKING(text)                                                                          \
    UPDATE("{\\\"id\\\":\\\"m\\\",\\\"type\\\":\\\"thinking\\\",\\\"chat\\\":{\\\"content\\\":" \
           "\\\"" text "\\\"}}")

static void sends_state_pieces_state(void)
{
    begin("");
    expect_script("a b", "",
                  "." STATE("true") "F" CHAT("m", "a ") "E" CHAT("m", "b") "E" STATE("false"));
    begin("");
    expect_script("", "", "." STATE("true") "F" STATE("false"));
    begin("running_state=false final_state=false close_at_end=true");
    expect_script("a", "", "F" CHAT("m", "a") "E!CLOSE1000\n");
}

static void thinks_first(void)
{
    begin("");
    expect_script("a", "x y",
                  "." STATE("true") "F" THINKING("x ") "E" THINKING("y") "E" CHAT(
                      "m", "a") "E" STATE("false"));
}

static void has_every_shape(void)
{
    begin("content=snapshot running_state=false final_state=false");
    expect_script("a b", "", "F" CHAT("m", "a ") "E" CHAT("m", "a b"));
    begin("newline=true running_state=false final_state=false");
    expect_script("a", "",
                  "F" UPDATE("{\\\"id\\\":\\\"m\\\",\\\"type\\\":\\\"chat\\\",\\\"chat\\\":{"
                             "\\\"content\\\":\\\"a\\\"}}\\n"));
    begin("buffer_object=true shape=assistant running_state=false final_state=false");
    expect_script("a", "",
                  "F{\"type\":\"update\",\"buffer\":{\"id\":\"m\",\"role\":\"assistant\","
                  "\"content\":\"a\"}}\n");
    begin("buffer_object=true shape=blocks running_state=false final_state=false");
    expect_script("a", "",
                  "F{\"type\":\"update\",\"buffer\":{\"id\":\"m\",\"role\":\"assistant\","
                  "\"content\":[{\"type\":\"text\",\"text\":\"a\"}]}}\n");
    begin("paragraph=2 running_state=false final_state=false");
    expect_script("a b c", "", "F" CHAT("m", "a ") "E" CHAT("m", "b ") "E" CHAT("m_2", "c"));
    begin("paragraph=1 content=snapshot running_state=false final_state=false");
    expect_script("a b", "", "F" CHAT("m", "a ") "E" CHAT("m_2", "b"));
    begin("piece_bytes=2 running_state=false final_state=false");
    expect_script("abc", "", "F" CHAT("m", "ab") "E" CHAT("m", "c"));
}

static void opens_with_label_echo_and_activity(void)
{
    begin("label=true echo=true activity=1 buffer_object=true running_state=false "
          "final_state=false");
    expect_script("", "",
                  ".{\"type\":\"label\",\"label\":\"say it\"}\n"
                  ".{\"type\":\"update\",\"buffer\":{\"id\":\"m_user\",\"role\":\"user\","
                  "\"content\":[{\"type\":\"text\",\"text\":\"say it\"}]}}\n"
                  ".{\"type\":\"update\",\"buffer\":{\"id\":\"m_act0\",\"type\":\"tool_use\","
                  "\"tool\":{\"name\":\"read_file\",\"status\":\"running\"}}}\n");
}

static void splits_surrogates_over_frames(void)
{
    begin("ascii=true split_surrogates=true buffer_object=true shape=assistant "
          "running_state=false final_state=false");
    expect_script("\xF0\x9F\x98\x80\xC3\xA9", "",
                  "F{\"type\":\"update\",\"buffer\":{\"id\":\"m\",\"role\":\"assistant\","
                  "\"content\":\"\\ud83d\"}}\n"
                  "E{\"type\":\"update\",\"buffer\":{\"id\":\"m\",\"role\":\"assistant\","
                  "\"content\":\"\\ude00\\u00e9\"}}\n");
    begin("split_surrogates=true buffer_object=true shape=assistant running_state=false "
          "final_state=false");
    expect_script("x\xF0\x9F\x98\x80", "",
                  "F{\"type\":\"update\",\"buffer\":{\"id\":\"m\",\"role\":\"assistant\","
                  "\"content\":\"x\\ud83d\"}}\n"
                  "E{\"type\":\"update\",\"buffer\":{\"id\":\"m\",\"role\":\"assistant\","
                  "\"content\":\"\\ude00\"}}\n");
}

static void fragments_and_joins(void)
{
    begin("fragments=2 running_state=false buffer_object=true shape=assistant");
    expect_script("", "",
                  "F<01>{\"type\":\"state\",\"state\":{\"inP<80>rogress\":false,\"taskId\":\"t\"}}"
                  "\n");
    begin("coalesce=2 running_state=false final_state=false");
    {
        struct sim_script *s = make("a b c", "");

        EXPECT_INT(s->n, 2);
        EXPECT_INT(s->packets[0].text, 4);
        EXPECT_INT(s->packets[1].text, 5);
        sim_script_unref(s);
        sim_faults_deinit(&faults);
    }
}

static void ends_sockets_where_told(void)
{
    static const struct {
        const char *fault;
        const char *want;
    } rows[] = {
        { "frames reset at=1", "E!RESET\n" },
        { "frames cut at=1", "E!CUT\n" },
        { "frames close at=1", "E!CLOSE1011\n" },
        { "frames close at=1 code=4000", "E!CLOSE4000\n" },
        { "frames pause at=1 delay_ms=9", "E!PAUSE9\n" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char want[512];

        begin("");
        fault(rows[i].fault);
        (void)snprintf(want, sizeof(want), "%s%s%s", "." STATE("true") "F" CHAT("m", "a "),
                       rows[i].want, "E" CHAT("m", "b") "E" STATE("false"));
        expect_script("a b", "", want);
    }
}

static void ends_the_task_where_told(void)
{
    begin("");
    fault("frames silence at=1");
    expect_script("a b", "", "." STATE("true") "F" CHAT("m", "a ") "E!SILENT\n");
    begin("");
    fault("frames cancelled at=1");
    expect_script("a b", "",
                  "." STATE("true") "F" CHAT(
                      "m", "a ") ".{\"type\":\"state\",\"state\":{"
                                 "\"inProgress\":false,\"cancelled\":true,\"taskId\":\"t\"}}\n");
    begin("");
    fault("frames empty");
    expect_script("a b", "x", "." STATE("true") "F" STATE("false"));
    begin("");
    fault("frames no_final");
    expect_script("a", "", "." STATE("true") "F" CHAT("m", "a") "E!CLOSE1000\n");
}

static void puts_strays_in(void)
{
    static const struct {
        const char *fault;
        const char *want;
    } rows[] = {
        { "frames not_json", "this is no JSON {" },
        { "frames not_json body=\"\"", "\"\"" },
        { "frames bad_buffer", "{\"type\":\"update\",\"buffer\":\"{no\"}" },
        { "frames unknown", "{\"type\":\"telemetry\",\"data\":{\"buffer\":[1,2,3]}}" },
        { "frames pong", "pong" },
        { "frames ping", "<89>hello" },
        { "frames label", "{\"type\":\"label\",\"label\":\"say it\"}" },
        { "frames bad_utf8", "{\"type\":\"label\",\"label\":\"\xff\xc0\x80\"}" },
        { "frames binary", "<82>{\"type\":\"label\",\"label\":\"stray\"}" },
        { "frames reserved", "<c1>{\"type\":\"label\",\"label\":\"stray\"}" },
        { "frames oversized bytes=500", "{\"t" },
        { "frames endless", "{\"t" },
        { "frames history",
          "{\"type\":\"history\",\"messages\":[{\"id\":\"m_user\",\"role\":\"user\",\"content\":"
          "\"say it\"},{\"id\":\"m\",\"role\":\"assistant\",\"content\":\"a \"}]}" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char line[64];
        char want[700];

        begin("");
        (void)snprintf(line, sizeof(line), "%s at=1", rows[i].fault);
        fault(line);
        (void)snprintf(want, sizeof(want), "%s.!%s\n%s", "." STATE("true") "F" CHAT("m", "a "),
                       rows[i].want, "E" CHAT("m", "b") "E" STATE("false"));
        expect_script("a b", "", want);
    }
}

static void a_fault_behind_the_end_happens_at_the_end(void)
{
    begin("");
    fault("frames pong at=99");
    expect_script("a", "", "." STATE("true") "F" CHAT("m", "a") ".!pong\nE" STATE("false"));
}

static void equal_answers_share_a_script(void)
{
    struct sim_order order = { .settings = &settings,
                               .text = STR("a"),
                               .prompt = STR("p"),
                               .message_id = "m",
                               .task_id = "t" };
    struct sim_script_cache cache;
    struct sim_script *a;
    struct sim_script *b;

    begin("");
    sim_script_cache_init(&cache);
    EXPECT_INT(sim_script_cache_get(&cache, &order, &a), ERR_NONE);
    EXPECT_INT(sim_script_cache_get(&cache, &order, &b), ERR_NONE);
    EXPECT(a == b);
    sim_script_unref(b);
    order.text = STR("b");
    EXPECT_INT(sim_script_cache_get(&cache, &order, &b), ERR_NONE);
    EXPECT(a != b);
    sim_script_unref(b);
    for (int i = 0; i < 200; i++) {
        settings.first_ms = i + 1000;
        EXPECT_INT(sim_script_cache_get(&cache, &order, &b), ERR_NONE);
        sim_script_unref(b);
    }
    EXPECT_STR(buf_str(&a->text), "a");
    sim_script_unref(a);
    sim_script_cache_deinit(&cache);
    sim_faults_deinit(&faults);
}

static const struct test suite[] = {
    { "sends state, pieces, state", sends_state_pieces_state },
    { "thinks first", thinks_first },
    { "has every shape", has_every_shape },
    { "opens with label, echo and activity", opens_with_label_echo_and_activity },
    { "splits surrogates over frames", splits_surrogates_over_frames },
    { "fragments and joins", fragments_and_joins },
    { "ends sockets where told", ends_sockets_where_told },
    { "ends the task where told", ends_the_task_where_told },
    { "puts strays in", puts_strays_in },
    { "a fault behind the end happens at the end", a_fault_behind_the_end_happens_at_the_end },
    { "equal answers share a script", equal_answers_share_a_script },
};

TEST_MAIN(suite)
