/* differential_script.h - what a script asks: random requests, but so chosen that they meet, and
 * that every refusal a server can make is met.
 *
 * Half of the paths stand there already (the simulated servers' tree tells which); a multi is made
 * of operations that would succeed and, often, one that fails, of a chosen kind at a chosen place;
 * a watch that has fired is often set again. Everything comes from the script's seed and from what
 * was heard, so a script can be run again. */
#ifndef SIM_DIFFERENTIAL_SCRIPT_H
#define SIM_DIFFERENTIAL_SCRIPT_H

#include "differential_side.h"

enum {
    OPERATIONS_MAX = 6,
    PATH_SIZE = 160,
    MADE_MAX = 16,
    PAYLOAD_MAX = 1100000,
};

struct step {
    int session;
    bool closes; /* and another session takes its place */
    struct keeper_request request, operations[OPERATIONS_MAX];
    char path[PATH_SIZE], paths[OPERATIONS_MAX][PATH_SIZE];
};

struct script {
    struct chance chance;
    char root[PATH_SIZE / 2];
    const char *payload; /* of PAYLOAD_MAX */
    const struct ensemble *ensemble;
    /* The newest sequential znodes, there or not. */
    char made[MADE_MAX][PATH_SIZE];
    size_t made_count;
    /* The newest event: whose, and of what. Empty: it was answered. */
    int fired_session;
    char fired[PATH_SIZE];
};

/* Nobody may take what others made with the first two; the third is nobody; the last is the first,
 * in a session of its own. */
extern const char *const script_auths[SESSIONS];

void script_step(struct script *script, struct step *step);
/* What a side heard of the last step. */
void script_heard(struct script *script, const char *heard);

#endif
