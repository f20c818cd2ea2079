/* onlookers.h - who else is about while actors stand in lines: observers of elections, heralds who
 * show new cards, watchers of whole lines, an operator who lists and breaks, and a neighbour: another program that stands in
 * the same line, knows nothing of latchkey and is never asked. */
#ifndef SIM_ONLOOKERS_H
#define SIM_ONLOOKERS_H

#include "workload_line.h"

struct onlookers;

/* `paths` as the servers see them. The clients must be there. */
struct onlookers *onlookers_begin(struct line_workload *workload, const char *const *paths,
                                  int path_count);
/* To a client that began later. */
void onlookers_join(struct onlookers *onlookers, struct sim_client *client);
void onlookers_witness(struct onlookers *onlookers, const struct tree *before);
void onlookers_check(struct onlookers *onlookers);
void onlookers_settle(struct onlookers *onlookers);
bool onlookers_are_settled(struct onlookers *onlookers);
void onlookers_free(struct onlookers *onlookers);

#endif
