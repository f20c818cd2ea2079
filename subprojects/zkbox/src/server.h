/* server.h - what one ZooKeeper server needs: its command line, its files, and reading its log. */
#ifndef ZKBOX_SERVER_H
#define ZKBOX_SERVER_H

#include "guardian.h"
#include "zkbox.h"

struct server_ports {
    int client;
    int peer; /* followers connect to the leader here; the last two for ensembles only */
    int election;
};

/* Fills the plan for a box whose folder will be `folder`. `gates`: ports of the SOCKS servers that
 * the nodes call their peers through, 0 for none. `error` gets a line on failure. */
int server_plan(struct guardian_plan *plan, const zkbox_options *options, const char *folder,
                const int *gates, char *error, size_t error_size);
void server_plan_free(struct guardian_plan *plan);

/* Writes node's configuration and first data into the folder, which exists. */
int server_write_files(const zkbox_options *options, const char *folder, int node,
                       const struct server_ports ports[ZKBOX_NODES_MAX]);

/* Puts the line of the log that best says why the server died into `line`. */
void server_last_words(const char *log, char *line, size_t size);

#endif
