/* SPDX-License-Identifier: Apache-2.0 */
/* What an OpenAI-compatible server answers beside chat completions: models, embeddings, audio. */
#include "base/encoding.h"
#include "base/hash.h"
#include "base/mem.h"
#include "simulator/call.h"
#include "simulator/completion.h"

enum { BODY_MAX = 4194304, DIMENSIONS = 8, INPUTS_MAX = 2048, PARTS_MAX = 64 };

/* ---- GET /models ---- */

bool sim_check_models(struct sim_call *c)
{
    sim_call_keep_request(c);
    return sim_check_key(c);
}

static void write_model(struct json_writer *w, struct str id)
{
    if (str_eq(id, STR("*")))
        return;
    json_w_object(w);
    json_w_member_str(w, "id", id);
    json_w_member_str(w, "object", STR("model"));
    json_w_member_int(w, "created", 1700000000);
    json_w_member_str(w, "owned_by", STR("simulator"));
    json_w_object_end(w);
}

void sim_run_models(struct sim_call *c)
{
    const struct simulator *s = c->s;
    struct str list = str_of(s->models[0] ? s->models : s->adapters);
    struct sim_adapter a;
    struct json_writer w;
    struct buf text;

    buf_init(&text, BODY_MAX);
    json_w_init(&w, &text);
    json_w_object(&w);
    json_w_member_str(&w, "object", STR("list"));
    json_w_key(&w, "data");
    json_w_array(&w);
    while (sim_adapter_next(&list, &a))
        write_model(&w, s->models[0] ? a.name : str_of(a.model));
    json_w_array_end(&w);
    json_w_object_end(&w);
    sim_call_reply_written(c, &w);
    buf_deinit(&text);
}

/* ---- POST /embeddings ---- */

/* Components of -1 to 1 in thousandths, from the text's hash. */
static void derive_vector(struct str text, int out[DIMENSIONS])
{
    unsigned char digest[SHA256_LEN];
    struct sha256 h;

    sha256_init(&h);
    sha256_add(&h, text);
    sha256_end(&h, digest);
    for (size_t i = 0; i < DIMENSIONS; i++)
        out[i] = (digest[2 * i] << 8 | digest[2 * i + 1]) % 2001 - 1000;
}

static void write_vector(struct json_writer *w, struct arena *a, struct str text)
{
    int vector[DIMENSIONS];

    derive_vector(text, vector);
    json_w_array(w);
    for (size_t i = 0; i < DIMENSIONS; i++) {
        int n = vector[i] < 0 ? -vector[i] : vector[i];

        json_w_raw(w, arena_printf(a, "%s%d.%03d", vector[i] < 0 ? "-" : "", n / 1000, n % 1000));
    }
    json_w_array_end(w);
}

/* The same as little-endian floats in base64, which clients ask for to save room. */
static void write_packed(struct json_writer *w, struct str text)
{
    int vector[DIMENSIONS];
    unsigned char bytes[DIMENSIONS * 4];
    struct buf coded;

    derive_vector(text, vector);
    for (size_t i = 0; i < DIMENSIONS; i++) {
        float component = (float)vector[i] / 1000;
        uint32_t bits;

        memcpy(&bits, &component, sizeof(bits));
        for (size_t k = 0; k < 4; k++)
            bytes[4 * i + k] = (unsigned char)(bits >> (8 * k));
    }
    buf_init(&coded, 2 * sizeof(bytes));
    if (base64_add(&coded, (struct str){ (const char *)bytes, sizeof(bytes) }))
        w->failed = ERR_NOMEM;
    json_w_str(w, buf_str(&coded));
    buf_deinit(&coded);
}

static enum err add_input(struct sim_call *c, const struct json_value *v)
{
    if (c->n_inputs == INPUTS_MAX || v->type != JSON_STRING)
        return ERR_BAD_INPUT;
    return json_text(v, &c->r->arena, &c->inputs[c->n_inputs++]);
}

static enum err read_inputs(struct sim_call *c, const struct json_value *input)
{
    struct json_value item;
    struct json j;
    enum err err = ERR_NONE;

    c->inputs = arena_alloc(&c->r->arena, INPUTS_MAX * sizeof(*c->inputs));
    json_init(&j, input->raw, 4);
    if (!json_enter_array(&j))
        return add_input(c, input);
    while (!err && json_next_item(&j)) {
        if (json_read(&j, &item))
            err = add_input(c, &item);
    }
    return err;
}

bool sim_check_embeddings(struct sim_call *c)
{
    struct json_value input;
    struct json_value model;
    struct json_value format;

    sim_call_keep_request(c);
    if (!sim_check_key(c) || !sim_check_json(c))
        return false;
    if (json_find(c->r->body, &input, "input", NULL) ||
        json_find(c->r->body, &model, "model", NULL) ||
        json_find(c->r->body, &format, "encoding_format", NULL) || model.type != JSON_STRING ||
        json_text(&model, &c->r->arena, &c->adapter))
        return sim_call_refuse(c, 400, NULL, "'model' must be a string");
    c->is_packed = str_eq(format.raw, STR("\"base64\""));
    if (read_inputs(c, &input) || c->n_inputs == 0)
        return sim_call_refuse(c, 400, NULL, "'input' must be a string or an array of strings");
    return true;
}

