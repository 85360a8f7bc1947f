// SPDX-License-Identifier: Apache-2.0
// Where others read the requests of requests.mjs in another way, and why: for each judge a list of
// [reason, { case: verdict }]. `node` and `nginx` differ from the gateway; `behind` is what nginx
// in front of the gateway says where that differs from nginx in front of Node.

export const DIFFERENCES = {
  node: [
    [
      'llhttp passes over any CR and LF before a request and over several spaces in ' +
        'its line.',
      {
        'two empty lines before it': 'get end',
        'a bare LF before it': 'get end',
        'a bare CR before it': 'get end',
        'two spaces before the version': 'get end',
      },
    ],
    [
      'llhttp has a list of methods and Node answers TRACE; CONNECT ends the ' +
        'connection when nobody listens for it.',
      {
        'two spaces behind the method': 'get end',
        'a method in small letters': '400',
        'a method nobody knows': '400',
        'a method of token punctuation': '400',
        'a method of 9000 letters': '400',
        'TRACE': 'TRACE end',
        'CONNECT': '',
        'CONNECT without a port': '',
        'CONNECT to a path': '',
      },
    ],
    [
      'llhttp knows 1.0, 1.1, 0.9 and 2.0 only and says 400; RFC 9110 2.5 reads a ' +
        'higher minor version as 1.1 and has 505.',
      {
        'the preface of HTTP/2': '400',
        'HTTP/1.2': '400',
        'HTTP/1.9': '400',
        'HTTP/2.0': '400',
        'HTTP/0.9 by number': '400',
        'HTTP/3.0': '400',
      },
    ],
    [
      'Node refuses bytes behind a last request; we ignore them (RFC 9112 9.6).',
      {
        'HTTP/1.0': '400',
        'HTTP/1.0 that keeps alive': 'get',
        'a body in HTTP/1.0': '400',
        'close': '400',
        'CLOSE': '400',
        'close in a list': '400',
        'close in a second header': '400',
        'close and keep-alive': '400',
        'expecting it in HTTP/1.0': '400',
        'a request behind close': '400',
      },
    ],
    [
      'llhttp does not look into Host nor into the authority of a target: whoever ' +
        'routes by it would have to.',
      {
        'HTTP/1.0 without Host': '400',
        'the absolute form without a host': 'get end',
        'an empty Host': 'get end',
        'two Hosts': 'get end',
        'a head that swallows the next': 'get',
        'the same Host twice': 'get end',
        'two Hosts in two cases': 'get end',
        'a list of Hosts': 'get end',
        'a Host with a space': 'get end',
        'a Host with a path': 'get end',
        'a Host with a user': 'get end',
        'a Host with a scheme': 'get end',
        'a Host with a bad port': 'get end',
        'a Host with a port too high': 'get end',
        'a broken IPv6 Host': 'get end',
        'a Host with a backslash': 'get end',
        'a Host with a query': 'get end',
      },
    ],
    [
      'llhttp takes any target; the program behind it must judge.',
      {
        'the absolute form with a user': 'get end',
        'the absolute form with a bad port': 'get end',
        'another scheme': 'get end',
        'an asterisk to GET': 'get end',
        'an asterisk and more': 'OPTIONS end',
        'a fragment': 'get end',
      },
    ],
    [
      'Node has no 414: all of a head is 431.',
      {
        'a target of 80000 bytes': '431',
        'a line without an end': '431',
      },
    ],
    [
      'Node takes 2000 headers by default; we take 100.',
      {
        'a hundred and one': 'get end',
      },
    ],
    [
      'RFC 9112 6.3 lets equal lengths be one; llhttp refuses the second.',
      {
        'the same length twice': '400',
        'one length in two ways': '400',
      },
    ],
    [
      'llhttp counts up to 2^64 and waits; we refuse what no body may be.',
      {
        'a length of 2^63': 'waits',
        'a length of 2^62': 'waits',
        'a size of 2^64 and 3': '400',
        'a size of 2^64 - 1': 'waits',
        'a size of 2^63': 'waits',
      },
    ],
    [
      'llhttp refuses white space behind a length, which RFC 9110 5.5 drops.',
      {
        'spaces around a length': '400',
      },
    ],
    [
      'llhttp takes whatever ends in chunked, though nobody undoes the rest, and says ' +
        '400 to others; we know chunked alone and say 501.',
      {
        'a length beside another coding': '400',
        'two codings, the other first': '() end',
        'chunked behind gzip': '() end',
        'chunked behind identity': '() end',
        'gzip alone': '400',
        'identity alone': '400',
        'an unknown coding': '400',
      },
    ],
    [
      'llhttp passes over blanks and empty items there; servers are known that do not ' +
        'see such a coding.',
      {
        'a comma before it': '() end',
        'a tab before chunked': '() end',
      },
    ],
    [
      'llhttp takes any number of zeros; we take 16 digits.',
      {
        'a size of 17 digits': '(abc) end',
      },
    ],
    [
      'RFC 9112 7.1.1 allows bad white space there and has every extension passed over; ' +
        'llhttp is strict.',
      {
        'an extension with spaces': '400',
        'an extension without a name': '400',
      },
    ],
    [
      'llhttp reads trailers as headers and refuses framing there, and bounds ' +
        'extensions, not trailers; we drop trailers and bound both (RFC 9112 7.1.2).',
      {
        'a length as a trailer': '400',
        'a coding as a trailer': '400',
        'trailers of 20000 bytes': '() end',
      },
    ],
    [
      'Node hands an upgraded connection over even if nobody takes it.',
      {
        'an upgrade that nobody takes': 'get waits',
      },
    ],
    [
      'Node reads on before it answers, and its 400 overtakes the answer.',
      {
        'garbage behind a request': '400',
        'a body longer than its length': '400',
        'a NUL behind a request': '400',
      },
    ],
  ],
  nginx: [
    [
      'nginx passes over line ends before a request and spaces in its line.',
      {
        'two empty lines before it': 'get end',
        'a bare LF before it': 'get end',
        'a bare CR before it': 'get end',
        'two spaces before the version': 'get end',
        'a space behind the version': 'get end',
        'a comma before it': '501',
      },
    ],
    [
      'nginx refuses methods of other than capital letters, TRACE and CONNECT by ' +
        'itself; Node behind it refuses those nobody knows.',
      {
        'two spaces behind the method': 'get end',
        'a method in small letters': '400',
        'a method nobody knows': '400 end',
        'a method of token punctuation': '400',
        'a method of 9000 letters': '400 end',
        'TRACE': '405',
        'CONNECT': '400',
        'CONNECT to a path': '405',
        'a body longer than its length': '(abc) 400',
      },
    ],
    [
      'nginx takes LF for CR LF and passes over CRs before it; what it sends on is ' +
        'written anew.',
      {
        'LF alone at its end': 'get end',
        'a bare LF between headers': 'get end',
        'LF alone at the end': 'get end',
        'LF LF at the end': 'get end',
        'CR CR LF at the end of a header': 'get end',
        'a length behind a bare LF': '(abc) end',
        'chunked behind a bare LF': '() end',
        'LF alone behind a size': '(abc) end',
        'a trailer with a bare LF': '() end',
      },
    ],
    [
      'nginx speaks HTTP/0.9, reads 1.10 as a minor version, and answers 400 to ' +
        'versions below 1 and the preface; without Host its upstream refuses.',
      {
        'no version': '',
        'HTTP/0.9': '',
        'the preface of HTTP/2': '400',
        'HTTP/1.0 without Host': '400',
        'HTTP/0.9 by number': '400',
        'HTTP/1.10': 'get end',
        'HTTP/11': '505',
      },
    ],
    [
      'nginx takes such targets and Hosts and hands them on, or on to an upstream ' +
        'that refuses them.',
      {
        'another scheme': 'get end',
        'a fragment': 'get end',
        'a byte above ASCII in the path': '400 end',
        'a Host with a user': 'get end',
        'a Host with a bad port': 'get end',
        'a Host with a port too high': 'get end',
        'a broken IPv6 Host': 'get end',
        'a Host with a backslash': 'get end',
        'a Host with a query': 'get end',
      },
    ],
    [
      'nginx passes over a header whose name is invalid, and does not hand it on.',
      {
        'a header without a colon': 'get end',
        'a byte above ASCII in a name': 'get end',
        'parentheses in a name': 'get end',
        'a slash in a name': 'get end',
      },
    ],
    [
      'nginx hands such values on, and its upstream refuses them.',
      {
        'a control byte in a value': '400 end',
        'DEL in a value': '400 end',
        'a vertical tab in a value': '400 end',
      },
    ],
    [
      'nginx does not count headers.',
      {
        'a hundred and one': 'get end',
      },
    ],
    [
      'nginx answers 400 to what is beyond its buffers.',
      {
        'a header of 80000 bytes': '400',
        'a name of 80000 bytes': '400',
      },
    ],
    [
      'nginx refuses a second length, and a tab around one.',
      {
        'the same length twice': '400',
        'one length in two ways': '400',
        'spaces around a length': '400',
      },
    ],
    [
      'nginx refuses a second Transfer-Encoding before it looks at the first.',
      {
        'two codings, the other first': '400',
      },
    ],
    [
      'nginx knows the word chunked alone and says 501 to all else; we say 400 to ' +
        'what is malformed.',
      {
        'a list of chunked': '501',
        'chunked not last': '501',
        'an empty coding': '501',
        'a comma behind it': '501',
        'chunked with a parameter': '501',
        'chunked in quotes': '501',
        'a tab before chunked': '501',
        'a vertical tab before chunked': '501',
        'a byte above ASCII in chunked': '501',
      },
    ],
    [
      'nginx takes LF for CR LF in chunks, blanks behind sizes, and does not look at ' +
        'extensions and trailers; it sends the body on with a length.',
      {
        'a size of 17 digits': '(abc) end',
        'a size of 2^64 and 3': '400',
        'a size of 2^64 - 1': '400',
        'a size of 2^63': '400',
        'a size of 2^62': '400',
        'a space behind a size': '(abc) end',
        'a tab behind a size': '(abc) end',
        'LF alone behind a chunk': '(abc) end',
        'a chunk too short': '(abc\r) end',
        'an extension with a NUL': '(abc) end',
        'an extension of 20000 bytes': '(abc) end',
        'a trailer without a colon': '() end',
        'a trailer with a NUL': '() end',
        'a folded trailer': '() end',
        'trailers of 20000 bytes': '() end',
        'LF alone behind the last chunk': '() end',
        'LF LF behind the last chunk': '() end',
      },
    ],
    [
      'nginx finds "close" anywhere in Connection.',
      {
        'close in another word': 'get',
      },
    ],
  ],
  behind: [
    [
      'nginx speaks HTTP/0.9 to its client and sends no Host on; we refuse that, and ' +
        'it strips our head.',
      {
        'no version': 'headless',
        'HTTP/0.9': 'headless',
      },
    ],
    [
      'Node refuses a method it does not know with 400, we with 405.',
      {
        'a method nobody knows': '405 end',
        'a method of 9000 letters': '405 end',
      },
    ],
    [
      'nginx hands on what we refuse: one request, one refusal, and the connection ' +
        'goes on.',
      {
        'a fragment': '400 end',
        'a Host with a user': '400 end',
        'a Host with a bad port': '400 end',
        'a Host with a port too high': '400 end',
        'a broken IPv6 Host': '400 end',
        'a Host with a backslash': '400 end',
        'a Host with a query': '400 end',
        'a hundred and one': '431 end',
      },
    ],
  ],
};
