/* judge.c - see judge.h. The names are judged by the rules that they were made for, not by the
 * library's own functions: a mistake there must not excuse itself here. */
#include "judge.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DIGITS = 10 }; /* of the number at a name's end */

__attribute__((format(printf, 2, 3))) static bool is_wrong(char wrong[JUDGE_WRONG_SIZE],
                                                           const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(wrong, JUDGE_WRONG_SIZE, format, arguments);
    va_end(arguments);
    return false;
}

static bool is_reader(const char *name)
{
    return strstr(name, "__READ__") || strstr(name, "__rlock__") || strstr(name, "read-lock-");
}

static const char *number_of(const char *name)
{
    size_t size = strlen(name);
    return size > DIGITS ? name + size - DIGITS : NULL;
}

bool judge_presence(const struct turn *turn, const char *children, char wrong[JUDGE_WRONG_SIZE])
{
    const char *own = number_of(turn->node);
    char *copy = strdup(children), *rest = copy;
    bool right = true, stands_there = false;

    if (!own || !copy) {
        free(copy);
        return is_wrong(wrong, "%s holds without a number: %s", turn->who, turn->node);
    }
    for (char *name; (name = strsep(&rest, ",")) != NULL && right;) {
        const char *number = number_of(name);
        stands_there |= strcmp(name, turn->node) == 0;
        if (number && strcmp(number, own) < 0 && !(turn->reads && is_reader(name)))
            right = is_wrong(wrong, "%s holds %s although %s stands there", turn->who, turn->node,
                             name);
    }
    free(copy);
    if (right && !stands_there)
        return is_wrong(wrong, "%s holds %s, which does not stand there", turn->who, turn->node);
    return right;
}

/* A writer who became a reader has two turns in one place. */
static int by_place(const void *a, const void *b)
{
    const struct turn *x = a, *y = b;

    if (x->czxid != y->czxid)
        return x->czxid < y->czxid ? -1 : 1;
    return (x->entered > y->entered) - (x->entered < y->entered);
}

static bool is_told_whole(const struct turn *turn)
{
    return turn->czxid > 0 && turn->entered > turn->czxid
           && (turn->left > turn->entered || (turn->left == 0 && turn->was_killed));
}

bool judge_turns(struct turn *turns, size_t count, char wrong[JUDGE_WRONG_SIZE])
{
    int64_t writer_left = 0, anybody_left = 0;

    qsort(turns, count, sizeof turns[0], by_place);
    for (size_t i = 0; i < count; i++) {
        const struct turn *turn = &turns[i];
        if (!is_told_whole(turn))
            return is_wrong(wrong,
                            "%s with %s: a place of 0x%" PRIx64 ", entered 0x%" PRIx64
                            ", left 0x%" PRIx64 " and %s killed",
                            turn->who, turn->node, turn->czxid, turn->entered, turn->left,
                            turn->was_killed ? "was" : "was not");
        if (turn->entered <= (turn->reads ? writer_left : anybody_left))
            return is_wrong(wrong,
                            "%s entered with %s at 0x%" PRIx64
                            ", before one of those before it had left",
                            turn->who, turn->node, turn->entered);
        int64_t left = turn->left ? turn->left : turn->entered;
        if (left > anybody_left)
            anybody_left = left;
        if (!turn->reads && left > writer_left)
            writer_left = left;
    }
    return true;
}
