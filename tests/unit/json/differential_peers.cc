// SPDX-License-Identifier: Apache-2.0
// C++ for the sake of simdjson; jansson is here since its names are also ours.
#include "differential_peers.h"

#include <cstring>
#include <string_view>

#include <jansson.h>
#include <simdjson.h>

namespace
{
struct output {
    char *p;
    size_t n;

    void add(std::string_view s)
    {
        std::memcpy(p + n, s.data(), s.size());
        n += s.size();
        p[n++] = '\0';
    }
    void add(double d)
    {
        d += 0.0; // -0 becomes 0
        std::memcpy(p + n, &d, sizeof(d));
        n += sizeof(d);
    }
};

void collect(simdjson::dom::element e, output &out)
{
    using type = simdjson::dom::element_type;

    if (e.type() == type::ARRAY) {
        for (simdjson::dom::element item : simdjson::dom::array(e))
            collect(item, out);
    } else if (e.type() == type::OBJECT) {
        for (simdjson::dom::key_value_pair member : simdjson::dom::object(e)) {
            out.add(member.key);
            collect(member.value, out);
        }
    } else if (e.type() == type::STRING) {
        out.add(std::string_view(e));
    } else if (e.is_number()) {
        out.add(double(e));
    }
}

void collect(json_t *e, output &out)
{
    if (json_is_array(e)) {
        for (size_t i = 0; i < json_array_size(e); i++)
            collect(json_array_get(e, i), out);
    } else if (json_is_object(e)) {
        for (void *i = json_object_iter(e); i; i = json_object_iter_next(e, i)) {
            out.add(std::string_view(json_object_iter_key(i), json_object_iter_key_len(i)));
            collect(json_object_iter_value(i), out);
        }
    } else if (json_is_string(e)) {
        out.add(std::string_view(json_string_value(e), json_string_length(e)));
    } else if (json_is_number(e)) {
        out.add(json_number_value(e));
    }
}

enum peer_verdict verdict_of(const json_error_t &error)
{
    switch (json_error_code(&error)) {
    case json_error_numeric_overflow:
        return PEER_NUMBER;
    case json_error_null_byte_in_key:
        return PEER_NUL_IN_KEY;
    default:
        return PEER_REFUSES;
    }
}
}

enum peer_verdict jansson_judge(const char *text, size_t n, char *leaves, size_t *ret_n)
{
    const size_t flags = JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL;
    output out = { leaves, 0 };
    json_error_t error;
    json_t *root = json_loadb(text, n, flags, &error);

    if (!root)
        return verdict_of(error);
    json_decref(root);
    root = json_loadb(text, n, flags | JSON_REJECT_DUPLICATES, &error);
    if (!root)
        return PEER_HAS_DUPLICATES;
    collect(root, out);
    json_decref(root);
    *ret_n = out.n;
    return PEER_ACCEPTS;
}

enum peer_verdict simdjson_judge(const char *text, size_t n, char *leaves, size_t *ret_n)
{
    static simdjson::dom::parser parser;
    output out = { leaves, 0 };
    simdjson::dom::element root;
    simdjson::error_code error = parser.parse(text, n, true).get(root);

    if (error)
        return error == simdjson::NUMBER_ERROR ? PEER_NUMBER : PEER_REFUSES;
    collect(root, out);
    *ret_n = out.n;
    return PEER_ACCEPTS;
}
