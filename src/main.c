/* SPDX-License-Identifier: Apache-2.0 */
/* Picks the command; around it only what every command needs of its standard streams. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"

/* A closed one would be given to the next socket, and a client would read the log. */
static void open_standard_streams(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR | O_NOCTTY);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO)
        close(fd);
}

/* An answer that could not be written is no success. */
static int close_output(int code)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    fprintf(stderr, "enginelabs-2api: standard output cannot be written to: %s\n",
            errno ? strerror(errno) : "an earlier write failed");
    return code ? code : EXIT_FAILED;
}

int main(int argc, char **argv)
{
    struct cli_args args;
    int code;

    cli_leave_no_core();
    open_standard_streams();
    code = args_parse(argc, argv, &args);
    if (!code)
        code = command_find(args.command)->run(&args);
    return close_output(code);
}
