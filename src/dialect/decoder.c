/* SPDX-License-Identifier: Apache-2.0 */
/* Refusals, values and the frame of a body. decoder_shape.c has the parameters. */
#include "dialect/decoder.h"

enum {
    QUOTED_MAX = 64, /* how much of a client's own text an error message repeats */
    MEMBERS_MAX = 64
};

static const char *type_name(enum json_type type)
{
    static const char *const names[] = {
        [JSON_NONE] = "nothing",   [JSON_NULL] = "null",        [JSON_FALSE] = "a boolean",
        [JSON_TRUE] = "a boolean", [JSON_NUMBER] = "a number",  [JSON_STRING] = "a string",
        [JSON_ARRAY] = "an array", [JSON_OBJECT] = "an object",
    };

    return names[type];
}

bool decoder_refuse(struct decoder *d, struct str param, const char *what)
{
    if (d->json.failed)
        return false;
    failure_set(d->failure, d->arena, FAILURE_BAD_REQUEST, "%.*s %s.", STR_ARGS(param), what);
    d->failure->param = param;
    return false;
}

bool decoder_refuse_word(struct decoder *d, struct str param, struct str word, const char *want)
{
    word = str_sub(word, 0, QUOTED_MAX);
    failure_set(d->failure, d->arena, FAILURE_BAD_REQUEST, "%.*s must be %s, not \"%.*s\".",
                STR_ARGS(param), want, STR_ARGS(word));
    d->failure->param = param;
    return false;
}

bool decoder_soften(struct decoder *d)
{
    if (!d->may_doubt || d->failure->kind != FAILURE_BAD_REQUEST)
        return false; /* for want of memory, or bad JSON that the reader remembers */
    if (!d->request->doubt.kind)
        d->request->doubt = *d->failure;
    *d->failure = (struct failure){ 0 };
    return true;
}

bool decoder_expect(struct decoder *d, struct str param, enum json_type type, unsigned allowed,
                    const char *want)
{
    if (1u << type & allowed)
        return true;
    if (type == JSON_NONE)
        return decoder_refuse(d, param, "is missing");
    failure_set(d->failure, d->arena, FAILURE_BAD_REQUEST, "%.*s must be %s, not %s.",
                STR_ARGS(param), want, type_name(type));
    d->failure->param = param;
    return false;
}

/* Not printed: some write it for each block of a long history. */
struct str decoder_at(struct decoder *d, struct str list, size_t i, const char *rest)
{
    char digits[STR_U64_MAX];

    return arena_join(d->arena,
                      STRS(list, STR("["), str_of_u64(i, digits), STR("]"), str_of(rest)));
}

bool decoder_no_memory(struct decoder *d)
{
    failure_set(d->failure, d->arena, FAILURE_OVERLOADED,
                "There is no memory for this request at the moment; try again later.");
    return false;
}

bool decoder_text(struct decoder *d, const struct json_value *v, struct str *ret)
{
    return json_text(v, d->arena, ret) == ERR_NONE || decoder_no_memory(d);
}

bool decoder_string(struct decoder *d, struct str param, const struct json_value *v, bool must,
                    struct str *ret)
{
    if (v->type == JSON_STRING)
        return decoder_text(d, v, ret);
    *ret = STR("");
    if (!must && v->type <= JSON_NULL)
        return true;
    return decoder_expect(d, param, v->type, ALLOW_STRING, "a string");
}

bool decoder_string_at(struct decoder *d, struct str param, const char *rest,
                       const struct json_value *v, bool must, struct str *ret)
{
    if (v->type == JSON_STRING)
        return decoder_text(d, v, ret);
    param = arena_printf(d->arena, "%.*s%s", STR_ARGS(param), rest);
    return decoder_string(d, param, v, must, ret);
}

char *decoder_room(struct decoder *d, size_t size)
{
    char *room = arena_try(d->arena, size);

    if (!room)
        decoder_no_memory(d);
    return room;
}

