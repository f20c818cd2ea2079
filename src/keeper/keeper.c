/* keeper.c - what all keepers share: names for what they answer, for logs and failing tests. */
#include "keeper/keeper.h"

const char *keeper_rc_name(int rc)
{
    static const char *const names[] = {
        [KEEPER_OK] = "OK",
        [KEEPER_NO_NODE] = "NO_NODE",
        [KEEPER_NODE_EXISTS] = "NODE_EXISTS",
        [KEEPER_BAD_VERSION] = "BAD_VERSION",
        [KEEPER_NOT_EMPTY] = "NOT_EMPTY",
        [KEEPER_NO_RIGHTS] = "NO_RIGHTS",
        [KEEPER_EPHEMERAL_PARENT] = "EPHEMERAL_PARENT",
        [KEEPER_UNKNOWN] = "UNKNOWN",
        [KEEPER_EXPIRED] = "EXPIRED",
        [KEEPER_AUTH_FAILED] = "AUTH_FAILED",
        [KEEPER_CLOSED] = "CLOSED",
        [KEEPER_NOT_APPLIED] = "NOT_APPLIED",
        [KEEPER_TOO_LARGE] = "TOO_LARGE",
        [KEEPER_NO_MEMORY] = "NO_MEMORY",
        [KEEPER_REFUSED] = "REFUSED",
    };

    if (rc < 0 || (size_t)rc >= sizeof names / sizeof names[0])
        return "not a keeper_rc";
    return names[rc];
}