static void write_embedding(struct sim_call *c, struct json_writer *w, size_t i)
{
    json_w_object(w);
    json_w_member_str(w, "object", STR("embedding"));
    json_w_member_int(w, "index", (int64_t)i);
    json_w_key(w, "embedding");
    if (c->is_packed)
        write_packed(w, c->inputs[i]);
    else
        write_vector(w, &c->r->arena, c->inputs[i]);
    json_w_object_end(w);
}

void sim_run_embeddings(struct sim_call *c)
{
    struct json_writer w;
    struct buf text;
    int64_t tokens = 0;

    buf_init(&text, BODY_MAX);
    json_w_init(&w, &text);
    json_w_object(&w);
    json_w_member_str(&w, "object", STR("list"));
    json_w_key(&w, "data");
    json_w_array(&w);
    for (size_t i = 0; i < c->n_inputs; i++) {
        write_embedding(c, &w, i);
        tokens += sim_count_tokens(c->inputs[i]);
    }
    json_w_array_end(&w);
    json_w_member_str(&w, "model", c->adapter);
    json_w_key(&w, "usage");
    json_w_object(&w);
    json_w_member_int(&w, "prompt_tokens", tokens);
    json_w_member_int(&w, "total_tokens", tokens);
    json_w_object_end(&w);
    json_w_object_end(&w);
    sim_call_reply_written(c, &w);
    buf_deinit(&text);
}

/* ---- POST /audio/transcriptions ---- */

/* "--boundary" of a multipart body; p NULL when Content-Type names none. */
static struct str delimiter_of(struct sim_call *c)
{
    struct str type = http_value(&c->r->head, "content-type");
    size_t at = str_find(type, STR("boundary="));
    struct str boundary;

    if (!str_starts_nocase(type, STR("multipart/form-data")) || at == SIZE_MAX)
        return (struct str){ NULL, 0 };
    boundary = str_cut(str_from(type, at + 9), ';', &(struct str){ NULL, 0 });
    if (boundary.n > 2 && boundary.p[0] == '"')
        boundary = str_sub(boundary, 1, boundary.n - 2);
    return arena_printf(&c->r->arena, "--%.*s", STR_ARGS(boundary));
}

bool sim_check_audio(struct sim_call *c)
{
    struct str delimiter;

    sim_call_keep_request(c);
    if (!sim_check_key(c))
        return false;
    delimiter = delimiter_of(c);
    if (!delimiter.p || !str_starts(c->r->body, delimiter))
        return sim_call_refuse(c, 400, NULL, "the body is no multipart/form-data");
    return true;
}

static void write_hash(struct json_writer *w, struct str bytes)
{
    unsigned char digest[SHA256_LEN];
    char hex[2 * SHA256_LEN + 1];
    struct sha256 h;

    sha256_init(&h);
    sha256_add(&h, bytes);
    sha256_end(&h, digest);
    hex_encode(digest, sizeof(digest), hex);
    json_w_member_int(w, "bytes", (int64_t)bytes.n);
    json_w_member_str(w, "sha256", str_of(hex));
}

/* The value of `name="..."` in a part's head. */
static struct str parameter(struct str head, struct str name)
{
    size_t at = str_find(head, name);

    if (at == SIZE_MAX)
        return STR("");
    return str_cut(str_from(head, at + name.n), '"', &(struct str){ NULL, 0 });
}

/* Cuts one part off *rest, which begins behind a delimiter; false behind the last. */
static bool write_part(struct json_writer *w, struct str delimiter, struct str *rest)
{
    size_t head = str_find(*rest, STR("\r\n\r\n"));
    size_t end = str_find(*rest, delimiter);

    if (str_starts(*rest, STR("--")) || head == SIZE_MAX || end == SIZE_MAX || end < head + 6)
        return false;
    json_w_object(w);
    json_w_member_str(w, "name", parameter(str_sub(*rest, 0, head), STR(" name=\"")));
    json_w_member_str(w, "filename", parameter(str_sub(*rest, 0, head), STR("filename=\"")));
    write_hash(w, str_sub(*rest, head + 4, end - head - 6));
    json_w_object_end(w);
    *rest = str_from(*rest, end + delimiter.n);
    return true;
}

void sim_run_audio(struct sim_call *c)
{
    struct str delimiter = delimiter_of(c);
    struct str rest = str_from(c->r->body, delimiter.n);
    struct json_writer w;
    struct buf text;

    buf_init(&text, BODY_MAX);
    json_w_init(&w, &text);
    json_w_object(&w);
    json_w_member_str(&w, "text", STR("The simulator heard what it received."));
    write_hash(&w, c->r->body);
    json_w_key(&w, "parts");
    json_w_array(&w);
    for (int i = 0; i < PARTS_MAX && write_part(&w, delimiter, &rest); i++)
        ;
    json_w_array_end(&w);
    json_w_object_end(&w);
    sim_call_reply_written(c, &w);
    buf_deinit(&text);
}
