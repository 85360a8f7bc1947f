/* SPDX-License-Identifier: Apache-2.0 */
/* What an OpenAI-compatible server answers beside chat completions: models, embeddings, audio;
 * files are in files.c. */
#include "simulator/openai.h"
#include "base/encoding.h"
#include "base/hash.h"
#include "base/mem.h"
#include "simulator/call.h"
#include "simulator/completion.h"
#include "simulator/form.h"

enum {
    BODY_MAX = 4194304,
    DIMENSIONS = 8,
    INPUTS_MAX = 2048,
    SPEECH_INPUT_MAX = 4096,
    SPEECH_PER_BYTE = 512
};

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

bool sim_check_audio(struct sim_call *c)
{
    struct sim_form *form;
    const struct sim_part *file, *model;
    const char *why;

    sim_call_keep_request(c);
    if (!sim_check_key(c))
        return false;
    form = arena_new(&c->r->arena, struct sim_form);
    if (sim_form_read(&c->r->head, c->r->body, form, &why))
        return sim_call_refuse(c, 400, NULL, "%s", why);
    file = sim_form_find(form, "file");
    model = sim_form_find(form, "model");
    if (!file || !file->filename.p || file->content.n == 0)
        return sim_call_refuse(c, 400, NULL, "'file' must be a file that is not empty");
    if (!model || model->filename.p || model->content.n == 0)
        return sim_call_refuse(c, 400, NULL, "'model' is a required property");
    c->form = form;
    c->adapter = model->content;
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

static void write_part(struct json_writer *w, const struct sim_part *part)
{
    json_w_object(w);
    json_w_member_str(w, "name", part->name);
    json_w_member_str(w, "filename", part->filename);
    write_hash(w, part->content);
    json_w_object_end(w);
}

void sim_run_audio(struct sim_call *c)
{
    struct json_writer w;
    struct buf text;

    buf_init(&text, BODY_MAX);
    json_w_init(&w, &text);
    json_w_object(&w);
    json_w_member_str(&w, "text", STR("The simulator heard what it received."));
    json_w_member_str(&w, "model", c->adapter);
    write_hash(&w, c->r->body);
    json_w_key(&w, "parts");
    json_w_array(&w);
    for (size_t i = 0; i < c->form->n; i++)
        write_part(&w, &c->form->parts[i]);
    json_w_array_end(&w);
    json_w_object_end(&w);
    sim_call_reply_written(c, &w);
    buf_deinit(&text);
}

/* ---- POST /audio/speech ---- */

static struct str string_of(struct sim_call *c, const char *name)
{
    struct json_value v;
    struct str text = STR("");

    if (json_find(c->r->body, &v, name, NULL) || v.type != JSON_STRING ||
        json_text(&v, &c->r->arena, &text))
        return STR("");
    return text;
}

bool sim_check_speech(struct sim_call *c)
{
    sim_call_keep_request(c);
    if (!sim_check_key(c) || !sim_check_json(c))
        return false;
    c->adapter = string_of(c, "model");
    c->prompt = string_of(c, "input");
    if (c->adapter.n == 0 || string_of(c, "voice").n == 0)
        return sim_call_refuse(c, 400, NULL, "'model' and 'voice' must be strings");
    if (c->prompt.n == 0 || c->prompt.n > SPEECH_INPUT_MAX)
        return sim_call_refuse(c, 400, NULL, "'input' must be a string of 1 to %d bytes",
                               SPEECH_INPUT_MAX);
    return true;
}

/* SPEECH_PER_BYTE bytes for each of the text: its hash, the hash of that, and so on. */
static enum err derive_speech(struct str text, struct buf *out)
{
    size_t n = text.n * SPEECH_PER_BYTE;
    unsigned char digest[SHA256_LEN];
    struct sha256 h;
    enum err err = ERR_NONE;

    while (!err && out->n < n) {
        sha256_init(&h);
        sha256_add(&h, text);
        sha256_end(&h, digest);
        text = (struct str){ (const char *)digest, sizeof(digest) };
        err = buf_add(out, text);
    }
    return err;
}

void sim_run_speech(struct sim_call *c)
{
    struct buf sound;

    buf_init(&sound, BODY_MAX);
    sim_call_header(c, "content-type", STR("audio/mpeg"));
    if (derive_speech(c->prompt, &sound))
        sim_call_refuse(c, 500, NULL, "there is no memory for this speech");
    else
        sim_call_reply(c, 200, buf_str(&sound));
    buf_deinit(&sound);
}
