/* SPDX-License-Identifier: Apache-2.0 */
/* Messages and frames that do not belong into an answer; see stray.h. */
#include "simulator/stray.h"

#include <stdio.h>

#include "simulator/shapes.h"
#include "simulator/wire.h"

static const char label[] = "{\"type\":\"label\",\"label\":\"stray\"}";
static const char unknown[] = "{\"type\":\"telemetry\",\"data\":{\"buffer\":[1,2,3]}}";
static const char bad_buffer[] = "{\"type\":\"update\",\"buffer\":\"{no\"}";
static const char bad_utf8[] = "{\"type\":\"label\",\"label\":\"\xff\xc0\x80\"}";

/* Says that 2^62 bytes follow. */
static const char endless[] = "\x81\x7f\x40\0\0\0\0\0\0\0{\"type\":";

static enum err add_oversized(struct buf *message, int bytes)
{
    char *room;
    enum err err = buf_add(message, STR("{\"type\":\"label\",\"label\":\""));

    if (!err)
        err = buf_reserve(message, (size_t)bytes, &room);
    if (err)
        return err;
    memset(room, 'x', (size_t)bytes);
    buf_commit(message, (size_t)bytes);
    return buf_add(message, STR("\"}"));
}

static enum err add_history(struct buf *message, const struct sim_order *o, size_t text_sent)
{
    struct sim_history_message messages[2] = {
        { .is_user = true, .content = o->prompt },
        { .is_user = false, .content = str_sub(o->text, 0, text_sent) },
    };
    enum sim_history how =
        o->settings->history == SIM_HISTORY_BLOCKS ? SIM_HISTORY_BLOCKS : SIM_HISTORY_STRING;

    (void)snprintf(messages[0].id, sizeof(messages[0].id), "%s_user", o->message_id);
    (void)snprintf(messages[1].id, sizeof(messages[1].id), "%s", o->message_id);
    return sim_shape_history(message, how, messages, COUNT_OF(messages));
}

/* Those that are text messages. */
static enum err add_message(struct buf *message, const struct sim_order *o,
                            const struct sim_fault *f, size_t pieces, size_t text_sent)
{
    switch (f->kind) {
    case SIM_NOT_JSON:
        return buf_add(message, f->body.p ? f->body : STR("this is no JSON {"));
    case SIM_UNKNOWN:
        return buf_add(message, f->body.p ? f->body : str_of(unknown));
    case SIM_BAD_BUFFER:
        return buf_add(message, str_of(bad_buffer));
    case SIM_SEND_PONG:
        return buf_add(message, STR("pong"));
    case SIM_SEND_LABEL:
        return sim_shape_label(message, o->prompt);
    case SIM_SEND_ACTIVITY:
        return sim_shape_activity(message, o->settings, o->message_id, pieces);
    case SIM_SEND_ECHO:
        return sim_shape_echo(message, o->settings, o->message_id, o->prompt);
    case SIM_SEND_HISTORY:
        return add_history(message, o, text_sent);
    case SIM_OVERSIZED:
        return add_oversized(message, f->bytes);
    default:
        return ERR_NOT_FOUND;
    }
}

static enum err add_frame(struct buf *out, int kind)
{
    switch (kind) {
    case SIM_BAD_UTF8:
        return sim_wire_frame(out, WIRE_FIN | WIRE_TEXT, false, str_of(bad_utf8));
    case SIM_BINARY:
        return sim_wire_frame(out, WIRE_FIN | WIRE_BINARY, false, str_of(label));
    case SIM_MASKED:
        return sim_wire_frame(out, WIRE_FIN | WIRE_TEXT, true, str_of(label));
    case SIM_RESERVED:
        return sim_wire_frame(out, WIRE_FIN | WIRE_RSV1 | WIRE_TEXT, false, str_of(label));
    case SIM_SEND_PING:
        return sim_wire_frame(out, WIRE_FIN | WIRE_PING, false, STR("hello"));
    case SIM_ENDLESS:
        return buf_add(out, (struct str){ endless, sizeof(endless) - 1 });
    default:
        return ERR_NONE;
    }
}

enum err sim_stray_write(struct buf *out, const struct sim_order *order,
                         const struct sim_fault *fault, size_t pieces, size_t text_sent)
{
    struct buf message;
    enum err err;

    buf_init(&message, SIM_SCRIPT_MAX);
    err = add_message(&message, order, fault, pieces, text_sent);
    if (err == ERR_NOT_FOUND)
        err = add_frame(out, fault->kind);
    else if (!err)
        err = sim_wire_frame(out, WIRE_FIN | WIRE_TEXT, false, buf_str(&message));
    buf_deinit(&message);
    return err;
}
