/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/openai/frame.h"

#include "json/reader.h"
#include "json/scan.h"

enum { FRAME_MAX = 2048 };

void frame_init(struct frame *f)
{
    *f = (struct frame){ 0 };
    buf_init(&f->around, FRAME_MAX);
}

void frame_deinit(struct frame *f)
{
    buf_deinit(&f->around);
    f->head = 0;
}

/* Where `part` begins in `whole`; SIZE_MAX when it lies elsewhere. */
static size_t place_in(struct str whole, struct str part)
{
    uintptr_t at = (uintptr_t)part.p - (uintptr_t)whole.p;

    return part.p && at < whole.n ? (size_t)at : SIZE_MAX;
}

static bool is_one_text(const struct chunk *c)
{
    return c->first && !c->first->next &&
           (c->first->type == PIECE_TEXT || c->first->type == PIECE_REASONING);
}

void frame_keep(struct frame *f, struct str json, const struct chunk *chunk)
{
    size_t at = is_one_text(chunk) ? place_in(json, chunk->first->text) : SIZE_MAX;
    size_t model = place_in(json, chunk->model);

    if (at == SIZE_MAX || chunk->error.p)
        return;
    buf_clear(&f->around);
    f->head = 0;
    if (buf_add_all(&f->around,
                    STRS(str_sub(json, 0, at), str_from(json, at + chunk->first->text.n))))
        return;
    f->head = at;
    f->chunk = *chunk;
    f->piece = *chunk->first;
    f->is_model_behind = model != SIZE_MAX && model > at;
    f->model_at = f->is_model_behind ? json.n - model : model;
}

/* The text of a chunk that is like the kept one; false when it is not. */
static bool find_text(const struct frame *f, struct str json, struct json_value *ret)
{
    struct str tail = str_from(buf_str(&f->around), f->head);
    const char *text = json.p + f->head;
    const char *end;

    if (f->head == 0 || json.n <= f->around.n || memcmp(json.p, f->around.p, f->head) != 0)
        return false;
    end = json.p + (json.n - tail.n);
    if (memcmp(end, tail.p, tail.n) != 0)
        return false;
    *ret = (struct json_value){ JSON_STRING, { text - 1, (size_t)(end - text) + 2 }, false };
    return scan_string(text, json.p + json.n, true, &ret->escaped) == end;
}

bool frame_read(struct frame *f, struct str json, struct arena *a, struct chunk *ret)
{
    struct json_value text;

    if (!find_text(f, json, &text) || json_text(&text, a, &f->piece.text))
        return false;
    *ret = f->chunk;
    ret->first = ret->last = &f->piece;
    if (ret->model.p)
        ret->model.p = f->is_model_behind ? json.p + json.n - f->model_at : json.p + f->model_at;
    return true;
}
