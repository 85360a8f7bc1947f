// SPDX-License-Identifier: Apache-2.0
// Requests with all that a client may write into JSON: what is passed on has to be the same bytes.
// All are for the model "big".

const MEMBERS = [
  '"temperature":1e400',
  '"temperature":-0',
  '"temperature":0.30000000000000004',
  '"top_p":1E-7',
  '"seed":9007199254740993',
  '"seed":-1',
  '"n":3',
  '"n":1',
  '"logprobs":true',
  '"logprobs":true,"top_logprobs":2',
  '"stop":["a","b"]',
  '"stop":"\\u0061"',
  '"stop":null',
  '"max_tokens":3',
  '"max_completion_tokens":2',
  '"response_format":{"type":"json_object"}',
  '"response_format":{"type":"json_schema","json_schema":{"name":"a","schema":{"type":"object"}}}',
  '"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}]',
  '"tools":[{"type":"function","function":{"name":"\\u0066"}}],"tool_choice":"auto"',
  '"tools":[],"tool_choice":"none"',
  '"parallel_tool_calls":false',
  '"user":"somebody"',
  '"metadata":{"a":{"b":[1,2,{"c":null}]}}',
  '"unknown":1,"unknown":2',
  '"unknown":{"x":1,"x":2}',
  '"unknown":1e400,"other":-0.0',
  '"\\u0075nknown":"\\/"',
  '"logit_bias":{"50256":-100}',
  '"presence_penalty":0.0,"frequency_penalty":-0.0',
  '"service_tier":"auto","store":false',
  '"reasoning_effort":"low"',
  '"modalities":["text"]',
  '"prediction":{"type":"content","content":"x"}',
  '"  spaces  " : [ 1 ,\\n 2 ]'.replace('\\n', '\n'),
  '"":0',
];

const CONTENTS = [
  '"!echo plain"',
  '"!unicode"',
  '"!echo \\u00e9\\ud83d\\ude00 \u{1f600} \u05d0"',
  '"!tool f {\\"a\\":1}"',
  '"!think hm\\n!echo thought"',
  '"!say \\"\\""',
  '"!lorem 300"',
  '"!bytes 5000 7"',
  '[{"type":"text","text":"one"},{"type":"text","text":"!echo two"}]',
  `[{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo="}},
    {"type":"text","text":"!echo seen"}]`,
  '[{"type":"text","text":"!echo x","unknown":-0}]',
];

const ask = (content, rest) =>
  `{"model":"big","messages":[{"role":"user","content":"${content}"}],${rest}}`;
const STREAM = '"stream":true,"stream_options":{"include_usage":true}';

const OTHERS = [
  `{"model":"big","messages":[{"role":"system","content":"s"},
    {"role":"developer","content":"d"},{"role":"user","content":"!echo x"}]}`,
  `{"model":"big","messages":[{"role":"user","content":"a"},
    {"role":"assistant","content":null,"tool_calls":[
      {"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},
    {"role":"tool","tool_call_id":"c","content":"!echo done"}]}`,
  '{"messages":[{"content":"!echo order","role":"user"}],"model":"big"}',
  ' { "model" : "big" , "messages" : [ { "role" : "user" , "content" : "!echo blanks" } ] } ',
  '{"model":"big","messages":[{"role":"user","content":"!echo named","name":"bob"}]}',
  ask('!echo usage', STREAM),
  ask('!lorem 50', `${STREAM},"n":3`),
  ask('!tool f {\\"a\\":[1,2]}', STREAM),
  ask('!unicode', STREAM),
  ask('!lorem 9', `${STREAM},"logprobs":true`),
  ask('!think a b\\n!echo c', STREAM),
  ask('!echo late', '"stream":false'),
  ask(`${'long '.repeat(210000)}\\n!echo end`, '"user":"1 MB"'),
  ask('!echo deep', `"deep":${'['.repeat(50)}${']'.repeat(50)}`),
];

export const BODIES = [
  ...MEMBERS.map(
    (one) => `{"model":"big",${one},"messages":[{"role":"user","content":"!echo body"}]}`,
  ),
  ...CONTENTS.map((one) => `{"model":"big","messages":[{"role":"user","content":${one}}]}`),
  ...OTHERS,
];