/* Room is 4 items, then doubles whenever it is full, at powers of two. */
void *decoder_grow(struct decoder *d, void *items, size_t n, size_t size)
{
    enum { FIRST = 4 };
    bool is_full = n == 0 || (n >= FIRST && (n & (n - 1)) == 0);
    char *room = items;

    if (is_full) {
        room = arena_try(d->arena, (n ? n * 2 : FIRST) * size);
        if (!room) {
            decoder_no_memory(d);
            return NULL;
        }
        if (n > 0)
            memcpy(room, items, n * size);
    }
    memset(room + n * size, 0, size);
    return room;
}

static struct json_value *find_member(const struct decoder_member *members, size_t n,
                                      struct str key)
{
    for (size_t i = 0; i < n; i++)
        if (json_key_eq(key, str_of(members[i].name)))
            return members[i].ret;
    return NULL;
}

static void read_members(struct json *j, const struct decoder_member *members, size_t n)
{
    struct str key;

    while (json_next_member(j, &key)) {
        struct json_value *ret = find_member(members, n, key);

        if (ret)
            json_read(j, ret);
        else
            json_skip(j);
    }
}

/* The value was checked when it was read: no errors here. */
void decoder_members(const struct json_value *object, const struct decoder_member *members,
                     size_t n)
{
    struct json j;

    if (object->type != JSON_OBJECT)
        return;
    json_init_checked(&j, object->raw);
    json_enter_object(&j);
    read_members(&j, members, n);
}

enum json_type decoder_read_members(struct decoder *d, const struct decoder_member *members,
                                    size_t n)
{
    enum json_type type = json_peek(&d->json);

    if (json_enter_object(&d->json))
        read_members(&d->json, members, n);
    else
        json_skip(&d->json);
    return type;
}

/* ---- the body ---- */

/* The member that was read up to where the reader stands. */
static bool note_member(struct decoder *d, struct str key, const char *value)
{
    struct json_member *grown;

    d->has_many |= d->n_members == MEMBERS_MAX;
    if (d->has_many || d->json.failed) {
        d->n_members = 0;
        return true;
    }
    grown = decoder_grow(d, d->members, d->n_members, sizeof(*grown));
    if (!grown)
        return false;
    grown[d->n_members++] = (struct json_member){ key, { value, (size_t)(d->json.p - value) } };
    d->members = grown;
    return true;
}

static bool read_body(struct decoder *d, bool (*read_member)(struct decoder *d, struct str key))
{
    enum json_type type = json_peek(&d->json);
    struct str key;

    if (type != JSON_OBJECT && type != JSON_NONE) {
        failure_set(d->failure, d->arena, FAILURE_BAD_REQUEST,
                    "The body must be a JSON object, but at byte %zu begins %s.",
                    json_offset(&d->json), type_name(type));
        return false;
    }
    if (json_enter_object(&d->json))
        while (json_next_member(&d->json, &key)) {
            const char *value = (json_peek(&d->json), d->json.p);

            if (!read_member(d, key) || !note_member(d, key, value))
                return false;
        }
    return true;
}

static void refuse_json(struct decoder *d, struct str body)
{
    if (body.n == 0)
        failure_set(d->failure, d->arena, FAILURE_BAD_REQUEST,
                    "The body is empty; send a JSON object.");
    else if (d->json.failed == ERR_TOO_BIG)
        failure_set(d->failure, d->arena, FAILURE_BAD_REQUEST,
                    "The body is nested more than %d levels deep at byte %zu.", JSON_DEPTH_MAX,
                    json_offset(&d->json));
    else
        failure_set(d->failure, d->arena, FAILURE_BAD_REQUEST,
                    "The body is not valid JSON: error at byte %zu of %zu.", json_offset(&d->json),
                    body.n);
}

bool decoder_body(struct decoder *d, struct str body,
                  bool (*read_member)(struct decoder *d, struct str key))
{
    json_init(&d->json, body, JSON_DEPTH_MAX);
    read_body(d, read_member);
    if (!d->failure->kind && json_end(&d->json))
        refuse_json(d, body);
    return !d->failure->kind;
}
