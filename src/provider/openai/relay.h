/* SPDX-License-Identifier: Apache-2.0 */
/* This provider's side of provider/relay.h; private to this folder. */
#pragma once

#include "provider/relay.h"

extern const struct relay_ops openai_relay;
