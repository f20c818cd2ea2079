/* numbers.c - who stands before whom in a listing. Every child with ten digits at its end counts,
 * whoever made it: they all take their numbers from the same counter, and skipping one could mean
 * two holders. */
#include "line/numbers.h"

#include <string.h>

#include "base/path.h"

const char *numbers_predecessor(const struct keeper_reply *list, uint32_t number, const char *own,
                                bool *out_own)
{
    const char *best = NULL;
    uint32_t best_number = 0;

    *out_own = false;
    for (size_t i = 0; i < list->child_count; i++) {
        const char *name = list->children[i];
        uint32_t its;
        if (strcmp(name, own) == 0)
            *out_own = true;
        else if (path_number(name, &its) && number_is_before(its, number)
                 && (!best || number_is_before(best_number, its))) {
            best = name;
            best_number = its;
        }
    }
    return best;
}

uint32_t numbers_count(const struct keeper_reply *list)
{
    uint32_t count = 0, number;

    for (size_t i = 0; i < list->child_count; i++)
        count += path_number(list->children[i], &number);
    return count;
}
