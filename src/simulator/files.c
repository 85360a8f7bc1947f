/* SPDX-License-Identifier: Apache-2.0 */
/* POST, GET and DELETE /files: what was uploaded stays until it is deleted or all is reset. */
#include "simulator/files.h"

#include <stdio.h>

#include "base/mem.h"
#include "simulator/call.h"
#include "simulator/form.h"

enum { LIST_MAX = 1 << 20, NAME_MAX_BYTES = 128, ID_SIZE = 24 };

struct sim_file {
    struct list node;
    char id[ID_SIZE];
    char name[NAME_MAX_BYTES];
    char purpose[32];
    size_t n;
    char bytes[];
};

void sim_files_init(struct sim_files *f)
{
    f->n = 0;
    f->made = 0;
    list_init(&f->list);
}

static void drop(struct sim_files *f, struct sim_file *file)
{
    list_remove(&file->node);
    f->n--;
    mem_free(file);
}

void sim_files_deinit(struct sim_files *f)
{
    while (!list_is_empty(&f->list))
        drop(f, CONTAINER_OF(f->list.next, struct sim_file, node));
}

static struct sim_file *find(struct sim_files *f, struct str id)
{
    LIST_EACH (node, &f->list) {
        struct sim_file *file = CONTAINER_OF(node, struct sim_file, node);

        if (str_eq(str_of(file->id), id))
            return file;
    }
    return NULL;
}

static void write_file(struct json_writer *w, const struct sim_file *file)
{
    json_w_object(w);
    json_w_member_str(w, "id", str_of(file->id));
    json_w_member_str(w, "object", STR("file"));
    json_w_member_int(w, "bytes", (int64_t)file->n);
    json_w_member_int(w, "created_at", 1700000000);
    json_w_member_str(w, "filename", str_of(file->name));
    json_w_member_str(w, "purpose", str_of(file->purpose));
    json_w_member_str(w, "status", STR("processed"));
    json_w_object_end(w);
}

static void reply_file(struct sim_call *c, const struct sim_file *file)
{
    struct json_writer w;
    struct buf text;

    buf_init(&text, LIST_MAX);
    json_w_init(&w, &text);
    write_file(&w, file);
    sim_call_reply_written(c, &w);
    buf_deinit(&text);
}

/* ---- POST /files ---- */

static bool is_purpose(struct str text)
{
    static const char *const known[] = { "assistants", "batch",     "evals",
                                         "fine-tune",  "user_data", "vision" };

    for (size_t i = 0; i < COUNT_OF(known); i++)
        if (str_eq(text, str_of(known[i])))
            return true;
    return false;
}

bool sim_check_upload(struct sim_call *c)
{
    struct sim_form *form;
    const struct sim_part *file, *purpose;
    const char *why;

    sim_call_keep_request(c);
    if (!sim_check_key(c))
        return false;
    form = arena_new(&c->r->arena, struct sim_form);
    if (sim_form_read(&c->r->head, c->r->body, form, &why))
        return sim_call_refuse(c, 400, NULL, "%s", why);
    file = sim_form_find(form, "file");
    purpose = sim_form_find(form, "purpose");
    if (!file || !file->filename.p)
        return sim_call_refuse(c, 400, NULL, "'file' is a required property");
    if (!purpose || !is_purpose(purpose->content))
        return sim_call_refuse(c, 400, NULL, "'purpose' is not one of the known purposes");
    if (c->s->files.n == SIM_FILES_MAX)
        return sim_call_refuse(c, 400, NULL, "there are %d files already", SIM_FILES_MAX);
    c->form = form;
    return true;
}

void sim_run_upload(struct sim_call *c)
{
    struct sim_files *f = &c->s->files;
    const struct sim_part *part = sim_form_find(c->form, "file");
    struct sim_file *file = mem_alloc(sizeof(*file) + part->content.n);

    snprintf(file->id, sizeof(file->id), "file-sim%06u", ++f->made);
    str_to_z(part->filename, file->name, sizeof(file->name));
    str_to_z(sim_form_find(c->form, "purpose")->content, file->purpose, sizeof(file->purpose));
    file->n = part->content.n;
    memcpy(file->bytes, part->content.p, file->n);
    list_add_tail(&f->list, &file->node);
    f->n++;
    reply_file(c, file);
}

/* ---- GET and DELETE ---- */

bool sim_check_files(struct sim_call *c)
{
    sim_call_keep_request(c);
    return sim_check_key(c);
}

bool sim_check_file(struct sim_call *c)
{
    if (!sim_check_files(c))
        return false;
    return find(&c->s->files, c->param) ? true : sim_call_reply_not_found(c);
}

void sim_run_files(struct sim_call *c)
{
    struct json_writer w;
    struct buf text;

    buf_init(&text, LIST_MAX);
    json_w_init(&w, &text);
    json_w_object(&w);
    json_w_member_str(&w, "object", STR("list"));
    json_w_key(&w, "data");
    json_w_array(&w);
    LIST_EACH (node, &c->s->files.list)
        write_file(&w, CONTAINER_OF(node, struct sim_file, node));
    json_w_array_end(&w);
    json_w_member_bool(&w, "has_more", false);
    json_w_object_end(&w);
    sim_call_reply_written(c, &w);
    buf_deinit(&text);
}

/* A delay may have passed since it was there. NULL: the request was answered. */
static struct sim_file *still_there(struct sim_call *c)
{
    struct sim_file *file = find(&c->s->files, c->param);

    if (!file)
        sim_call_reply_not_found(c);
    return file;
}

void sim_run_file(struct sim_call *c)
{
    const struct sim_file *file = still_there(c);

    if (file)
        reply_file(c, file);
}

void sim_run_file_content(struct sim_call *c)
{
    const struct sim_file *file = still_there(c);

    if (!file)
        return;
    sim_call_header(c, "content-type", STR("application/octet-stream"));
    sim_call_header(c, "content-disposition",
                    arena_printf(&c->r->arena, "attachment; filename=\"%s\"", file->name));
    sim_call_reply(c, 200, (struct str){ file->bytes, file->n });
}

void sim_run_file_delete(struct sim_call *c)
{
    struct sim_file *file = still_there(c);
    struct json_writer w;
    struct buf text;

    if (!file)
        return;
    buf_init(&text, LIST_MAX);
    json_w_init(&w, &text);
    json_w_object(&w);
    json_w_member_str(&w, "id", c->param);
    json_w_member_str(&w, "object", STR("file"));
    json_w_member_bool(&w, "deleted", true);
    json_w_object_end(&w);
    drop(&c->s->files, file);
    sim_call_reply_written(c, &w);
    buf_deinit(&text);
}
