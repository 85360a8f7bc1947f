/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the gateway does about an answer that it did not want (docs/internals/accounts.md has the
 * table). Whether a prompt may go out again at all is not decided here, but by how far the call is.
 */
#pragma once

enum reaction {
    REACT_GIVE_UP,   /* nothing would become better: the client is told */
    REACT_RETRY,     /* in a moment, on another connection, by any account */
    REACT_OTHER,     /* another account; this one knows by itself that it cannot */
    REACT_COOL_DOWN, /* this account rests for this model; another account */
    REACT_UNUSABLE,  /* this account cannot serve this model; another account */
    REACT_DISTRUST,  /* this account rests for all models; another account */
};
