/* numbers.c - who stands before whom in a listing. Every child with ten digits at its end counts,
 * whoever made it: they all take their numbers from the same counter, and skipping one could mean
 * two holders. */
#include "line/numbers.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/path.h"

void numbers_prefix(char prefix[NUMBERS_PREFIX_SIZE], struct numbers_style style)
{
    if (style.weight)
        snprintf(prefix, NUMBERS_PREFIX_SIZE, "lk-sem%" PRIu32 "%s-lock-", style.weight,
                 style.has_term ? "t" : "");
    else if (style.compat == LK_COMPAT_KAZOO)
        strcpy(prefix, style.is_reader ? "lk__rlock__" : "lk__lock__");
    else if (style.compat == LK_COMPAT_CURATOR && style.is_rwlock)
        strcpy(prefix, style.is_reader ? "lk-__READ__" : "lk-__WRIT__");
    else
        strcpy(prefix, style.is_reader ? "lk-read-lock-" : "lk-lock-");
}

uint32_t numbers_weight(const char *name)
{
    char digits[10]; /* and no sign, which a number might have */
    bool is_ours = sscanf(name, "lk-sem%9[0-9]", digits) == 1;
    uint32_t weight = is_ours ? (uint32_t)strtoul(digits, NULL, 10) : 0;

    return weight > 0 ? weight : 1;
}

bool numbers_has_term(const char *name)
{
    int end = 0;

    (void)sscanf(name, "lk-sem%*9[0-9]t-lock-%n", &end);
    return end > 0;
}

bool numbers_is_reader(const char *name)
{
    return strncmp(name, "lk-read-lock-", strlen("lk-read-lock-")) == 0 || strstr(name, "__READ__")
           || strstr(name, "__rlock__");
}

static bool is_in_the_way(const char *name, bool for_reader, uint32_t *out_number)
{
    return path_number(name, out_number) && !(for_reader && numbers_is_reader(name));
}

const char *numbers_predecessor(const struct keeper_reply *list, uint32_t number, const char *own,
                                bool for_reader, bool *out_own)
{
    const char *best = NULL;
    uint32_t best_number = 0;

    *out_own = false;
    for (size_t i = 0; i < list->child_count; i++) {
        const char *name = list->children[i];
        uint32_t its;
        if (strcmp(name, own) == 0)
            *out_own = true;
        else if (is_in_the_way(name, for_reader, &its) && number_is_before(its, number)
                 && (!best || number_is_before(best_number, its))) {
            best = name;
            best_number = its;
        }
    }
    return best;
}

uint32_t numbers_count(const struct keeper_reply *list, bool for_reader)
{
    uint32_t count = 0, number;

    for (size_t i = 0; i < list->child_count; i++)
        count += is_in_the_way(list->children[i], for_reader, &number);
    return count;
}
