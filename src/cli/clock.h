/* clock.h - what the server's clock says. */
#ifndef CLI_CLOCK_H
#define CLI_CLOCK_H

#include "cli/cli.h"

/* Server time, milliseconds since 1970, at a moment during the call. Writes below --root, for a
 * moment. */
int clock_ask(struct cli *cli, lk_client *client, int64_t *out_ms);

#endif
