/* fuzz_numbers.c - names of those who stand in a line, and paths: who is before whom in a listing of
 * foreign names, against the rule said in another way; our own names say what they were made from.
 */
#include "fuzz.h"

#include <inttypes.h>

#include <latchkey/semaphore.h>

#include "base/path.h"
#include "line/numbers.h"

enum { NAMES_MAX = 32 };

static bool stands_in_the_way(const char *name, bool for_reader, uint32_t *number)
{
    return path_number(name, number) && !(for_reader && numbers_is_reader(name));
}

/* Nobody in the way stands between the one that was found and us. */
static void judge_listing(const struct keeper_reply *list, uint32_t number, const char *own,
                          bool for_reader)
{
    bool has_own;
    const char *found = numbers_predecessor(list, number, own, for_reader, &has_own);
    uint32_t its = 0, count = 0, other;
    bool own_is_there = false;

    if (found)
        MUST(stands_in_the_way(found, for_reader, &its) && number_is_before(its, number)
             && strcmp(found, own) != 0);
    for (size_t i = 0; i < list->child_count; i++) {
        own_is_there = own_is_there || strcmp(list->children[i], own) == 0;
        if (!stands_in_the_way(list->children[i], for_reader, &other))
            continue;
        count++;
        if (strcmp(list->children[i], own) != 0 && number_is_before(other, number))
            MUST(found && !number_is_before(its, other));
    }
    MUST(has_own == own_is_there);
    MUST(numbers_count(list, for_reader) == count);
}

static void judge_name(const char *name)
{
    uint32_t number;

    MUST(numbers_weight(name) >= 1 && numbers_weight(name) <= 999999999);
    if (numbers_has_term(name))
        MUST(strncmp(name, "lk-sem", 6) == 0);
    if (path_number(name, &number)) {
        char digits[11];
        snprintf(digits, sizeof(digits), "%010" PRIu32, number);
        MUST(number <= INT32_MAX && strcmp(name + strlen(name) - 10, digits) == 0);
    }
}

static void judge_own(struct input *in)
{
    struct numbers_style style = { .compat = (lk_compat)(take(in, 1) % 3) };
    uint32_t number = (uint32_t)take(in, 4) & INT32_MAX, read;
    char prefix[NUMBERS_PREFIX_SIZE], name[NUMBERS_PREFIX_SIZE + 11];
    uint8_t kind = (uint8_t)take(in, 1);

    if (kind & 1) {
        style.weight = (uint32_t)(take(in, 4) % LK_PERMITS_MAX + 1);
        style.has_term = kind & 2;
    } else {
        style.is_reader = kind & 2;
        style.is_rwlock = style.is_reader || (kind & 4);
    }
    numbers_prefix(prefix, style);
    snprintf(name, sizeof(name), "%s%010" PRIu32, prefix, number);
    MUST(path_number(name, &read) && read == number);
    MUST(numbers_weight(name) == (style.weight ? style.weight : 1));
    MUST(numbers_has_term(name) == style.has_term);
    MUST(numbers_is_reader(name) == style.is_reader);
}

static void judge_path(const char *path)
{
    int status = path_check(path);

    MUST(status == LK_OK || status == LK_E_PATH || status == LK_E_TOO_LARGE);
    if (status != LK_OK)
        return;
    size_t size = strlen(path);
    MUST(size > 1 && size <= PATH_MAX_SIZE && path[0] == '/' && path[size - 1] != '/');
    MUST(!strstr(path, "//") && !strstr(path, "/./") && !strstr(path, "/../"));
    MUST(utf8_is_valid(path, size));
    char *below = path_join(path, "lk-lock-0000000001");
    MUST(below && strcmp(path_name(below), "lk-lock-0000000001") == 0);
    MUST(size + 19 > PATH_MAX_SIZE || path_check(below) == LK_OK);
    free(below);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = { data, size };
    const char *children[NAMES_MAX];
    size_t count = 0;
    uint8_t how = (uint8_t)take(&in, 1), own = (uint8_t)take(&in, 1);
    uint32_t number = (uint32_t)take(&in, 4);

    judge_own(&in);
    char *text = take_text(&in), *rest = NULL;
    judge_path(text);
    for (char *name = strtok_r(text, "\n", &rest); name && count < NAMES_MAX;
         name = strtok_r(NULL, "\n", &rest)) {
        judge_name(name);
        children[count++] = name;
    }
    const struct keeper_reply list = { .children = children, .child_count = count };
    judge_listing(&list, number, count ? children[own % count] : "", how & 1);
    judge_listing(&list, number, "lk-lock-0000000001", how & 1);
    free(text);
    return 0;
}
