/* SPDX-License-Identifier: Apache-2.0 */
/* Records of kept answers: written behind an answer, read for the next request and for who asks. */
#include "dialect/openai_responses.h"
#include "dialect/openai_responses_item.h"

/* ---- reading ---- */

bool responses_previous(struct str body, struct arena *a, struct str *ret_id)
{
    struct json_value value = { 0 };
    struct str key;
    struct json j;

    /* Few have it, and most of those are long: a quick look first. A name that is written with
     * escapes is found in the body by nobody but the decoder, which refuses it. */
    if (str_find(body, STR("previous_response_id")) == SIZE_MAX)
        return false;
    json_init(&j, body, JSON_DEPTH_MAX);
    if (!json_enter_object(&j))
        return false;
    while (json_next_member(&j, &key))
        if (json_key_eq(key, STR("previous_response_id")))
            json_read(&j, &value);
        else
            json_skip(&j);
    return !json_end(&j) && value.type == JSON_STRING && !json_text(&value, a, ret_id);
}

struct record {
    struct json_value input;
    struct json_value response;
    struct json_value output; /* of the response */
};

static bool read_record(struct str text, struct record *ret)
{
    const struct decoder_member members[] = { { "input", &ret->input },
                                              { "response", &ret->response } };
    const struct decoder_member inner[] = { { "output", &ret->output } };
    struct json_value whole;
    struct json j;

    *ret = (struct record){ 0 };
    json_init(&j, text, JSON_DEPTH_MAX);
    if (!json_read(&j, &whole) || json_end(&j))
        return false;
    decoder_members(&whole, members, COUNT_OF(members));
    decoder_members(&ret->response, inner, COUNT_OF(inner));
    return ret->input.type == JSON_ARRAY && ret->output.type == JSON_ARRAY;
}

bool responses_of_record(struct str record, struct str *ret_response)
{
    struct record r;
    bool is_good = read_record(record, &r);

    *ret_response = r.response.raw;
    return is_good;
}

bool responses_past(struct decoder *d, struct str record)
{
    struct record r;

    if (!read_record(record, &r))
        return decoder_refuse(d, STR("previous_response_id"),
                              "is kept in a form that is not known "
                              "here: send the whole history");
    return responses_items(d, &r.input) && responses_items(d, &r.output);
}

/* ---- writing ---- */

static void write_items(struct json_writer *w, const struct json_value *array)
{
    struct json_value item;
    struct json j;

    json_init_checked(&j, array->raw);
    if (!json_enter_array(&j))
        return;
    while (json_next_item(&j) && json_read(&j, &item))
        json_w_raw(w, item.raw);
}

/* A text alone is short for a message. */
static void write_asked(struct json_writer *w, struct str asked)
{
    struct json_value v;
    struct json j;

    json_init(&j, asked, JSON_DEPTH_MAX);
    if (!asked.n || !json_read(&j, &v))
        return;
    if (v.type == JSON_ARRAY) {
        write_items(w, &v);
        return;
    }
    json_w_object(w);
    json_w_member_str(w, "role", STR("user"));
    json_w_key(w, "content");
    json_w_raw(w, asked);
    json_w_object_end(w);
}

void response_write_record(struct json_writer *w, const struct dialect_answer *answer,
                           const struct response *response)
{
    struct record past;

    json_w_object(w);
    json_w_key(w, "input");
    json_w_array(w);
    if (answer->request->past.n > 0 && read_record(answer->request->past, &past)) {
        write_items(w, &past.input);
        write_items(w, &past.output);
    }
    write_asked(w, answer->request->asked);
    json_w_array_end(w);
    json_w_key(w, "response");
    response_write(w, answer, response);
    json_w_object_end(w);
}

/* ---- lists of input ---- */

/* An item as the list shows it: clients may have left out what the server would say. */
struct listed {
    struct json_value type;
    struct json_value id;
    struct json_value role;
    struct json_value content;
    struct json_value status;
};

static void read_listed(const struct json_value *item, struct listed *ret)
{
    const struct decoder_member members[] = { { "type", &ret->type },
                                              { "id", &ret->id },
                                              { "role", &ret->role },
                                              { "content", &ret->content },
                                              { "status", &ret->status } };

    *ret = (struct listed){ 0 };
    decoder_members(item, members, COUNT_OF(members));
}

static struct str id_of(const struct listed *l, size_t index, struct arena *a)
{
    struct str id;

    if (l->id.type == JSON_STRING && !json_text(&l->id, a, &id))
        return id;
    return arena_printf(a, "item_%zu", index);
}

