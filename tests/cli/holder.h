/* holder.h - a holder of a lock whose only way to the server is a proxy: to be cut off, stopped,
 * killed. */
#ifndef TESTS_CLI_HOLDER_H
#define TESTS_CLI_HOLDER_H

#include "harness.h"

extern zkbox_proxy *holder_proxy;

/* The harness' server and the proxy before it, as cmocka's group setup wants them. */
int holder_world_start(void **state);
int holder_world_stop(void **state);

/* CMD and a child of its say when they get TERM. */
#define HOLDER_SCRIPT                                                                              \
    "trap 'echo parent heard; exit 1' TERM; sh -c \"trap 'echo child heard' TERM; echo "           \
    "child=\\$\\$; while :; do "                                                                   \
    "sleep 0.05; "                                                                                 \
    "done\" & echo parent=$$; while :; do sleep 0.05; done"

/* Waits until the script runs under the lock and has printed "parent=PID" and "child=PID". */
struct tool *holder_start(const char *path, const char *option, const char *script);
struct tool *holder_start_with(const char *path, const char *option, const char *other,
                               const char *script);

pid_t holder_command(struct tool *tool);
pid_t holder_child(struct tool *tool);

/* It ends with 123, says "lost", and neither of CMD's processes is left. */
void holder_expect_lost(struct tool *tool);

/* Waits until so many proofs of sessions have passed the proxy; a lease is three of them long. */
void holder_await_proofs(int64_t count);

#endif
