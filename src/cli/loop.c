/* loop.c - see loop.h. */
#include "cli/loop.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* Those that were ignored when we were started stay so (nohup). */
static void choose_signals(sigset_t *out)
{
    static const int farewells[] = { SIGTERM, SIGINT, SIGHUP };
    sigemptyset(out);
    for (size_t i = 0; i < sizeof(farewells) / sizeof(farewells[0]); i++) {
        struct sigaction now;
        if (sigaction(farewells[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN)
            sigaddset(out, farewells[i]);
    }
}

bool loop_reach(struct loop *loop, struct cli *cli, int64_t deadline_ns)
{
    sigset_t farewells;
    choose_signals(&farewells);

    loop->signals = -1;
    /* The client's threads are made with the signals blocked: they must come to this one. */
    sigprocmask(SIG_BLOCK, &farewells, NULL);
    loop->client = cli_client(cli);
    sigprocmask(SIG_UNBLOCK, &farewells, NULL);
    if (loop->client == NULL)
        return false;
    if (!cli_await_connected(cli, loop->client, deadline_ns))
        loop->client = cli_disconnect(loop->client);
    return loop->client != NULL;
}

bool loop_hear(struct loop *loop, struct cli *cli)
{
    sigset_t farewells;
    choose_signals(&farewells);

    sigprocmask(SIG_BLOCK, &farewells, NULL);
    loop->signals = signalfd(-1, &farewells, SFD_CLOEXEC | SFD_NONBLOCK);
    if (loop->signals >= 0)
        return true;
    sigprocmask(SIG_UNBLOCK, &farewells, NULL);
    cli_fail(cli, LK_E_SYSTEM, "signals");
    return false;
}

bool loop_connect(struct loop *loop, struct cli *cli, int64_t deadline_ns)
{
    if (!loop_reach(loop, cli, deadline_ns))
        return false;
    if (loop_hear(loop, cli))
        return true;
    loop->client = cli_disconnect(loop->client);
    return false;
}

int loop_run(struct loop *loop, struct cli *cli, bool (*goes_on)(void *arg), void *arg)
{
    struct signalfd_siginfo info = { .ssi_signo = 0 };
    while (goes_on(arg)) {
        struct pollfd fds[] = {
            { .fd = loop->signals, .events = POLLIN },
            { .fd = lk_fd(loop->client), .events = POLLIN },
        };
        poll(fds, sizeof(fds) / sizeof(fds[0]), -1);
        if (read(loop->signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
            return cli->code = 128 + (int)info.ssi_signo;
        (void)!lk_dispatch(loop->client, 0);
    }
    return cli->code;
}

int loop_take_signal(struct loop *loop, struct cli *cli)
{
    struct signalfd_siginfo info;
    sigset_t farewells;

    if (read(loop->signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
        return 0;
    choose_signals(&farewells);
    sigprocmask(SIG_UNBLOCK, &farewells, NULL);
    cli_note(cli, "ending with the answers to what was sent; once more ends at once");
    return (int)info.ssi_signo;
}

void loop_end(struct loop *loop)
{
    if (loop->signals >= 0)
        close(loop->signals);
    loop->client = cli_disconnect(loop->client);
}