static void write_content(struct json_writer *w, const struct listed *l)
{
    bool is_answer = str_eq(l->role.raw, STR("\"assistant\""));

    json_w_key(w, "content");
    if (l->content.type != JSON_STRING) {
        json_w_raw(w, l->content.raw);
        return;
    }
    json_w_array(w);
    json_w_object(w);
    json_w_member_str(w, "type", is_answer ? STR("output_text") : STR("input_text"));
    json_w_key(w, "text");
    json_w_raw(w, l->content.raw);
    if (is_answer) {
        json_w_key(w, "annotations");
        json_w_array(w);
        json_w_array_end(w);
    }
    json_w_object_end(w);
    json_w_array_end(w);
}

static void write_rest(struct json_writer *w, const struct json_value *item)
{
    static const char *const said[] = { "id", "type", "status", "content" };
    struct json_value v;
    struct str key;
    struct json j;

    json_init_checked(&j, item->raw);
    if (!json_enter_object(&j))
        return;
    while (json_next_member(&j, &key) && json_read(&j, &v)) {
        bool is_said = false;
        char name[64];

        for (size_t i = 0; i < COUNT_OF(said); i++)
            is_said = is_said || json_key_eq(key, str_of(said[i]));
        if (is_said || key.n >= sizeof(name))
            continue;
        json_w_key(w, str_to_z(key, name, sizeof(name)));
        json_w_raw(w, v.raw);
    }
}

static void write_listed(struct json_writer *w, const struct json_value *item, struct str id)
{
    struct listed l;

    read_listed(item, &l);
    json_w_object(w);
    json_w_member_str(w, "id", id);
    json_w_key(w, "type");
    json_w_raw(w, l.type.type == JSON_STRING ? l.type.raw : STR("\"message\""));
    json_w_key(w, "status");
    json_w_raw(w, l.status.type == JSON_STRING ? l.status.raw : STR("\"completed\""));
    if (l.content.type > JSON_NULL)
        write_content(w, &l);
    write_rest(w, item);
    json_w_object_end(w);
}

/* In the order of the list; NULL: there are more than fit. */
static struct json_value *gather(const struct json_value *input, bool is_rising, struct arena *a,
                                 size_t *ret_n)
{
    struct json_value item;
    struct json_value *list;
    size_t n = 0;
    struct json j;

    json_init_checked(&j, input->raw);
    json_enter_array(&j);
    while (json_next_item(&j) && json_skip(&j))
        n++;
    *ret_n = n;
    list = arena_try(a, (n + 1) * sizeof(*list));
    if (!list)
        return NULL;
    json_init_checked(&j, input->raw);
    json_enter_array(&j);
    for (size_t i = 0; json_next_item(&j) && json_read(&j, &item); i++)
        list[is_rising ? i : n - 1 - i] = item;
    return list;
}

/* The ids of a page and its items; `index` counts from the oldest item on. */
struct listing {
    const struct json_value *items;
    size_t n;
    bool is_rising;
    struct arena *arena;
};

static struct str listed_id(const struct listing *l, size_t at)
{
    struct listed item;

    read_listed(&l->items[at], &item);
    return id_of(&item, l->is_rising ? at : l->n - 1 - at, l->arena);
}

/* The first item behind that of the id `after`; beyond the end: there is none of that id. */
static size_t first_of(const struct listing *l, struct str after)
{
    size_t at = 0;

    if (after.n == 0)
        return 0;
    while (at < l->n && !str_eq(listed_id(l, at), after))
        at++;
    return at + 1;
}

static void write_end(struct json_writer *w, const char *name, const struct listing *l, bool is,
                      size_t at)
{
    json_w_key(w, name);
    if (is)
        json_w_str(w, listed_id(l, at));
    else
        json_w_null(w);
}

static enum err write_page(const struct listing *l, size_t from, size_t limit, struct buf *out)
{
    size_t end = l->n - from > limit ? from + limit : l->n;
    size_t before = out->n;
    struct json_writer w;
    enum err err;

    json_w_init(&w, out);
    json_w_object(&w);
    json_w_member_str(&w, "object", STR("list"));
    json_w_key(&w, "data");
    json_w_array(&w);
    for (size_t i = from; i < end; i++)
        write_listed(&w, &l->items[i], listed_id(l, i));
    json_w_array_end(&w);
    write_end(&w, "first_id", l, end > from, from);
    write_end(&w, "last_id", l, end > from, end - 1);
    json_w_member_bool(&w, "has_more", end < l->n);
    json_w_object_end(&w);
    err = json_w_end(&w);
    if (err)
        buf_truncate(out, before);
    return err;
}

enum err responses_list_input(struct str record, const struct responses_page *page, struct arena *a,
                              struct buf *out)
{
    struct listing l = { .is_rising = page->is_rising, .arena = a };
    struct record r;
    size_t from;

    if (!read_record(record, &r))
        return ERR_BAD_INPUT;
    l.items = gather(&r.input, page->is_rising, a, &l.n);
    if (!l.items)
        return ERR_NOMEM;
    from = first_of(&l, page->after);
    return from > l.n ? ERR_BAD_INPUT : write_page(&l, from, page->limit, out);
}
