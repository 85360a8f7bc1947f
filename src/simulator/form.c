/* SPDX-License-Identifier: Apache-2.0 */
/* One pass over the body; each delimiter is looked for from where the last one ended. */
#include "simulator/form.h"

enum { BOUNDARY_MAX = 70 };

/* Behind the "\r\n--" that `out` begins with; empty when Content-Type names no boundary. */
static struct str delimiter_of(const struct http_head *head, char out[BOUNDARY_MAX + 5])
{
    struct str type = http_value(head, "content-type");
    size_t at = str_find(type, STR("boundary="));
    struct str boundary;

    if (!str_starts_nocase(type, STR("multipart/form-data;")) || at == SIZE_MAX)
        return STR("");
    boundary = str_trim(str_cut(str_from(type, at + 9), ';', &(struct str){ NULL, 0 }));
    if (boundary.n > 2 && boundary.p[0] == '"')
        boundary = str_sub(boundary, 1, boundary.n - 2);
    if (boundary.n == 0 || boundary.n > BOUNDARY_MAX)
        return STR("");
    str_to_z(boundary, out + 4, BOUNDARY_MAX + 1);
    return (struct str){ out, boundary.n + 4 };
}

/* The value of `name="..."`, p NULL without it. */
static struct str parameter(struct str line, struct str name)
{
    size_t at = str_find(line, name);

    if (at == SIZE_MAX)
        return (struct str){ NULL, 0 };
    return str_cut(str_from(line, at + name.n), '"', &(struct str){ NULL, 0 });
}

static enum err read_head(struct str head, struct sim_part *part, const char **ret_why)
{
    while (head.n > 0) {
        struct str line = str_trim(str_cut(head, '\n', &head));
        struct str value;
        struct str name = str_cut(line, ':', &value);

        if (!value.p) {
            *ret_why = "a line of a part's head has no colon";
            return ERR_BAD_INPUT;
        }
        if (!str_eq_nocase(name, STR("content-disposition")))
            continue;
        if (!str_starts(str_trim(value), STR("form-data;")))
            break;
        part->name = parameter(value, STR(" name=\""));
        part->filename = parameter(value, STR("; filename=\""));
    }
    *ret_why = "a part has no Content-Disposition: form-data with a name";
    return part->name.n > 0 ? ERR_NONE : ERR_BAD_INPUT;
}

/* Cuts one part off *rest, which stands behind a delimiter and its CRLF. */
static enum err read_part(struct str *rest, struct str delimiter, struct sim_part *part,
                          const char **ret_why)
{
    size_t head = str_find(*rest, STR("\r\n\r\n"));
    size_t end = str_find(*rest, delimiter);

    *ret_why = "a part does not end with the boundary";
    if (head == SIZE_MAX || end == SIZE_MAX || end < head + 4)
        return ERR_BAD_INPUT;
    part->content = str_sub(*rest, head + 4, end - head - 4);
    if (read_head(str_sub(*rest, 0, head), part, ret_why))
        return ERR_BAD_INPUT;
    *rest = str_from(*rest, end + delimiter.n);
    return ERR_NONE;
}

enum err sim_form_read(const struct http_head *head, struct str body, struct sim_form *ret,
                       const char **ret_why)
{
    char text[BOUNDARY_MAX + 5] = "\r\n--";
    struct str delimiter = delimiter_of(head, text);
    struct str rest = str_from(body, delimiter.n > 2 ? delimiter.n - 2 : 0);

    ret->n = 0;
    *ret_why = "the body is no multipart/form-data";
    if (delimiter.n == 0 || !str_starts(body, str_from(delimiter, 2)))
        return ERR_BAD_INPUT;
    while (str_starts(rest, STR("\r\n")) && ret->n < SIM_PARTS_MAX) {
        struct sim_part *part = &ret->parts[ret->n++];

        rest = str_from(rest, 2);
        *part = (struct sim_part){ .content = STR("") };
        if (read_part(&rest, delimiter, part, ret_why))
            return ERR_BAD_INPUT;
    }
    *ret_why = "the form does not end with its boundary and \"--\"";
    if (!str_eq(rest, STR("--\r\n")) && !str_eq(rest, STR("--")))
        return ERR_BAD_INPUT;
    return ERR_NONE;
}

const struct sim_part *sim_form_find(const struct sim_form *f, const char *name)
{
    for (size_t i = 0; i < f->n; i++)
        if (str_eq(f->parts[i].name, str_of(name)))
            return &f->parts[i];
    return NULL;
}
