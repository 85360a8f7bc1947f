/* SPDX-License-Identifier: Apache-2.0 */
/* Nothing is kept between two looks: the beginning is short, and read again when it has grown by
 * half. */
#include "gateway/relay_model.h"

#include "json/reader.h"
#include "json/writer.h"

enum { BOUNDARY_MAX = 70, PART_HEAD_MAX = 4096 };

/* ---- JSON ---- */

static enum relay_verdict take_string(struct str start, const struct json_value *v, struct arena *a,
                                      struct relay_model *ret)
{
    if (v->type != JSON_STRING || v->raw.n > 6 * RELAY_MODEL_MAX + 2 ||
        json_text(v, a, &ret->name) || ret->name.n == 0 || ret->name.n > RELAY_MODEL_MAX)
        return RELAY_MODEL_NONE;
    ret->name = arena_dup(a, ret->name); /* it may lie in the body */
    ret->is_json = true;
    ret->at = (size_t)(v->raw.p - start.p);
    ret->n = v->raw.n;
    return RELAY_MODEL_FOUND;
}

/* A number that ends with what is here may go on ("2" is the beginning of "2e9", and of "2e?"). */
static bool is_cut_short(struct str start, const struct json_value *v)
{
    return v->type == JSON_NUMBER && v->raw.p + v->raw.n == start.p + start.n;
}

/* What is wrong may only be cut short. */
static enum relay_verdict find_in_json(struct str start, struct arena *a, struct relay_model *ret)
{
    struct json_value v;
    struct str key;
    struct json j;
    struct str text = str_trim(start);

    if (text.n > 0 && text.p[0] != '{')
        return RELAY_MODEL_NONE;
    json_init(&j, start, JSON_DEPTH_MAX);
    if (!json_enter_object(&j))
        return RELAY_MODEL_UNKNOWN;
    while (json_next_member(&j, &key)) {
        if (!json_read(&j, &v) || is_cut_short(start, &v))
            return RELAY_MODEL_UNKNOWN;
        if (json_key_eq(key, STR("model")))
            return take_string(start, &v, a, ret);
    }
    return j.failed ? RELAY_MODEL_UNKNOWN : RELAY_MODEL_NONE;
}

static size_t count_in_json(struct str start, bool *ret_is_whole)
{
    struct str key;
    struct json j;
    size_t n = 0;

    *ret_is_whole = false;
    json_init(&j, start, JSON_DEPTH_MAX);
    if (!json_enter_object(&j))
        return 0;
    while (json_next_member(&j, &key)) {
        n += json_key_eq(key, STR("model"));
        json_skip(&j);
    }
    *ret_is_whole = json_end(&j) == ERR_NONE;
    return n;
}

/* ---- parameters of a header (RFC 9110 5.6.6, RFC 7578 4.2) ---- */

/* Cuts `; name="value"` off *rest; a value in quotes is given without them, its escapes as they
 * are. False at the end. */
static bool next_parameter(struct str *rest, struct str *ret_name, struct str *ret_value)
{
    size_t n = 0;

    while (rest->n > 0 && (rest->p[0] == ';' || rest->p[0] == ' ' || rest->p[0] == '\t'))
        *rest = str_from(*rest, 1);
    if (rest->n == 0)
        return false;
    while (n < rest->n && rest->p[n] != '=' && rest->p[n] != ';')
        n++;
    *ret_name = str_trim(str_sub(*rest, 0, n));
    *ret_value = STR("");
    *rest = str_from(*rest, n);
    if (rest->n == 0 || rest->p[0] == ';')
        return true;
    *rest = str_from(*rest, 1);
    if (rest->n > 0 && rest->p[0] == '"') {
        for (n = 1; n < rest->n && rest->p[n] != '"'; n++)
            n += rest->p[n] == '\\';
        *ret_value = str_sub(*rest, 1, n - 1);
        *rest = str_from(*rest, n + 1);
        return true;
    }
    *ret_value = str_trim(str_cut(*rest, ';', rest));
    return true;
}

/* The first parameter of that name; p NULL when there is none. */
static struct str parameter(struct str header, const char *name)
{
    struct str rest = header;
    struct str key, value;

    str_cut(header, ';', &rest);
    while (next_parameter(&rest, &key, &value))
        if (str_eq_nocase(key, str_of(name)))
            return value;
    return (struct str){ NULL, 0 };
}

/* ---- multipart/form-data ---- */

/* What the head of a part says it is. */
static bool is_model_part(struct str head)
{
    while (head.n > 0) {
        struct str line = str_cut(head, '\n', &head);
        struct str value;

        if (!str_eq_nocase(str_trim(str_cut(line, ':', &value)), STR("content-disposition")))
            continue;
        return str_eq(parameter(value, "name"), STR("model")) && !parameter(value, "filename").p;
    }
    return false;
}

static enum relay_verdict take_field(struct str start, struct str value, struct arena *a,
                                     struct relay_model *ret)
{
    if (value.n == 0 || value.n > RELAY_MODEL_MAX || memchr(value.p, '\0', value.n))
        return RELAY_MODEL_NONE;
    ret->is_json = false;
    ret->at = (size_t)(value.p - start.p);
    ret->n = value.n;
    ret->name = arena_dup(a, value);
    return RELAY_MODEL_FOUND;
}

struct form {
    char text[BOUNDARY_MAX + 5];
    struct str delimiter; /* CRLF, "--" and the boundary */
    struct str rest;      /* behind the last one that was passed */
};

/* Goes behind the first delimiter. */
static enum relay_verdict open_form(struct form *f, struct str content_type, struct str start)
{
    struct str boundary = parameter(content_type, "boundary");
    size_t at;

    if (boundary.n == 0 || boundary.n > BOUNDARY_MAX)
        return RELAY_MODEL_NONE;
    memcpy(f->text, "\r\n--", 4);
    str_to_z(boundary, f->text + 4, sizeof(f->text) - 4);
    f->delimiter = (struct str){ f->text, boundary.n + 4 };
    /* The first may stand at the very beginning, without a CRLF. */
    if (start.n < f->delimiter.n - 2)
        return RELAY_MODEL_UNKNOWN;
    if (str_starts(start, str_from(f->delimiter, 2))) {
        f->rest = str_from(start, f->delimiter.n - 2);
        return RELAY_MODEL_FOUND;
    }
    at = str_find(start, f->delimiter);
    if (at == SIZE_MAX)
        return RELAY_MODEL_UNKNOWN;
    f->rest = str_from(start, at + f->delimiter.n);
    return RELAY_MODEL_FOUND;
}

/* Cuts one part off. NONE: there is no more, or it is no form. */
static enum relay_verdict next_part(struct form *f, bool *ret_is_model, struct str *ret_value)
{
    struct str part = f->rest;
    size_t head = str_find(str_sub(part, 0, PART_HEAD_MAX), STR("\r\n\r\n"));
    size_t end;

    if (str_starts(part, STR("--")))
        return RELAY_MODEL_NONE;
    if (head == SIZE_MAX)
        return part.n < PART_HEAD_MAX ? RELAY_MODEL_UNKNOWN : RELAY_MODEL_NONE;
    if (!str_starts(part, STR("\r\n")))
        return RELAY_MODEL_NONE;
    *ret_is_model = is_model_part(str_sub(part, 2, head > 2 ? head - 2 : 0));
    part = str_from(part, head + 2); /* an empty body ends right behind the head's last CRLF */
    end = str_find(part, f->delimiter);
    if (end == SIZE_MAX)
        return *ret_is_model && part.n > 2 + RELAY_MODEL_MAX + f->delimiter.n ? RELAY_MODEL_NONE
                                                                              : RELAY_MODEL_UNKNOWN;
    *ret_value = str_sub(part, 2, end > 2 ? end - 2 : 0);
    f->rest = str_from(part, end + f->delimiter.n);
    return RELAY_MODEL_FOUND;
}

static enum relay_verdict find_in_form(struct str content_type, struct str start, struct arena *a,
                                       struct relay_model *ret)
{
    struct form f;
    struct str value;
    bool is_model;
    enum relay_verdict verdict = open_form(&f, content_type, start);

    while (verdict == RELAY_MODEL_FOUND) {
        verdict = next_part(&f, &is_model, &value);
        if (verdict == RELAY_MODEL_FOUND && is_model)
            return take_field(start, value, a, ret);
    }
    return verdict;
}

static size_t count_in_form(struct str content_type, struct str start, bool *ret_is_whole)
{
    struct form f;
    struct str value;
    bool is_model;
    size_t n = 0;

    *ret_is_whole = false;
    if (open_form(&f, content_type, start) != RELAY_MODEL_FOUND)
        return 0;
    while (next_part(&f, &is_model, &value) == RELAY_MODEL_FOUND)
        n += is_model;
    *ret_is_whole = str_starts(f.rest, STR("--"));
    return n;
}

/* ---- both ---- */

static struct str type_of(struct str content_type)
{
    return str_trim(str_cut(content_type, ';', &(struct str){ NULL, 0 }));
}

enum relay_verdict relay_model_find(struct str content_type, struct str start, struct arena *a,
                                    struct relay_model *ret)
{
    struct str type = type_of(content_type);

    *ret = (struct relay_model){ .n = 0 };
    if (str_eq_nocase(type, STR("application/json")))
        return find_in_json(start, a, ret);
    if (str_eq_nocase(type, STR("multipart/form-data")))
        return find_in_form(content_type, start, a, ret);
    return RELAY_MODEL_NONE;
}

/* How many are named; whether the body was understood to its end. */
static size_t count(struct str content_type, struct str start, bool *ret_is_whole)
{
    struct str type = type_of(content_type);

    if (str_eq_nocase(type, STR("application/json")))
        return count_in_json(start, ret_is_whole);
    if (str_eq_nocase(type, STR("multipart/form-data")))
        return count_in_form(content_type, start, ret_is_whole);
    *ret_is_whole = false;
    return 0;
}

bool relay_model_is_doubled(struct str content_type, struct str start)
{
    return count(content_type, start, &(bool){ false }) > 1;
}

bool relay_model_is_sure(struct str content_type, struct str body)
{
    bool is_whole;

    return count(content_type, body, &is_whole) == 1 && is_whole;
}

bool relay_model_is_due(size_t looked, size_t n)
{
    size_t step = looked / 2 > RELAY_START_STEP ? looked / 2 : RELAY_START_STEP;

    return n >= RELAY_START_MIN && (n >= RELAY_START_MAX || looked == 0 || n - looked >= step);
}

static enum err add_name(bool is_json, struct str name, struct buf *out)
{
    struct json_writer w;

    if (is_json) {
        json_w_init(&w, out);
        json_w_str(&w, name);
        return json_w_end(&w);
    }
    if (name.n > 0 && (memchr(name.p, '\r', name.n) || memchr(name.p, '\n', name.n)))
        return ERR_BAD_INPUT;
    return buf_add(out, name);
}

enum err relay_model_replace(const struct relay_model *m, struct str start, struct str name,
                             struct buf *out)
{
    enum err err = buf_add(out, str_sub(start, 0, m->at));

    if (!err)
        err = add_name(m->is_json, name, out);
    return err ? err : buf_add(out, str_from(start, m->at + m->n));
}
